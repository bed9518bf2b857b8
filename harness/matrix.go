package harness

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// unasked is the record of the matrix before any of it is asked.
func (t *Trial) unasked() []verdict.Table {
	var all []verdict.Table
	for _, phase := range t.Scenario.Matrix.Phases() {
		all = append(all, verdict.Table{Phase: phase})
	}
	return all
}

// notAsked says of each phase of the matrix that did not come about why that is.
func (t *Trial) notAsked() {
	for i, m := range t.out.Matrix {
		if m.Cells != nil || m.Why != "" {
			continue
		}
		j := t.out.Judgement
		for _, f := range slices.Concat(t.out.Fixes, t.out.Inert) {
			if f.Fix.Name == m.Phase {
				j = f.Judgement
			}
		}
		t.out.Matrix[i] = verdict.NotAsked(m.Phase, j)
	}
}

// measureFirst asks the matrix on the lab that has just shown the fault.
func (t *Trial) measureFirst(ctx context.Context, p *part, s *stand) error {
	switch {
	case t.Scenario.Matrix == nil:
		return nil
	case len(t.Only) > 0:
		t.out.Matrix[0] = verdict.NotAsked(scenario.Before, verdict.JudgeLeftOut())
		return nil
	}
	err := p.phaseThat(ctx, "matrix", t.Scenario.Matrix.Says, func() error {
		b, err := s.faulty(ctx)
		if err != nil {
			return err
		}
		return b.measure(ctx, scenario.Before)
	})
	if err != nil && ctx.Err() != nil {
		t.out.Matrix[0] = verdict.NotAsked(scenario.Before, verdict.JudgeCancelled())
		return nil
	}
	return err
}

// measure asks the matrix in a phase, if it is one of the matrix's.
func (b *bench) measure(ctx context.Context, phase string) error {
	t, m := b.trial, b.trial.Scenario.Matrix
	i := slices.Index(m.Phases(), phase)
	if i < 0 {
		return nil
	}
	seen, err := b.cells(ctx, m)
	if err != nil {
		return fmt.Errorf("ask the matrix: %w", err)
	}
	fixed := slices.ContainsFunc(t.Scenario.Fixes, func(f scenario.Fix) bool { return f.Name == phase })
	table := verdict.JudgeMatrix(*m, phase, fixed, seen)
	if err := b.explain(ctx, m, &table); err != nil {
		return fmt.Errorf("explain the matrix: %w", err)
	}
	t.out.Matrix[i] = table
	b.tell(Event{Kind: Measured, Text: phase, Table: &table, OK: table.Expected})
	return nil
}

// cells asks every cell at once: each has a socket and a process of its own, and most of the time is spent in waiting
// for what does not come: long enough in each that no answer is missed.
func (b *bench) cells(ctx context.Context, m *scenario.Matrix) ([][]probe.Observation, error) {
	seen := make([][]probe.Observation, len(m.From))
	g, ctx := errgroup.WithContext(ctx)
	for i := range m.From {
		seen[i] = make([]probe.Observation, len(m.To))
		for k := range m.To {
			g.Go(func() (err error) {
				p := m.Probe(i, k)
				if seen[i][k], err = b.probe(ctx, p, probe.Delivered); err != nil {
					return fmt.Errorf("probe %q: %w", p.Name, err)
				}
				return nil
			})
		}
	}
	return seen, g.Wait()
}

// explain asks each cell that does not hold its claim once more, alone, with evidence around it. What is seen must be
// what was seen among the others.
func (b *bench) explain(ctx context.Context, m *scenario.Matrix, table *verdict.Table) error {
	if len(m.Evidence) == 0 {
		return nil
	}
	for i := range table.Cells {
		for k := range table.Cells[i] {
			c := &table.Cells[i][k]
			if c.Holds {
				continue
			}
			again, found, err := b.alone(ctx, c.Probe, c.Seen.Outcome, m.Evidence)
			if err != nil {
				return err
			}
			if again.Outcome != c.Seen.Outcome {
				return fmt.Errorf("probe %q: %s among the others, %s alone", c.Probe.Name, verdict.Saw(c.Seen), verdict.Saw(again))
			}
			c.Evidence = found
		}
	}
	return nil
}

// alone asks a question with evidence around it, which had the outcome before when it was asked among others.
func (b *bench) alone(ctx context.Context, p scenario.Probe, before probe.Outcome, specs []evidence.Spec) (probe.Observation, []evidence.Finding, error) {
	w, err := b.watch(ctx, p, specs)
	if err != nil {
		return probe.Observation{}, nil, err
	}
	defer w.close()
	seen, err := b.probe(ctx, p, before)
	if err != nil {
		return seen, nil, err
	}
	found, err := w.findings(seen)
	return seen, found, err
}
