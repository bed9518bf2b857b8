// Package harness runs the experiment that a scenario describes.
//
// In: a scenario, its topology and a lab.Runtime. Out: a verdict.Trial, everything that was seen with the judgement on
// it, and Events while it happens. The package builds nothing itself and judges nothing itself: labs come from the
// runtime, verdicts from package verdict.
package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// Trial is one run of a scenario.
type Trial struct {
	Scenario *scenario.Scenario
	// Topology parses the scenario's topology with settings by path.
	Topology func(set map[string]string) (*topology.Topology, error)
	Set      map[string]string // settings on top of the scenario's own; may be nil
	Runtime  lab.Runtime       // not closed by the trial
	Only     []string          // names of the fixes and inert fixes to try; empty tries all
	Tell     func(Event)       // hears what happens as it happens, one call at a time; nil hears nothing

	out          verdict.Trial
	base         setup
	alternatives []alternative     // the first one is preferred
	taken        map[string]string // of the alternative that was taken; nil before
	passed       []string          // what is wrong with those before it
	labs         int               // how many may be up at once
	builds       chan struct{}     // holds a value for each that is in building, or restarts kube-proxies
	ahead        *ahead            // nil before the first lab is up
	main         *part             // what the others follow from
	telling      sync.Mutex        // held while Tell hears
}

// setup is a topology with its plan.
type setup struct {
	topology *topology.Topology
	plan     *plan.Plan
}

// Run runs the experiment. The error is about input that cannot be run (a name that the topology does not have) or
// about ctx; whatever happens to the lab is in the trial, as a verdict. The trial holds what was seen up to the error.
//
// The order is the argument: the controls show that the lab works, the fault that it breaks as documented and for the
// documented reason, and each fix, on a lab that has just shown the fault, that it mends it.
func (t *Trial) Run(ctx context.Context) (verdict.Trial, error) {
	if _, err := t.Prepare(); err != nil {
		return t.out, err
	}
	t.begin()
	if err := t.place(ctx); err != nil {
		t.judgeFault(unbuilt(ctx, err))
		return t.finish(ctx)
	}

	t.leaveOut()

	stand := &stand{part: t.main}
	defer stand.close()
	defer func() {
		if t.ahead != nil {
			t.ahead.close()
		}
	}()
	if err := stand.showFirst(ctx); err != nil {
		t.judgeFault(unbuilt(ctx, err))
		return t.finish(ctx)
	}
	t.judgeFault(verdict.JudgeFault(*t.Scenario, *t.out.Fault))
	if t.out.Judgement.Verdict != verdict.Reproduced {
		return t.finish(ctx)
	}
	if err := t.carryOut(ctx, stand, t.jobs()); err != nil {
		t.judgeFault(unbuilt(ctx, err))
	}
	return t.finish(ctx)
}

// Prepared is the plan of a lab that a trial will build.
type Prepared struct {
	Fix  string // the fix or inert fix that asks for a lab of its own; empty for the base lab
	Plan *plan.Plan
}

// Prepare compiles the base lab and every lab that a fix asks for, so that bad input is found before anything is built.
// It returns the plans that Run will build labs from, that of the base lab first. Run calls it by itself; call it to
// choose a runtime by the plans. Where the topology has choices, all ways to take them are compiled, and the plans are
// those of the preferred one: see Choose.
func (t *Trial) Prepare() ([]Prepared, error) {
	if err := t.prepareAll(); err != nil {
		return nil, err
	}
	return t.alternatives[0].plans, nil
}

// prepare compiles the labs of the trial with an option of each choice of the topology.
func (t *Trial) prepare(way map[string]string) (alternative, error) {
	base, err := t.compile(t.Scenario.Set, t.Set, way)
	if err != nil {
		return alternative{taken: way}, t.inFile(err, nil, way)
	}
	plans := []Prepared{{Plan: base.plan}}
	wrong := []error{t.checkNames(base.topology)}
	for _, at := range t.Scenario.FixesWithSettings() {
		if at.Fix.Needs.MissingKubeProxy(kubeProxyOf(base.topology).Version) != "" {
			continue // it will not be tried
		}
		setup, err := t.compile(t.Scenario.Set, t.Set, way, at.Fix.Set)
		if err != nil {
			wrong = append(wrong, t.inFile(err, &at, way))
			continue
		}
		if wrong[0] == nil {
			err = t.checkNames(setup.topology)
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("fix %s: %w", at.Fix.Name, err))
			continue
		}
		wrong = append(wrong, t.checkChange(at, way))
		if t.wants(at.Fix) {
			plans = append(plans, Prepared{Fix: at.Fix.Name, Plan: setup.plan})
		}
	}
	return alternative{taken: way, base: base, plans: plans}, errors.Join(append(wrong, t.checkOwn(base.topology))...)
}

// begin is a record of the trial in which nothing was seen yet.
func (t *Trial) begin() {
	t.out = verdict.Trial{Scenario: *t.Scenario, Set: t.Set, Started: time.Now()}
	t.out.KubeProxy = kubeProxyOf(t.base.topology)
	t.main = &part{trial: t}
}

