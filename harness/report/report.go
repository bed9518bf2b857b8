// Package report tells what a trial saw and how it was judged: as report.json for programs, junit.xml for CI, report.md
// for an issue, and as the story on a terminal while it happens.
//
// In: a verdict.Trial, and harness.Events as they happen. Out: bytes. It never judges and asks nothing of the lab; all
// but Write and Journal are pure.
package report

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// SchemaVersion names the form of report.json. Fields may be added to a version; what a field means, and that it is
// there, changes only with the version.
const SchemaVersion = "faultline/report/v1"

// Report is report.json. All times are in milliseconds, lists are never null.
type Report struct {
	Schema      string     `json:"schema" jsonschema:"enum=faultline/report/v1"` // SchemaVersion
	Scenario    string     `json:"scenario"`                                     // name of the scenario
	Variant     string     `json:"variant,omitempty"`                            // name of the variant, of a scenario that has some
	Title       string     `json:"title"`                                        // the scenario's one sentence
	System      string     `json:"system,omitempty"`                             // the product in which the fault was seen
	Refs        []string   `json:"refs,omitempty"`                               // where the fault was reported
	Started     time.Time  `json:"started"`                                      // when the trial began
	MadeBy      string     `json:"madeBy"`                                       // program and version
	Again       string     `json:"again"`                                        // command line that runs the same trial again, with the runtime and the kernel that were used
	Given       Settings   `json:"given"`                                        // settings of the topology that were given on the command line
	Settings    Settings   `json:"settings"`                                     // all settings of the base lab: the scenario's, and those that were given
	Runtime     string     `json:"runtime"`                                      // "netns", "vm" or "kind"
	Accelerator string     `json:"accelerator"`                                  // of a vm: "kvm" or "tcg"; else empty
	Kernel      string     `json:"kernel"`                                       // release of the kernel that was tried, as in uname -r
	Place       string     `json:"place,omitempty"`                              // one line more about where the trial ran
	Choices     []Choice   `json:"choices"`                                      // settings with alternatives that the topology has, and what was taken of them; empty too where no place was found
	KubeProxy   KubeProxy  `json:"kubeProxy"`                                    // of the lab that shows the fault
	Verdict     Verdict    `json:"verdict"`                                      // on the fault
	Why         string     `json:"why"`                                          // reason of the verdict on the fault
	Expected    bool       `json:"expected"`                                     // every verdict is what the scenario documents, none is missing, and a fix and an inert fix at least were verified, or of those that --fix named one of each kind; what else was not verified is in notVerified
	ExitCode    int        `json:"exitCode"`                                     // of faultline run: 0 expected, 1 not, 3 unsupported here or nothing verified, 4 the lab broke, 130 interrupted
	Controls    []Control  `json:"controls"`                                     // every control in every phase
	Fault       Fault      `json:"fault"`                                        // the documented failure, as it was seen first
	Fixes       []Fix      `json:"fixes"`                                        // the documented fixes, in the scenario's order
	Inert       []Fix      `json:"inert"`                                        // the fixes that must not help, in the scenario's order
	Matrix      *Matrix    `json:"matrix,omitempty"`                             // the document's table of who reaches whom, measured; left out where the scenario has none
	NotVerified []string   `json:"notVerified"`                                  // names of the fixes and inert fixes of which this report says nothing: left out, unsupported here, or not tried for want of the fault
	LeftOut     []string   `json:"leftOut"`                                      // evidence that was not asked for, each with what it needs and was not had here
	Documents   []Document `json:"documents,omitempty"`                          // what the place showed of the lab when the fault had been asked for, or the lab could not be built; left out where it shows none: kind alone does
	Durations   Durations  `json:"durations"`                                    // where the time went
}

// Settings are settings of a topology, values by path. They are never null.
type Settings map[string]string

