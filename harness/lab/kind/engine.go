package kind

import (
	"context"
	"fmt"
	"slices"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// label is on everything that this package makes in the engine; its value is the name of the site.
const label = "io.faultline.cluster"

// labelOf is the label of a site's things.
func labelOf(site string) string { return label + "=" + site }

// find finds the engine, once, and removes what runs before this one have left behind.
func (r *Runtime) find(ctx context.Context) (*engine.Engine, error) {
	r.engineOnce.Do(func() {
		if r.engine, r.engineErr = engine.Find(ctx, r.options.Engine); r.engineErr != nil {
			return
		}
		removed, err := RemoveStale(ctx, r.options)
		for _, stale := range removed {
			if stale.Left == "" {
				r.options.Progress("removed cluster " + stale.Name + ", whose run is gone")
			}
		}
		if err != nil {
			r.options.Progress(fmt.Sprintf("remove what is stale: %v", err)) // nothing of this run's depends on it
		}
	})
	return r.engine, r.engineErr
}

func missing(what, do string) error {
	return &lab.UnsupportedError{Runtime: "kind", Missing: []lab.Missing{{What: what, Do: do}}}
}

// in runs a command in a container.
func in(ctx context.Context, e *engine.Engine, container string, args ...string) ([]byte, error) {
	return e.Output(ctx, append([]string{"exec", container}, args...)...)
}

// labelled is a command of the engine that puts the site's label on what it makes.
func labelled(args []string, site string) []string {
	at := 1
	switch {
	case len(args) > 0 && (args[0] == "run" || args[0] == "create"):
	case len(args) > 1 && args[0] == "volume" && args[1] == "create":
		at = 2
	default:
		return args
	}
	return slices.Concat(args[:at], []string{"--label", labelOf(site)}, args[at:])
}
