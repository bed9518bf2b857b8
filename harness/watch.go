package harness

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// watch is the evidence taken around one probe: a reader process in each node that is looked at, started before the
// probe so that captures see all of it.
type watch struct {
	specs   []evidence.Spec // names resolved
	before  []evidence.Reading
	probe   scenario.Probe
	own     []bool // specs that ask for the probe's own flow
	readers map[string]*reader
	cancel  context.CancelFunc
}

// watch starts the readers for specs and takes the readings before p.
func (b *bench) watch(ctx context.Context, p scenario.Probe, specs []evidence.Spec) (*watch, error) {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout+3*slack) // a reading before, the probe, a reading after
	w := &watch{probe: p, readers: map[string]*reader{}, cancel: cancel}
	for _, s := range specs {
		resolved, err := s.Resolve(b.setup.topology.Resolve, b.setup.topology.Addresses)
		if err != nil {
			w.close()
			return nil, err
		}
		w.specs = append(w.specs, resolved)
		w.own = append(w.own, seesOwnFlow(b.setup.topology, s, p))
	}
	for i, s := range w.specs {
		if w.readers[s.On] == nil {
			r, err := b.startReader(ctx, s.On)
			if err != nil {
				w.close()
				return nil, err
			}
			w.readers[s.On] = r
		}
		r := w.readers[s.On]
		r.specs = append(r.specs, i)
	}
	var err error
	if w.before, err = w.read(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// findings takes the readings after the probe and judges each spec by both.
func (w *watch) findings(o probe.Observation) ([]evidence.Finding, error) {
	for i := range w.specs {
		if w.own[i] {
			w.specs[i] = w.specs[i].Of(w.probe.Proto, o.Local)
		}
	}
	after, err := w.read()
	if err != nil {
		return nil, err
	}
	findings := make([]evidence.Finding, len(w.specs))
	for i, s := range w.specs {
		findings[i] = s.Judge(w.before[i], after[i])
	}
	return findings, nil
}

// read asks every reader for the readings of its specs.
func (w *watch) read() ([]evidence.Reading, error) {
	all := make([]evidence.Reading, len(w.specs))
	for i, s := range w.specs {
		r := w.readers[s.On]
		if r.specs[0] != i {
			continue // asked together with the node's first
		}
		var request evidence.Request
		for _, k := range r.specs {
			request.Specs = append(request.Specs, w.specs[k])
		}
		readings, err := r.ask(request)
		if err != nil {
			return nil, fmt.Errorf("on %s: %w", s.On, err)
		}
		for j, k := range r.specs {
			all[k] = readings[j]
		}
	}
	return all, nil
}

// close ends the readers. Their answers are in, so how they end changes nothing.
func (w *watch) close() {
	w.cancel()
	for _, r := range w.readers {
		_ = r.stdin.Close() // a pipe in memory
		<-r.ended
	}
}

// reader is the evidence process of one node.
type reader struct {
	specs  []int // indices into watch.specs
	stdin  *io.PipeWriter
	stdout *bufio.Reader
	stderr strings.Builder // complete once ended is closed
	ended  chan struct{}
}

func (b *bench) startReader(ctx context.Context, node string) (*reader, error) {
	n, err := b.lab.Node(node)
	if err != nil {
		return nil, err
	}
	stdin, toReader := io.Pipe()
	fromReader, stdout := io.Pipe()
	r := &reader{stdin: toReader, stdout: bufio.NewReader(fromReader), ended: make(chan struct{})}
	p, err := n.Start(ctx, &lab.Cmd{Args: []string{lab.Self, "evidence"}, Stdin: stdin, Stdout: stdout, Stderr: &r.stderr})
	if err != nil {
		return nil, fmt.Errorf("%s: start the evidence reader: %w", n.Name(), err)
	}
	go func() {
		err := p.Wait()
		if err == nil {
			err = errors.New("it ended")
		}
		// Whoever asks it now hears why it cannot answer.
		stdin.CloseWithError(err)
		stdout.CloseWithError(err)
		close(r.ended)
	}()
	return r, nil
}

// ask sends one request and reads the answer to it.
func (r *reader) ask(request evidence.Request) ([]evidence.Reading, error) {
	if err := json.NewEncoder(r.stdin).Encode(request); err != nil {
		return nil, r.lost(err)
	}
	line, err := r.stdout.ReadBytes('\n')
	if err != nil {
		return nil, r.lost(err)
	}
	var batch evidence.Batch
	if err := json.Unmarshal(line, &batch); err != nil {
		return nil, fmt.Errorf("read the evidence reader's answer %q: %w", line, err)
	}
	if batch.Lacks {
		return nil, fmt.Errorf("%w: %s: choose another kernel with --kernel, or say in the file what the evidence needs", lab.ErrUnsupported, batch.Error)
	}
	if batch.Error != "" {
		return nil, errors.New(batch.Error)
	}
	if len(batch.Readings) != len(request.Specs) {
		return nil, fmt.Errorf("the evidence reader gave %d readings for %d specs", len(batch.Readings), len(request.Specs))
	}
	return batch.Readings, nil
}

// lost explains an exchange that broke off: the pipes end only with the reader's process.
func (r *reader) lost(err error) error {
	<-r.ended
	if said := strings.TrimSpace(r.stderr.String()); said != "" {
		return fmt.Errorf("ask the evidence reader: %w: %s", err, said)
	}
	return fmt.Errorf("ask the evidence reader: %w", err)
}