// Choice is a setting of the topology with alternatives, and which of them the labs had.
type Choice struct {
	Name    string   `json:"name"`           // the setting, "cable"
	Says    string   `json:"says,omitempty"` // what is chosen
	Option  string   `json:"option"`         // the alternative that was taken
	Options []string `json:"options"`        // all alternatives, the preferred one first
	Given   bool     `json:"given"`          // a setting named it; else it is the first that the place can carry
	Why     string   `json:"why"`            // what the place lacks for those before it; empty for the first one, or if it was given
}

// Document is a text about the lab, in the words of what it runs on.
type Document struct {
	Name string `json:"name"` // of kind: "nodes.yaml" (versions of kubelet, kube-proxy and the container runtime, by node), "kube-proxy.yaml" (its ConfigMap), "services.yaml", "endpointslices.yaml"; of further clusters of the lab "NODE-services.yaml" and so on
	Says string `json:"says"` // what it is, in a few words
	Text string `json:"text"`
}

// Maker is what made a report.
type Maker struct {
	Version string // program and version
	Again   string // command line that runs the same trial again
}

// Verdict is a verdict.Verdict.
type Verdict = verdict.Verdict

// KubeProxy is what the lab that shows the fault runs as kube-proxy; empty where there is none.
type KubeProxy struct {
	Version string `json:"version"` // "v1.36.3"; every version once, sorted, where nodes differ: "v1.29.6, v1.36.3"
	Mode    string `json:"mode"`    // "iptables", "ipvs" or "nftables"; every mode, likewise, where nodes differ
}

// Probe is a question to the data path with the answer.
type Probe struct {
	Name    string        `json:"name"`
	From    string        `json:"from"`             // node that asked
	To      string        `json:"to"`               // "node:port" or "service:port"
	Wanted  string        `json:"wanted"`           // the answer that it was judged by, in words
	Outcome probe.Outcome `json:"outcome"`          // what the network did; empty if the probe was not made
	Peer    string        `json:"peer"`             // name that the answering server gave; empty if none answered
	Source  string        `json:"source"`           // address that the server saw; empty if none answered
	Detail  string        `json:"detail,omitempty"` // the system's own words
	OK      bool          `json:"ok"`               // exactly as wanted
	Took    int64         `json:"took"`             // milliseconds
}

// Control is a control with the phase in which it was asked.
type Control struct {
	Phase string `json:"phase"` // "before" the fault was shown, or "fix NAME", or "inert NAME"
	Probe
	Documented bool `json:"documented"` // it does not hold, and the fix of this phase is documented to break it
}

// Fault is the failure as it was seen.
type Fault struct {
	Probe    Probe      `json:"probe"`
	Evidence []Evidence `json:"evidence"`
}

// Evidence is what the kernel showed around a probe.
type Evidence struct {
	Name     string   `json:"name"`
	On       string   `json:"on"`       // node whose kernel state was read
	Kind     string   `json:"kind"`     // "xfrm", "conntrack", ...: what was read
	Want     string   `json:"want"`     // what shows the cause, in words
	Before   string   `json:"before"`   // before the probe, in a word or a line
	After    string   `json:"after"`    // after the probe, likewise
	OK       bool     `json:"ok"`       // it is there as wanted
	Why      string   `json:"why"`      // what was wanted and what was there
	Readings Readings `json:"readings"` // Before and After as they were read
}

// Readings are the readings before and after a probe.
type Readings struct {
	Before evidence.Reading `json:"before"`
	After  evidence.Reading `json:"after"`
}

