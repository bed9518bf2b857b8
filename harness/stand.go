package harness

import (
	"context"
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
	part  *part  // that it is at work for
	bench *bench // nil before the first lab and after one was given up
	shown bool   // the last thing seen on bench was the fault, evidence and all
}

// showFirst builds the base lab, asks the controls and shows the fault, into the trial.
func (s *stand) showFirst(ctx context.Context) error {
	p := s.part
	if err := s.build(ctx, "build the lab"); err != nil {
		return err
	}
	seen := &verdict.FaultSeen{}
	err := p.phase(ctx, "controls", func() (err error) {
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
	if err := s.build(ctx, "build a fresh lab"); err != nil {
		return nil, err
	}
	var seen *verdict.FaultSeen
	err := s.part.phase(ctx, "fault", func() (err error) {
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

func (s *stand) build(ctx context.Context, phase string) error {
	b, err := s.part.build(ctx, phase, s.part.trial.base)
	s.bench, s.shown = b, false
	return err
}

// close gives the lab up. What goes wrong is told, not returned: the trial's results stand.
func (s *stand) close() {
	if s.bench != nil {
		s.bench.close()
	}
	s.bench, s.shown = nil, false
}

// bench is a lab that is up, with the names of its topology: what probes and evidence are taken on.
type bench struct {
	trial *Trial
	part  atomic.Pointer[part] // what it is used for; the lab's progress is told by others
	setup setup
	lab   lab.Lab
}

func (p *part) build(ctx context.Context, phase string, s setup) (*bench, error) {
	b := &bench{trial: p.trial, setup: s}
	b.part.Store(p)
	err := p.phase(ctx, phase, func() error {
		ctx := lab.WithProgress(ctx, func(line string) { b.tell(Event{Kind: Progress, Text: line}) })
		return p.trial.busy(ctx, func() (err error) {
			b.lab, err = p.trial.Runtime.Up(ctx, s.plan)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return b, nil
}

func (b *bench) tell(e Event) { b.part.Load().tell(e) }

func (b *bench) close() {
	if err := b.lab.Close(); err != nil {
		b.tell(Event{Kind: Note, Text: fmt.Sprintf("close the lab: %v", err)})
	}
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
