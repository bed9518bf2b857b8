package scenario

import (
	"fmt"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// Kind says what a name in a scenario stands for.
type Kind string

// The kinds of names.
const (
	Node   Kind = "node"   // a node
	Target Kind = "target" // "node:port", "service:port" or "node@interface:port"
	Source Kind = "source" // a node, "node@interface" or an address
	Place  Kind = "place"  // a node or a service, with ":port" or without
)

// Reference is a name of something in the topology, at its place in the scenario.
type Reference struct {
	Path string            // "controls[0].from"
	At   yamlfile.Position // zero if the scenario was not parsed from a file
	Kind Kind
	Name string
}

// Names lists every name in the scenario that the topology must have, in the order of controls, fault, fixes, inert.
func (s *Scenario) Names() []Reference {
	n := names{s: s}
	for _, at := range s.probes() {
		n.add(at.path+".from", Node, at.probe.From)
		n.add(at.path+".to", Target, at.probe.To)
		n.expectation(at.path, at.probe.Expectation)
	}
	n.expectation(s.at("fault")+".mended", s.Fault.Mended)
	for _, at := range s.evidence() {
		for i, e := range at.specs {
			n.evidence(fmt.Sprintf("%s[%d]", at.path, i), e)
		}
	}
	for _, at := range s.fixes() {
		for i, a := range at.fix.Run {
			n.add(fmt.Sprintf("%s.run[%d].on", at.path, i), Node, a.On)
		}
		for i, a := range at.fix.Undo {
			n.add(fmt.Sprintf("%s.undo[%d].on", at.path, i), Node, a.On)
		}
	}
	return n.list
}

// CheckNames asks check about every name in the scenario. What is wrong with a name (empty: nothing) and a hint for it
// become one error for all names, with their positions.
func (s *Scenario) CheckNames(check func(Reference) (wrong, hint string)) error {
	var doc yamlfile.Doc // of its own: a Scenario does not remember what other topologies lack
	if s.doc != nil {
		doc = *s.doc
	}
	var errs yamlfile.Errors
	for _, ref := range s.Names() {
		wrong, hint := check(ref)
		switch {
		case wrong == "":
		case s.doc == nil:
			errs = append(errs, &yamlfile.Error{File: s.Name + ": " + ref.Path, Msg: wrong, Hint: hint})
		default:
			doc.Errorf(ref.Path, hint, "%s", wrong)
		}
	}
	return append(errs, doc.Errors()...).Err()
}

type names struct {
	s    *Scenario
	list []Reference
}

func (n *names) add(path string, k Kind, name string) {
	if name == "" {
		return
	}
	ref := Reference{Path: path, Kind: k, Name: name}
	if n.s.doc != nil {
		ref.At = n.s.doc.At(path)
	}
	n.list = append(n.list, ref)
}

func (n *names) expectation(path string, e Expectation) {
	n.add(path+".peer", Node, e.Peer)
	n.add(path+".source", Source, e.Source)
}

func (n *names) evidence(path string, e evidence.Spec) {
	n.add(path+".on", Node, e.On)
	if e.Conntrack != nil {
		n.add(path+".conntrack.to", Target, e.Conntrack.To)
		n.add(path+".conntrack.replyFrom", Place, e.Conntrack.ReplyFrom)
		n.add(path+".conntrack.replyTo", Place, e.Conntrack.ReplyTo)
	}
	if e.IPVS != nil {
		n.add(path+".ipvs.service", Target, e.IPVS.Service)
	}
	if e.Packets != nil {
		n.add(path+".packets.from", Place, e.Packets.From)
		n.add(path+".packets.to", Place, e.Packets.To)
	}
}