// Fix is a documented or an inert fix with the verdict on it.
type Fix struct {
	Name     string     `json:"name"`
	Says     string     `json:"says,omitempty"`   // one sentence about it
	Run      []Command  `json:"run"`              // what the fix is: these commands on the live lab,
	Set      Settings   `json:"set"`              // or these settings of a lab of its own,
	Asks     string     `json:"asks,omitempty"`   // or this probe instead of the fault's, in words
	Undo     []Command  `json:"undo"`             // what takes run back
	NoUndo   string     `json:"noUndo,omitempty"` // why run cannot be taken back
	Leaves   []string   `json:"leaves"`           // names of the evidence that the fix is documented to leave in place
	Verdict  Verdict    `json:"verdict"`
	Expected bool       `json:"expected"`                     // this is what the scenario documents
	Why      string     `json:"why"`                          // reason of the verdict
	Probe    *Probe     `json:"probe" jsonschema:"nullable"`  // asked while the fix was in place; null if it was not tried
	Evidence []Evidence `json:"evidence"`                     // the fault's evidence; ok means that it is still there
	Own      []Evidence `json:"own"`                          // evidence of the fix itself
	Broke    []string   `json:"broke"`                        // names of the controls that did not hold while the fix was in place
	Undone   *Verdict   `json:"undone" jsonschema:"nullable"` // verdict on the fault after the undo: Reproduced if it came back; null if nothing was undone
	Took     int64      `json:"took"`                         // milliseconds
}

// Command is a command that runs on a node, or a restart.
type Command struct {
	On      string   `json:"on"`                // node
	Cmd     []string `json:"cmd,omitempty"`     // program and arguments
	Stdin   string   `json:"stdin,omitempty"`   // its standard input
	Restart string   `json:"restart,omitempty"` // what is ended and started again instead: "kube-proxy"
}

// Durations says where the time went, in milliseconds.
type Durations struct {
	Total  int64   `json:"total"`
	Phases []Phase `json:"phases"` // part by part of the story, each in the order in which they ended; parts may have run side by side
}

// Phase is a part of the trial.
type Phase struct {
	Name string `json:"name"`
	Took int64  `json:"took"` // milliseconds
}

// New makes the report on a trial.
func New(t verdict.Trial, by Maker) Report {
	r := Report{
		Schema:      SchemaVersion,
		Scenario:    t.Scenario.Name,
		Variant:     t.Scenario.Variant,
		Title:       t.Scenario.Title,
		System:      t.Scenario.System,
		Refs:        t.Scenario.Refs,
		Started:     t.Started,
		MadeBy:      by.Version,
		Again:       by.Again,
		Given:       merged(t.Set),
		Settings:    merged(t.Scenario.Set, t.Set),
		Runtime:     t.Place.Runtime,
		Accelerator: t.Place.Accelerator,
		Kernel:      t.Place.Kernel,
		Place:       t.Place.Detail,
		Choices:     newChoices(t.Choices),
		KubeProxy:   KubeProxy(t.KubeProxy),
		Verdict:     t.Judgement.Verdict,
		Why:         t.Judgement.Why,
		Expected:    t.Expected(),
		ExitCode:    t.ExitCode(),
		Controls:    []Control{},
		Fault:       Fault{Probe: newProbe(verdict.Probed{Probe: t.Scenario.Fault.Probe, Wanted: t.Scenario.Fault.Probe.Expectation}), Evidence: []Evidence{}},
		Fixes:       newFixes(t.Scenario, t.Fixes, false),
		Inert:       newFixes(t.Scenario, t.Inert, true),
		Matrix:      newMatrix(t),
		NotVerified: t.NotVerified(),
		LeftOut:     append([]string{}, t.LeftOut...),
		Documents:   newDocuments(t.Documents),
		Durations:   newDurations(t),
	}
	if t.Fault != nil {
		r.controls("before", t.Fault.Controls, nil)
		r.Fault = Fault{Probe: newProbe(t.Fault.Probe), Evidence: newEvidence(t.Fault.Evidence)}
	}
	for _, list := range []struct {
		what  string
		tried []verdict.Tried
	}{{"fix ", t.Fixes}, {"inert ", t.Inert}} {
		for _, f := range list.tried {
			if f.Seen != nil {
				r.controls(list.what+f.Fix.Name, f.Seen.Controls, f.Fix.Breaks)
			}
		}
	}
	return r
}

func (r *Report) controls(phase string, list []verdict.Probed, breaks []string) {
	for _, p := range list {
		c := Control{Phase: phase, Probe: newProbe(p)}
		c.Documented = !c.OK && slices.Contains(breaks, c.Name)
		r.Controls = append(r.Controls, c)
	}
}

