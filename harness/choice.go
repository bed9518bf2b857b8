package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/topology"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// alternative is one way to build the labs of a trial: with an option of each choice of the topology.
type alternative struct {
	taken map[string]string // settings; empty where the topology has no choices
	base  setup
	plans []Prepared
}

// with names what was taken, in front of what is said of the alternative; it is empty where there is but one.
func (t *Trial) with(a alternative) string {
	if len(t.alternatives) < 2 {
		return ""
	}
	return "with " + topology.Way(a.taken) + " "
}

// prepareAll compiles every alternative, and holds the scenario against each.
func (t *Trial) prepareAll() error {
	top, err := t.parse(t.Scenario.Set, t.Set, t.taken)
	if err != nil {
		return t.inFile(err, nil, t.taken)
	}
	t.alternatives = nil
	var wrong []error
	texts := map[string]bool{}
	for _, way := range top.Alternatives() {
		a, err := t.prepare(way)
		t.alternatives = append(t.alternatives, a)
		wrong = append(wrong, err)
		texts[fmt.Sprint(err)] = true
	}
	if len(texts) == 1 { // whatever is taken
		wrong = wrong[:1]
	}
	for i, err := range wrong {
		if err != nil && len(texts) > 1 {
			wrong[i] = fmt.Errorf("with %s: %w", topology.Way(t.alternatives[i].taken), err)
		}
	}
	t.base = t.alternatives[0].base
	return errors.Join(append(wrong, t.checkOnly())...)
}

// Choose takes the first way to take an option of each of the topology's choices, in their order of preference, for which
// lacks says nothing, given the plans of that way. Where there is none, it returns what lacks said of each, and nothing
// is taken. It goes with Prepare, before Run, which takes the first way whose base lab the runtime can carry where none
// was taken.
func (t *Trial) Choose(lacks func([]Prepared) string) string {
	var all []string
	for _, a := range t.alternatives {
		why := lacks(a.plans)
		if why == "" {
			t.take(a, all)
			return ""
		}
		all = append(all, t.with(a)+why)
	}
	return strings.Join(all, "; ")
}

// take has all labs of the trial built with an alternative. passed says what is wrong with those before it.
func (t *Trial) take(a alternative, passed []string) {
	t.base, t.taken, t.passed = a.base, a.taken, passed
}

// choose takes the alternative whose base lab the runtime can carry, if none was taken yet, and says what it will stand on.
// The error has what is missing for each.
func (t *Trial) choose(ctx context.Context) (lab.Facts, error) {
	var facts lab.Facts
	var all []error
	var passed []string
	for _, a := range t.alternatives {
		var err error
		facts, err = t.Runtime.Check(ctx, a.base.plan)
		switch {
		case err == nil && t.taken == nil:
			t.take(a, passed)
			return facts, nil
		case err == nil, !errors.Is(err, lab.ErrUnsupported):
			return facts, err
		}
		passed = append(passed, t.with(a)+lacking(err))
		if with := t.with(a); with != "" {
			err = fmt.Errorf("%s: %w", strings.TrimSpace(with), err)
		}
		all = append(all, err)
	}
	return facts, errors.Join(all...)
}

// lacking is an error about what is missing, in a line.
func lacking(err error) string {
	var missing *lab.UnsupportedError
	if !errors.As(err, &missing) {
		return err.Error()
	}
	var what []string
	for _, m := range missing.Missing {
		what = append(what, m.What)
	}
	return "runtime " + missing.Runtime + " lacks " + strings.Join(what, "; ")
}

// recordChoices writes down, and tells, what was taken of the topology's choices.
func (t *Trial) recordChoices() {
	for _, c := range t.base.topology.Choices {
		made := verdict.Choice{Name: c.Name, Says: c.Says, Option: c.Taken, Options: c.Names()}
		_, byScenario := t.Scenario.Set[c.Name]
		_, byTrial := t.Set[c.Name]
		made.Given = byScenario || byTrial
		if !made.Given && c.Taken != c.Options[0].Name {
			made.Why = strings.Join(t.passed, "; ")
		}
		t.out.Choices = append(t.out.Choices, made)
		t.Note(made.String())
	}
}
