package harness

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// stand keeps the base lab for the fixes that act on a live one. It hands the lab out only while the last thing seen on
// it was the fault in full, and builds a fresh one otherwise.
type stand struct {
	part  *part      // that it is at work for
	bench *bench     // nil before the first lab and after one was given up
	shown bool       // the last thing seen on bench was the fault, evidence and all
	ahead chan built // where its first fresh lab comes from; nil builds it
}

// showFirst builds the base lab, asks the controls and shows the fault, into the trial.
func (s *stand) showFirst(ctx context.Context) error {
	p := s.part
	b, err := p.build(ctx, "build the lab", p.trial.base)
	if err != nil {
		var e *lab.DescribedError
		if errors.As(err, &e) {
			p.describe(e.Documents)
		}
		return err
	}
	s.bench = b
	p.trial.ahead = p.trial.buildAhead(ctx)
	defer func() { s.bench.describe(ctx) }() // whether the fault was there or not, and if the lab has died, too
	seen := &verdict.FaultSeen{}
	err = p.phase(ctx, "controls", func() (err error) {
		seen.Controls, err = s.bench.controls(ctx)
		return err
	})
	if err != nil {
		return err
	}
	return p.phase(ctx, "fault", func() (err error) {
		seen.Probe, seen.Evidence, err = s.bench.fault(ctx, p.trial.Scenario.Fault.Mended.Want)
		if err != nil {
			return err
		}
		p.trial.out.Fault = seen
		s.shown = verdict.JudgeFault(*p.trial.Scenario, *seen).Verdict == verdict.Reproduced
		return nil
	})
}

// faulty is a lab on which the fault was the last thing seen.
func (s *stand) faulty(ctx context.Context) (*bench, error) {
	if s.bench != nil && s.shown {
		s.bench.part.Store(s.part)
		return s.bench, nil
	}
	s.close()
	b, err := s.fresh(ctx)
	if err != nil {
		return nil, err
	}
	s.bench = b
	var seen *verdict.FaultSeen
	err = s.part.phase(ctx, "fault", func() (err error) {
		seen, err = s.bench.show(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	if j := verdict.JudgeFault(*s.part.trial.Scenario, *seen); j.Verdict != verdict.Reproduced {
		return nil, fmt.Errorf("a fresh lab does not show the fault: %s: %s", j.Verdict, j.Why)
	}
	s.shown = true
	return s.bench, nil
}

// close gives the lab up. What goes wrong is told, not returned: the trial's results stand.
func (s *stand) close() {
	if s.bench != nil {
		s.bench.close()
	}
	s.bench, s.shown = nil, false
}

// makeRoom gives the lab up, and the one that was built ahead.
func (s *stand) makeRoom() {
	s.close()
	if s.ahead != nil {
		forgo(s.ahead)
	}
	s.ahead = nil
}

// bench is a lab that is up, with the names of its topology: what probes and evidence are taken on.
type bench struct {
	trial *Trial
	part  atomic.Pointer[part] // what it is used for, nil while nobody does; the lab's progress is told by others
	setup setup
	lab   lab.Lab
}

func (p *part) build(ctx context.Context, phase string, s setup) (*bench, error) {
	b := &bench{trial: p.trial, setup: s}
	b.part.Store(p)
	if err := p.phase(ctx, phase, func() error { return b.up(ctx) }); err != nil {
		return nil, err
	}
	return b, nil
}

// up builds the lab.
func (b *bench) up(ctx context.Context) error {
	ctx = lab.WithProgress(ctx, func(line string) {
		if b.part.Load() != nil {
			b.tell(Event{Kind: Progress, Text: line})
		}
	})
	return b.trial.busy(ctx, func() (err error) {
		b.lab, err = b.trial.Runtime.Up(ctx, b.setup.plan)
		return err
	})
}

func (b *bench) tell(e Event) { b.part.Load().tell(e) }

func (b *bench) close() {
	if err := b.lab.Close(); err != nil {
		b.tell(Event{Kind: Note, Text: fmt.Sprintf("close the lab: %v", err)})
	}
}

// describe asks the lab for its documents, if it has some. What goes wrong is told: no verdict depends on them.
func (b *bench) describe(ctx context.Context) {
	d, ok := b.lab.(lab.Describer)
	if !ok || ctx.Err() != nil {
		return
	}
	p := b.part.Load()
	_ = p.phase(ctx, "describe the lab", func() error { // the phase has told the error
		documents, err := d.Describe(ctx)
		p.describe(documents)
		return err
	})
}

// describe keeps the documents about the base lab.
func (p *part) describe(list []lab.Document) {
	if len(list) == 0 {
		return
	}
	p.trial.out.Documents = nil
	for _, d := range list {
		p.trial.out.Documents = append(p.trial.out.Documents, verdict.Document(d))
	}
	p.tell(Event{Kind: Described, Documents: p.trial.out.Documents})
}

// controls asks every control of the scenario.
func (b *bench) controls(ctx context.Context) ([]verdict.Probed, error) {
	var all []verdict.Probed
	for _, p := range b.trial.Scenario.Controls {
		seen, _, err := b.ask(ctx, p, p.Expectation, p.Want, nil)
		if err != nil {
			return all, err
		}
		all = append(all, seen)
	}
	return all, nil
}

// show asks the controls and shows the fault, which was shown before: it need not be told from one that is only late.
func (b *bench) show(ctx context.Context) (*verdict.FaultSeen, error) {
	seen := &verdict.FaultSeen{}
	var err error
	if seen.Controls, err = b.controls(ctx); err != nil {
		return nil, err
	}
	seen.Probe, seen.Evidence, err = b.fault(ctx, b.trial.Scenario.Fault.Probe.Want)
	return seen, err
}

// fault asks the fault's probe, where that outcome is heeded, and takes the fault's evidence around it.
func (b *bench) fault(ctx context.Context, heeded probe.Outcome) (verdict.Probed, []evidence.Finding, error) {
	f := b.trial.Scenario.Fault
	return b.ask(ctx, f.Probe, f.Probe.Expectation, heeded, f.Evidence)
}

// run runs commands on the lab, in order.
func (b *bench) run(ctx context.Context, actions []scenario.Action) error {
	for i, a := range actions {
		if a.Restart != "" {
			if i == 0 || actions[i-1].Restart == "" {
				if err := b.restart(ctx, actions[i:]); err != nil {
					return err
				}
			}
			continue
		}
		n, err := b.lab.Node(a.On)
		if err != nil {
			return err
		}
		if err := command(ctx, n, a); err != nil {
			return err
		}
		b.tell(Event{Kind: Ran, Text: a.On + ": " + plan.Shell(a.Cmd...)})
	}
	return nil
}

// command runs a command to its end, which must come: what is to stay running is a process of the topology.
func command(ctx context.Context, n lab.Node, a scenario.Action) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := lab.RunInput(ctx, n, a.Stdin, a.Cmd...)
	return err
}
