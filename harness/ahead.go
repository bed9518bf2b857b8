package harness

import (
	"context"
	"slices"
)

// ahead builds base labs for those who will try fixes, while the fault is shown for the first time: whoever waits for what
// does not come leaves the processors to others. What is built says nothing yet; each lab has to show the fault by itself.
type ahead struct {
	labs   []chan built // in the order in which they are built; closed where none will be
	cancel context.CancelFunc
}

type built struct {
	bench *bench
	err   error
}

// buildAhead builds as many labs as will be wanted at once beside the first one, one after the other. It ends with the
// first that cannot be built: whoever takes that one has the error, and the others build for themselves.
func (t *Trial) buildAhead(ctx context.Context) *ahead {
	ctx, cancel := context.WithCancel(ctx)
	a := &ahead{labs: make([]chan built, max(0, min(t.labs, t.onBaseLab())-1)), cancel: cancel}
	for i := range a.labs {
		a.labs[i] = make(chan built, 1)
	}
	go func() {
		broken := false
		for _, l := range a.labs {
			if !broken {
				b := &bench{trial: t, setup: t.base}
				err := b.up(ctx)
				l <- built{b, err}
				broken = err != nil
			}
			close(l)
		}
	}()
	return a
}

// nth is where the nth lab will come from, from 0; nil if it is not built ahead.
func (a *ahead) nth(n int) chan built {
	if n >= len(a.labs) {
		return nil
	}
	return a.labs[n]
}

// onBaseLab is how many jobs act on a base lab.
func (t *Trial) onBaseLab() int {
	n := 0
	if t.Scenario.Matrix != nil {
		n++
	}
	for _, f := range slices.Concat(t.Scenario.Fixes, t.Scenario.Inert) {
		if len(f.Set) == 0 && t.wants(f) {
			n++
		}
	}
	return n
}

// close gives up the labs that nobody has taken.
func (a *ahead) close() {
	a.cancel()
	for _, labs := range a.labs {
		forgo(labs)
	}
}

// forgo gives up the lab that comes from there, if nobody has taken it.
func forgo(labs chan built) {
	if l, ok := <-labs; ok && l.err == nil {
		l.bench.part.Store(l.bench.trial.main)
		l.bench.close()
	}
}

// fresh is a base lab that nothing was done on: the one that was built ahead, or a new one.
func (s *stand) fresh(ctx context.Context) (b *bench, err error) {
	p, labs := s.part, s.ahead
	s.ahead = nil
	err = p.phase(ctx, "build a fresh lab", func() error {
		if labs != nil {
			select {
			case l, ok := <-labs:
				if ok {
					b = l.bench
					b.part.Store(p)
					return l.err
				}
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		b = &bench{trial: p.trial, setup: p.trial.base}
		b.part.Store(p)
		return b.up(ctx)
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}