// compile is the topology with settings, the later ones winning, and its plan.
func (t *Trial) compile(settings ...map[string]string) (setup, error) {
	top, err := t.parse(settings...)
	if err != nil {
		return setup{}, err
	}
	p, err := plan.Compile(top)
	return setup{topology: top, plan: p}, err
}

// parse is the topology with settings, the later ones winning.
func (t *Trial) parse(settings ...map[string]string) (*topology.Topology, error) {
	set := map[string]string{}
	for _, s := range settings {
		maps.Copy(set, s)
	}
	return t.Topology(set)
}

// place asks the runtime what the trial will run on, and takes the options of the topology's choices that it can carry.
func (t *Trial) place(ctx context.Context) error {
	return t.main.phase(ctx, "find a place", func() error {
		facts, err := t.choose(ctx)
		t.out.Place = verdict.Place{Runtime: facts.Runtime, Kernel: facts.Kernel, Accelerator: facts.Accelerator, Detail: facts.Detail}
		t.labs, t.builds = max(1, facts.Labs), make(chan struct{}, max(1, facts.Builds))
		t.out.KubeProxy = kubeProxyOf(t.base.topology)
		if err == nil {
			t.recordChoices()
		}
		return err
	})
}

// leaveOut takes the evidence out that the place does not have by the scenario's own words, and says so.
func (t *Trial) leaveOut() {
	t.Scenario, t.out.LeftOut = t.Scenario.On(t.out.Place.Kernel, t.out.KubeProxy.Version, func(f scenario.Fix) string {
		top, err := t.parse(t.Scenario.Set, t.Set, t.taken, f.Set)
		if err != nil {
			return "" // it cannot be tried, as Prepare has found
		}
		return kubeProxyOf(top).Version
	})
	t.out.Scenario = *t.Scenario
	for _, line := range t.out.LeftOut {
		t.Note("evidence left out: " + line)
	}
}

// unbuilt is the judgement on a lab that could not be had, or on a fault that could not be shown on it.
func unbuilt(ctx context.Context, err error) verdict.Judgement {
	if ctx.Err() != nil {
		return verdict.JudgeCancelled()
	}
	if errors.Is(err, lab.ErrUnsupported) {
		return verdict.Judgement{Verdict: verdict.Unsupported, Why: err.Error()}
	}
	return verdict.JudgeBroken(err.Error())
}

func (t *Trial) judgeFault(j verdict.Judgement) {
	t.out.Judgement = j
	t.out.Fixes = t.untried(t.Scenario.Fixes)
	t.out.Inert = t.untried(t.Scenario.Inert)
	t.out.Matrix = t.unasked()
	t.tell(Event{Kind: Judged, Text: "the fault", OK: j.Expected, Judged: &j})
}

// finish closes the record. A cancelled context is the caller's to report.
func (t *Trial) finish(ctx context.Context) (verdict.Trial, error) {
	t.notAsked()
	t.out.Phases = append(t.main.phases, t.out.Phases...)
	t.out.Took = time.Since(t.out.Started)
	t.out.Cancelled = ctx.Err() != nil
	return t.out, ctx.Err()
}

// untried is the record of fixes before any is tried, with the judgement that stands if the fault is not shown.
func (t *Trial) untried(fixes []scenario.Fix) []verdict.Tried {
	tried := make([]verdict.Tried, len(fixes))
	for i, f := range fixes {
		tried[i] = verdict.Tried{Fix: f, Judgement: verdict.JudgeNotTried(t.out.Judgement)}
		if !t.wants(f) {
			tried[i].Judgement = verdict.JudgeLeftOut()
		}
	}
	return tried
}

// wants says whether a fix was asked for, by itself or as a part of one that was.
func (t *Trial) wants(f scenario.Fix) bool {
	return len(t.Only) == 0 || slices.Contains(t.Only, f.Name) || slices.ContainsFunc(t.Scenario.Fixes, func(whole scenario.Fix) bool {
		return slices.Contains(t.Only, whole.Name) && slices.Contains(whole.Together, f.Name)
	})
}

// kubeProxyOf names the kube-proxies of a topology, all of them where they differ.
func kubeProxyOf(top *topology.Topology) verdict.KubeProxy {
	var versions, modes []string
	for _, n := range top.Nodes {
		if n.KubeProxy != nil {
			versions, modes = append(versions, n.KubeProxy.Version), append(modes, n.KubeProxy.Mode)
		}
	}
	each := func(list []string) string {
		slices.Sort(list)
		return strings.Join(slices.Compact(list), ", ")
	}
	return verdict.KubeProxy{Version: each(versions), Mode: each(modes)}
}

// Note tells the person a line that belongs to the trial: why this runtime, what is not verified.
func (t *Trial) Note(line string) { t.tell(Event{Kind: Note, Text: line}) }

// Progress tells what a long phase is doing.
func (t *Trial) Progress(line string) { t.tell(Event{Kind: Progress, Text: line}) }

func (t *Trial) tell(e Event) {
	if t.Tell == nil {
		return
	}
	t.telling.Lock()
	defer t.telling.Unlock()
	e.Time = time.Now()
	t.Tell(e)
}
