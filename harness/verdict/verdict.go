// Package verdict judges a trial: from what was wanted and what was seen to a Verdict for the fault and for each fix.
//
// In: observations, findings, and the scenario that says what they should be. Out: verdicts, each with a line that says
// why. It is pure and the only judge: nothing else in the harness decides whether a result is good.
package verdict

import (
	"net/netip"
	"strings"
	"time"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// Verdict is the judgement on a fault, a fix or an inert fix.
type Verdict string

// The verdicts on a fault.
const (
	Reproduced    Verdict = "Reproduced"    // every control holds, the symptom is there, and so is all of the evidence
	NotReproduced Verdict = "NotReproduced" // every control holds, the symptom is not there
	WrongReason   Verdict = "WrongReason"   // the symptom is there, some of the evidence is not
)

// The verdicts on a fix.
const (
	Fixed      Verdict = "Fixed"      // symptom and evidence gone, every control holds, and undoing it brings the fault back
	NotFixed   Verdict = "NotFixed"   // the symptom or its evidence is still there, or the undo did not bring back the fault and nothing else
	SideEffect Verdict = "SideEffect" // as Fixed, but that a control broke
	Hidden     Verdict = "Hidden"     // asked in another way it does not show, while all of its evidence is still there
)

// The verdicts on an inert fix, which can also be WrongReason: the symptom stays, its evidence does not; or SideEffect:
// symptom and evidence stay, and a control broke.
const (
	Inert  Verdict = "Inert"  // symptom and evidence stay as they were
	Helped Verdict = "Helped" // the symptom changed or went: the fix is not inert
)

// The verdicts on anything.
const (
	Unsupported Verdict = "Unsupported" // this machine or kernel cannot carry it
	BrokenLab   Verdict = "BrokenLab"   // the lab could not be built, died, or a control did not hold before anything was changed
	NotTried    Verdict = "NotTried"    // nothing was tried, because the fault was not reproduced or a filter left it out
)

// Verdicts lists every Verdict, for schemas.
func Verdicts() []Verdict {
	return []Verdict{
		Reproduced, NotReproduced, WrongReason, Fixed, NotFixed, SideEffect, Hidden, Inert, Helped, Unsupported, BrokenLab, NotTried,
	}
}

// Probed is a probe that was made, with what was wanted of it.
type Probed struct {
	Probe   scenario.Probe
	Wanted  scenario.Expectation // usually Probe.Expectation; Fault.Mended for the fault's probe under a fix
	Sources []netip.Addr         // the addresses that Wanted.Source stands for
	Seen    probe.Observation
}

// FaultSeen is one showing of the fault.
type FaultSeen struct {
	Controls []Probed
	Probe    Probed             // Wanted is the symptom
	Evidence []evidence.Finding // one for each of the fault's evidence, in its order
}

// FixSeen is what was seen while a fix, documented or inert, was in place.
type FixSeen struct {
	Controls []Probed
	Probe    Probed             // Wanted is what must be seen once the fault is gone
	Symptom  Probed             // the same observation, Wanted being the symptom
	Evidence []evidence.Finding // one for each of the fault's evidence; OK means that it still holds
	Own      []evidence.Finding // one for each of the fix's own evidence
	Undone   *FaultSeen         // the fault shown again after the undo; nil where there is no undo
}

// Fault is what was seen, as a showing of the fault.
func (s FixSeen) Fault() FaultSeen {
	return FaultSeen{Controls: s.Controls, Probe: s.Symptom, Evidence: s.Evidence}
}

// Judgement is a verdict with its reason.
type Judgement struct {
	Verdict  Verdict
	Expected bool   // whether this is what the scenario documents
	Why      string // one line for a person
}

// Tried is a fix with what was seen and the judgement on it.
type Tried struct {
	Fix       scenario.Fix
	Seen      *FixSeen // nil where it was not tried, is unsupported or broke the lab
	Judgement Judgement
	Took      time.Duration
}

// Trial is everything that a trial saw, judged. It is what reports are made of.
type Trial struct {
	Scenario  scenario.Scenario
	Set       map[string]string // settings of the topology that were given on top of the scenario's own
	Started   time.Time
	Place     Place
	Choices   []Choice   // of the topology, as they were taken; none where it has none or no place was found
	KubeProxy KubeProxy  // of the base lab
	Documents []Document // that the base lab has about itself, as it was when it had been asked for the fault or could not be built
	LeftOut   []string   // evidence of Scenario's file that is not in Scenario, each with what it needs that Place does not have
	Fault     *FaultSeen // nil where the lab did not come up
	Judgement Judgement  // on the fault
	Fixes     []Tried
	Inert     []Tried
	Matrix    []Table // one for each of the matrix's phases; none where the scenario has no matrix
	Phases    []Phase
	Cancelled bool // the person interrupted it
	Took      time.Duration
}

// Place is where a trial ran.
type Place struct {
	Runtime, Kernel, Accelerator, Detail string
}

// Document is a text about a lab, in the words of what it runs on. It decides nothing.
type Document struct {
	Name string `json:"name"` // like that of a file: "services.yaml"
	Says string `json:"says"` // what it is, in a few words
	Text string `json:"text"`
}

// Choice is a setting of the topology with alternatives, and which of them all labs of a trial had, unless a fix sets it.
type Choice struct {
	Name, Says, Option string
	Options            []string // all of them, the preferred one first
	Given              bool     // a setting named it
	Why                string   // why it is none of the preferred ones; empty for the first, or if it was given
}

// String says in a line what was taken, and why.
func (c Choice) String() string {
	why := "because " + c.Why
	switch {
	case c.Given:
		why = "given"
	case c.Why == "":
		why = "the first of " + strings.Join(c.Options, ", ")
	}
	says := ""
	if c.Says != "" {
		says = " (" + c.Says + ")"
	}
	return c.Name + says + ": " + c.Option + ", " + why
}

// KubeProxy is what a trial's base lab runs as kube-proxy; empty where the topology runs none. Where nodes differ, each
// version and each mode stands once, sorted: "v1.29.6, v1.36.3".
type KubeProxy struct {
	Version, Mode string
}

// Phase is a part of a trial with the time it took: "boot and build", "controls", "fault", "fix xfrm-policy", ...
type Phase struct {
	Name string
	Took time.Duration
}
