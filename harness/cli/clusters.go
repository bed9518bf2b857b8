package cli

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
	"github.com/faultline-lab/faultline/harness/lab/kind/image"
)

// clusters are what one trial on kind after the other has: variants of a scenario run on the same clusters where those
// fit, and a cluster is too much for a machine to have those of two trials at once.
type clusters struct {
	turn sync.Mutex // held by the trial that has them

	mu       sync.Mutex
	of       string // the scenario
	runtime  *kind.Runtime
	progress func(line string) // of the trial that has them
}

// cluster is the runtime for t, once those before it have given it back; done gives it back.
func (p *places) cluster(t *harness.Trial) (lab.Runtime, func()) {
	c := &p.clusters
	take(&c.turn, func() { t.Progress("another trial has the clusters, waiting for that") })
	c.mu.Lock()
	defer c.mu.Unlock()
	c.progress = t.Progress
	if c.runtime != nil && c.of != t.Scenario.Name {
		p.leave()
	}
	if c.runtime == nil {
		builder := &image.Builder{Cache: p.app.cache, Engine: os.Getenv(engine.Variable), Progress: p.makes}
		c.of = t.Scenario.Name
		c.runtime = kind.New(kind.Options{
			Cache: p.app.cache, Name: t.Scenario.Name, Image: p.flags.nodeImage, NodeImage: builder.Image, Plugins: builder.Plugins,
			Engine: os.Getenv(engine.Variable),
			Keep:   p.flags.keep, Reuse: p.flags.reuse, Progress: c.say,
		})
	}
	return c.runtime, func() {
		c.mu.Lock()
		c.progress = nil
		c.mu.Unlock()
		c.turn.Unlock()
	}
}

// makes tells how the node image is made: the trial that has the clusters, and all others that wait for them.
func (p *places) makes(line string) {
	p.clusters.say(line)
	p.shared(line)
}

func (c *clusters) say(line string) {
	c.mu.Lock()
	progress := c.progress
	c.mu.Unlock()
	if progress != nil {
		progress(line)
	}
}

// leave gives up the clusters of a scenario, and says how to use those that are kept.
func (p *places) leave() {
	c := &p.clusters
	if c.runtime == nil {
		return
	}
	if err := c.runtime.Close(); err != nil {
		p.mu.Lock()
		p.wrong = append(p.wrong, err)
		p.mu.Unlock()
	}
	for _, k := range c.runtime.Kept() {
		fmt.Fprintf(p.app.stdout, "\ncluster %s is kept:\n  %s\n", k.Name, strings.Join(k.Lines, "\n  "))
	}
	c.runtime = nil
}
