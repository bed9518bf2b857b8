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
	Matrix   *Matrix           `yaml:"matrix,omitempty" json:"matrix,omitempty"` // the document's table of who reaches whom
	// Variants are the same failure under several circumstances, each an experiment of its own; empty: the scenario is
	// one experiment. Each gives them.
	Variants []Variant `yaml:"variants,omitempty" json:"variants,omitempty"`
	Variant  string    `yaml:"-" json:"variant,omitempty"` // of what Each gives: the name of the variant, and
	Says     string    `yaml:"-" json:"says,omitempty"`    // what it says

	doc *yamlfile.Doc     // where everything stands; nil if the scenario was not parsed
	own map[string]string // of a variant: the paths of the parts that do not stand at the top of the file
}

// Probe is a question and the one answer that is wanted.
type Probe struct {
	Name    string        `yaml:"name" json:"name"`
	From    string        `yaml:"from" json:"from"`                           // a node
	To      string        `yaml:"to" json:"to"`                               // "node:port" or "service:port"; "node@interface:port" for one address of several
	Proto   string        `yaml:"proto,omitempty" json:"proto,omitempty"`     // "tcp" (default) or "udp"
	Timeout time.Duration `yaml:"timeout,omitempty" json:"timeout,omitempty"` // from 1s to 1m; less than the default is for showing a fault again alone, any other probe that an answer could end gets the default; default 4s
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

// Fix is a documented remedy, or, in Inert, one that looks like it and must not help. Exactly one of Run, Set, Probe and
// Together says how it changes things.
type Fix struct {
	Name string `yaml:"name" json:"name"`
	// Like is, of a variant's fix, one of the scenario's by its name: what this one lacks, its name too, it has from there,
	// and of evidence all that has another name.
	Like string `yaml:"like,omitempty" json:"like,omitempty"`
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
	// Together names inert fixes that mend only together: this fix does what they do, in this order, and each must have
	// been shown to be inert alone. Parse puts their commands into Run, and into Undo, where the file has none, their
	// undos, the last one first.
	Together []string `yaml:"together,omitempty" json:"together,omitempty"`

	// Evidence must hold while the fix is in place, beside the fault's own evidence being gone.
	Evidence []evidence.Spec `yaml:"evidence,omitempty" json:"evidence,omitempty"`
	// Leaves names evidence of the fault that this fix is known to leave in place: it must still hold.
	Leaves []string `yaml:"leaves,omitempty" json:"leaves,omitempty"`
	// Expect is the documented verdict where it is not the usual one (Fixed, or Inert): SideEffect for a fix whose price
	// is known, or an inert one that breaks a control; Hidden for another probe that passes while the fault's evidence is
	// all there; WrongReason for a look-alike that brings another failure, which Evidence must show.
	Expect string `yaml:"expect,omitempty" json:"expect,omitempty"`
	// Symptom is the other failure's, where a look-alike that is expected to be WrongReason does not have the fault's.
	Symptom *Expectation `yaml:"symptom,omitempty" json:"symptom,omitempty"`
	// Breaks names the controls that the fix is documented to break; these must fail, and no others. Only with Expect.
	Breaks []string `yaml:"breaks,omitempty" json:"breaks,omitempty"`
}

// Variant is the failure under circumstances of its own. What it has replaces what the scenario has; its settings are
// added to the scenario's.
type Variant struct {
	Name     string            `yaml:"name" json:"name"`                     // also the directory of its report
	Says     string            `yaml:"says,omitempty" json:"says,omitempty"` // one sentence for a person
	Like     string            `yaml:"like,omitempty" json:"like,omitempty"` // an earlier variant to start from, in place of the scenario itself
	Topology string            `yaml:"topology,omitempty" json:"topology,omitempty"`
	Set      map[string]string `yaml:"set,omitempty" json:"set,omitempty"`
	Runtimes []string          `yaml:"runtimes,omitempty" json:"runtimes,omitempty"`
	Controls []Probe           `yaml:"controls,omitempty" json:"controls,omitempty"`
	Fault    *Fault            `yaml:"fault,omitempty" json:"fault,omitempty"`
	Fixes    []Fix             `yaml:"fixes,omitempty" json:"fixes,omitempty"`
	Inert    []Fix             `yaml:"inert,omitempty" json:"inert,omitempty"`
	Matrix   *Matrix           `yaml:"matrix,omitempty" json:"matrix,omitempty"`
}

// Needs is what a fix asks of the place it is tried in.
type Needs = evidence.Needs

// Action is something done on a node: a command, or a restart.
type Action struct {
	On    string   `yaml:"on" json:"on"`
	Cmd   []string `yaml:"cmd,omitempty" json:"cmd,omitempty"`
	Stdin string   `yaml:"stdin,omitempty" json:"stdin,omitempty"` // a ruleset for nft -f -, for example
	// Restart ends what the topology runs on the node and starts it again as it was: "kube-proxy", whose rules are taken
	// out of the kernel in between. What it reads when it starts, it reads again.
	Restart string `yaml:"restart,omitempty" json:"restart,omitempty"`
}

// KubeProxy is what an Action can restart.
const KubeProxy = "kube-proxy"
