// Package scenario holds one documented failure as an experiment: what works, what breaks, what the kernel shows when
// it breaks, which fixes mend it and which look-alikes do not.
//
// In: YAML. Out: a Scenario, or every mistake in the file at once, each with its position. It is pure: it knows neither
// the topology's addresses nor how probes are made.
package scenario

import (
	"time"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/probe"
)

// Scenario is a whole scenario file.
type Scenario struct {
	Name     string            `yaml:"scenario" json:"scenario"`
	Title    string            `yaml:"title" json:"title"`
	System   string            `yaml:"system,omitempty" json:"system,omitempty"` // the product in which it was seen
	Refs     []string          `yaml:"refs,omitempty" json:"refs,omitempty"`     // where it was reported
	Topology string            `yaml:"topology" json:"topology"`                 // name of a topology, or a path to one relative to this file
	Set      map[string]string `yaml:"set,omitempty" json:"set,omitempty"`       // settings of the topology, by path
	Runtimes []string          `yaml:"runtimes,omitempty" json:"runtimes"`       // where it can be run: netns, vm; default all of them
	Controls []Probe           `yaml:"controls" json:"controls"`
	Fault    Fault             `yaml:"fault" json:"fault"`
	Fixes    []Fix             `yaml:"fixes" json:"fixes"`
	Inert    []Fix             `yaml:"inert" json:"inert"`

	doc *yamlfile.Doc // where everything stands; nil if the scenario was not parsed
}

// Probe is a question and the one answer that is wanted.
type Probe struct {
	Name    string        `yaml:"name" json:"name"`
	From    string        `yaml:"from" json:"from"`                           // a node
	To      string        `yaml:"to" json:"to"`                               // "node:port" or "service:port"; "node@interface:port" for one address of several
	Proto   string        `yaml:"proto,omitempty" json:"proto,omitempty"`     // "tcp" (default) or "udp"
	Timeout time.Duration `yaml:"timeout,omitempty" json:"timeout,omitempty"` // from 1s to 1m; default 4s
	Payload int           `yaml:"payload,omitempty" json:"payload,omitempty"` // bytes to send after the greeting

	Expectation `yaml:",inline"`
}

// Expectation is the exact answer that is wanted of a probe.
type Expectation struct {
	Want   probe.Outcome `yaml:"want" json:"want"`
	Peer   string        `yaml:"peer,omitempty" json:"peer,omitempty"`     // node whose server must answer; only with delivered
	Source string        `yaml:"source,omitempty" json:"source,omitempty"` // whose address the server must see: a node, "node@interface" or an address; only with delivered
}

// Fault is the documented failure.
type Fault struct {
	Probe    Probe           `yaml:"probe" json:"probe"`       // its expectation is the symptom
	Mended   Expectation     `yaml:"mended" json:"mended"`     // what the same probe must see once the fault is gone
	Evidence []evidence.Spec `yaml:"evidence" json:"evidence"` // all must hold for the fault to have the documented cause
}

// Fix is a documented remedy, or, in Inert, one that looks like it and must not help. Exactly one of Run, Set and Probe
// says how it changes things.
type Fix struct {
	Name string `yaml:"name" json:"name"`
	Says string `yaml:"says,omitempty" json:"says,omitempty"` // one sentence for a person
	// Needs names what the place must have for this fix; where it does not, Unsupported is the expected verdict.
	Needs Needs `yaml:"needs,omitempty" json:"needs,omitzero"`

	Run  []Action `yaml:"run,omitempty" json:"run,omitempty"`   // commands on the live lab
	Undo []Action `yaml:"undo,omitempty" json:"undo,omitempty"` // what takes Run back; the fault must then return
	// NoUndo is why Run cannot be taken back, instead of Undo. It is told with the verdict, which proves less without.
	NoUndo string `yaml:"noUndo,omitempty" json:"noUndo,omitempty"`

	Set map[string]string `yaml:"set,omitempty" json:"set,omitempty"` // settings of a fresh lab, which they must change
	// Probe asks what the fault's probe asks, from another node, and must see the outcome of Fault.Mended.
	Probe *Probe `yaml:"probe,omitempty" json:"probe,omitempty"`

	// Evidence must hold while the fix is in place, beside the fault's own evidence being gone.
	Evidence []evidence.Spec `yaml:"evidence,omitempty" json:"evidence,omitempty"`
	// Leaves names evidence of the fault that this fix is known to leave in place: it must still hold.
	Leaves []string `yaml:"leaves,omitempty" json:"leaves,omitempty"`
	// Expect is the documented verdict where it is not the usual one (Fixed, or Inert): SideEffect for a fix whose price
	// is known, or an inert one that breaks a control; WrongReason for a look-alike that brings another failure with the
	// same symptom, which Evidence must show.
	Expect string `yaml:"expect,omitempty" json:"expect,omitempty"`
	// Breaks names the controls that the fix is documented to break; these must fail, and no others. Only with Expect.
	Breaks []string `yaml:"breaks,omitempty" json:"breaks,omitempty"`
}

// Needs is what a fix asks of the place it is tried in.
type Needs struct {
	Kernel string `yaml:"kernel,omitempty" json:"kernel,omitempty"` // lowest kernel release, "5.13"
}

// Action is a command run on a node.
type Action struct {
	On    string   `yaml:"on" json:"on"`
	Cmd   []string `yaml:"cmd" json:"cmd"`
	Stdin string   `yaml:"stdin,omitempty" json:"stdin,omitempty"` // a ruleset for nft -f -, for example
}