// merged is the settings in all of list, the later ones winning.
func merged(list ...map[string]string) Settings {
	all := Settings{}
	for _, m := range list {
		maps.Copy(all, m)
	}
	return all
}

func newChoices(taken []verdict.Choice) []Choice {
	list := make([]Choice, len(taken))
	for i, c := range taken {
		list[i] = Choice(c)
	}
	return list
}

func newDocuments(shown []verdict.Document) []Document {
	list := make([]Document, len(shown))
	for i, d := range shown {
		list[i] = Document(d)
	}
	return list
}

func newProbe(p verdict.Probed) Probe {
	out := Probe{
		Name:    p.Probe.Name,
		From:    p.Probe.From,
		To:      p.Probe.To,
		Wanted:  p.Wanted.String(),
		Outcome: p.Seen.Outcome,
		Peer:    p.Seen.Peer,
		Detail:  p.Seen.Detail,
		Took:    p.Seen.Took.Milliseconds(),
	}
	if a := p.Seen.Source.Addr(); a.IsValid() {
		out.Source = a.Unmap().String()
	}
	out.OK, _ = p.Met()
	return out
}

func newEvidence(found []evidence.Finding) []Evidence {
	list := make([]Evidence, len(found))
	for i, f := range found {
		s := f.Spec
		list[i] = Evidence{
			Name: s.Title(), On: s.On, Kind: s.Kind(), Want: s.Want.String(), //nolint:staticcheck // a Spec as a whole has no text
			Before: s.Show(f.Before), After: s.Show(f.After), OK: f.OK, Why: f.Why,
			Readings: Readings{f.Before, f.After},
		}
	}
	return list
}

func newFixes(s scenario.Scenario, tried []verdict.Tried, inert bool) []Fix {
	list := make([]Fix, len(tried))
	for i, t := range tried {
		list[i] = Fix{
			Name:     t.Fix.Name,
			Says:     t.Fix.Says,
			Run:      newCommands(t.Fix.Run),
			Set:      merged(t.Fix.Set),
			Undo:     newCommands(t.Fix.Undo),
			NoUndo:   t.Fix.NoUndo,
			Leaves:   append([]string{}, t.Fix.Leaves...),
			Verdict:  t.Judgement.Verdict,
			Expected: t.Judgement.Expected,
			Why:      t.Judgement.Why,
			Evidence: []Evidence{},
			Own:      []Evidence{},
			Broke:    []string{},
			Took:     t.Took.Milliseconds(),
		}
		if p := t.Fix.Probe; p != nil {
			list[i].Asks = fmt.Sprintf("%s: %s to %s, wanted %s", p.Name, p.From, p.To, p.Expectation)
		}
		if t.Seen != nil {
			seen := *t.Seen
			if t.Fix.Symptom != nil {
				seen.Symptom.Wanted, seen.Symptom.Sources = *t.Fix.Symptom, nil
			}
			list[i].seen(s, seen, inert)
		}
	}
	return list
}

func (f *Fix) seen(s scenario.Scenario, seen verdict.FixSeen, inert bool) {
	p := newProbe(seen.Probe)
	if inert {
		p = newProbe(seen.Symptom) // which is what an inert fix must leave
	}
	f.Probe = &p
	f.Evidence = newEvidence(seen.Evidence)
	f.Own = newEvidence(seen.Own)
	f.Broke = append(f.Broke, verdict.Broken(seen.Controls)...)
	if seen.Undone != nil {
		v := verdict.JudgeFault(s, *seen.Undone).Verdict
		f.Undone = &v
	}
}

func newCommands(actions []scenario.Action) []Command {
	list := make([]Command, len(actions))
	for i, a := range actions {
		list[i] = Command(a)
	}
	return list
}

func newDurations(t verdict.Trial) Durations {
	d := Durations{Total: t.Took.Milliseconds(), Phases: make([]Phase, len(t.Phases))}
	for i, p := range t.Phases {
		d.Phases[i] = Phase{p.Name, p.Took.Milliseconds()}
	}
	return d
}
