package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// kind is how fixes of a kind are tried and judged.
type kind struct {
	name  string
	judge func(scenario.Scenario, scenario.Fix, verdict.FixSeen) verdict.Judgement
}

var (
	documented = kind{"fix", verdict.JudgeFix}
	inert      = kind{"inert", verdict.JudgeInert}
)

// try tries one fix, unless it is left out or the trial was cancelled. It returns what judges what was seen, or nil where
// the judgement needs no more.
func (t *Trial) try(ctx context.Context, p *part, s *stand, tried *verdict.Tried, k kind) (judge func()) {
	if !t.wants(tried.Fix) {
		return nil
	}
	if ctx.Err() != nil {
		tried.Judgement = verdict.JudgeCancelled()
		return nil
	}
	fall := func() {
		p.tell(Event{Kind: Judged, Text: tried.Fix.Name, OK: tried.Judgement.Expected, Judged: &tried.Judgement})
	}
	if missing := tried.Fix.Needs.MissingKubeProxy(t.out.KubeProxy.Version); missing != "" {
		tried.Judgement = verdict.JudgeTooOld(missing)
		fall()
		return nil
	}
	start := time.Now()
	err := p.phaseThat(ctx, k.name+" "+tried.Fix.Name, tried.Fix.Says, func() (err error) {
		tried.Seen, err = t.see(ctx, p, s, tried.Fix, k)
		return err
	})
	tried.Took = time.Since(start)
	switch {
	case givenUp(ctx): // the judgement on the fault is that on all
		return nil
	case ctx.Err() != nil: // whatever went wrong, or was seen, came of the interrupt
		tried.Seen, tried.Judgement = nil, verdict.JudgeCancelled()
	case err == nil:
		return func() {
			tried.Judgement = k.judge(*t.Scenario, tried.Fix, *tried.Seen)
			fall()
		}
	case errors.Is(err, lab.ErrUnsupported):
		tried.Judgement = verdict.JudgeUnsupported(tried.Fix, t.out.Place, err.Error())
	default:
		tried.Judgement = verdict.JudgeBroken(err.Error())
	}
	fall()
	return nil
}

// see puts a fix in place and looks: the controls, the fault's probe, the evidence, and the fault again after the undo.
// A fix by settings is seen on a lab of its own, any other on a lab that has just shown the fault.
func (t *Trial) see(ctx context.Context, p *part, s *stand, f scenario.Fix, k kind) (*verdict.FixSeen, error) {
	if missing := f.Needs.Missing(t.out.Place.Kernel); missing != "" {
		return nil, fmt.Errorf("%w: %s", lab.ErrUnsupported, missing)
	}
	if len(f.Set) > 0 {
		return t.seeSet(ctx, p, f, k)
	}
	b, err := s.faulty(ctx)
	if err != nil {
		return nil, err
	}
	s.shown = false
	if f.Probe != nil {
		seen, err := b.look(ctx, f, *f.Probe, f.Probe.Expectation)
		s.shown = err == nil // it only asked, the fault is as it was
		return seen, err
	}
	if err := b.run(ctx, f.Run); err != nil {
		return nil, err
	}
	seen, err := b.look(ctx, f, t.Scenario.Fault.Probe, t.Scenario.Fault.Mended)
	if err != nil {
		return seen, err
	}
	if len(f.Undo) == 0 {
		s.shown = onlyRestarts(f.Run) && verdict.JudgeFault(*t.Scenario, seen.Fault()).Verdict == verdict.Reproduced
		return seen, nil
	}
	if err := b.run(ctx, f.Undo); err != nil {
		return seen, fmt.Errorf("undo: %w", err)
	}
	if seen.Undone, err = b.show(ctx); err != nil {
		return seen, err
	}
	s.shown = verdict.JudgeFault(*t.Scenario, *seen.Undone).Verdict == verdict.Reproduced
	return seen, nil
}

// onlyRestarts says whether actions leave a lab as it was: what is restarted is started as it was.
func onlyRestarts(actions []scenario.Action) bool {
	return !slices.ContainsFunc(actions, func(a scenario.Action) bool { return a.Restart == "" })
}

func (t *Trial) seeSet(ctx context.Context, p *part, f scenario.Fix, k kind) (*verdict.FixSeen, error) {
	setup, err := t.compile(t.Scenario.Set, t.Set, t.taken, f.Set)
	if err != nil {
		return nil, err
	}
	if _, err := t.Runtime.Check(ctx, setup.plan); err != nil {
		return nil, err
	}
	b, err := p.build(ctx, "build a lab with "+f.Name, setup)
	if err != nil {
		return nil, err
	}
	defer b.close()
	return b.look(ctx, f, t.Scenario.Fault.Probe, t.Scenario.Fault.Mended)
}

// look asks everything that the judge wants to know while a fix is in place.
func (b *bench) look(ctx context.Context, f scenario.Fix, p scenario.Probe, wanted scenario.Expectation) (*verdict.FixSeen, error) {
	fault := b.trial.Scenario.Fault
	seen := &verdict.FixSeen{}
	var err error
	if seen.Controls, err = b.controls(ctx); err != nil {
		return nil, err
	}
	probed, findings, err := b.ask(ctx, p, wanted, wanted.Want, slices.Concat(fault.Evidence, f.Evidence))
	if err != nil {
		return nil, err
	}
	seen.Probe, seen.Symptom = probed, probed
	seen.Symptom.Wanted = fault.Probe.Expectation
	if seen.Symptom.Sources, err = b.sources(seen.Symptom.Wanted); err != nil {
		return nil, err
	}
	seen.Evidence, seen.Own = findings[:len(fault.Evidence)], findings[len(fault.Evidence):]
	return seen, b.measure(ctx, f.Name)
}
