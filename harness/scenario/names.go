package scenario

import (
	"cmp"
	"fmt"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/probe"
)

// Kind says what a name in a scenario stands for.
type Kind string

// The kinds of names.
const (
	Node   Kind = "node"   // a node
	Target Kind = "target" // "node:port", "service:port" or "node@interface:port"
	Source Kind = "source" // a node, "node@interface" or an address
	Place  Kind = "place"  // a node or a service, with ":port" or without
	Proxy  Kind = "proxy"  // a node that runs kube-proxy

	Interface Kind = "interface" // an interface of the node in Reference.Node
)

// Reference is a name of something in the topology, at its place in the scenario.
type Reference struct {
	Path string            // "controls[0].from"
	At   yamlfile.Position // zero if the scenario was not parsed from a file
	Kind Kind
	Name string

	Node  string // of an Interface: the node that has it
	Proto string // of a Target: "tcp" or "udp", which it must be reached by
}

// Names lists every name in the scenario that the topology must have, in the order of controls, fault, fixes, inert,
// matrix.
func (s *Scenario) Names() []Reference {
	n := names{s: s}
	for _, at := range s.probes() {
		n.add(at.path+".from", Node, at.probe.From)
		n.target(at.path+".to", at.probe.To, at.probe.Proto)
		n.expectation(at.path, at.probe.Expectation)
	}
	n.expectation(s.at("fault")+".mended", s.Fault.Mended)
	for _, at := range s.evidence() {
		for i, e := range at.specs {
			n.evidence(fmt.Sprintf("%s[%d]", at.path, i), e)
			if e.Packets != nil && !at.commands {
				n.refer(fmt.Sprintf("%s[%d].packets.interface", at.path, i), Reference{Kind: Interface, Name: e.Packets.Interface, Node: e.On})
			}
		}
	}
	for _, at := range s.fixes() {
		n.actions(at.path+".run", at.fix.Run)
		n.actions(at.path+".undo", at.fix.Undo)
		if at.fix.Symptom != nil {
			n.expectation(at.path+".symptom", *at.fix.Symptom)
		}
	}
	n.matrix(s.Matrix)
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

// Mistake is an error about the value at path, "fixes[0].set", that shows only together with the topology.
func (s *Scenario) Mistake(path, hint, wrong string) error {
	if s.doc == nil {
		return &yamlfile.Error{File: s.Name + ": " + path, Msg: wrong, Hint: hint}
	}
	doc := *s.doc // of its own, as in CheckNames
	doc.KeyErrorf(path, hint, "%s", wrong)
	return doc.Err()
}

// MistakenSetting is Mistake about a setting of the scenario.
func (s *Scenario) MistakenSetting(setting, hint, wrong string) error {
	return s.Mistake(s.at(setPath(setting)), hint, wrong)
}

type names struct {
	s    *Scenario
	list []Reference
}

func (n *names) add(path string, k Kind, name string) {
	n.refer(path, Reference{Kind: k, Name: name})
}

func (n *names) target(path, name, proto string) {
	n.refer(path, Reference{Kind: Target, Name: name, Proto: cmp.Or(proto, probe.TCP)})
}

// refer adds ref, which is at path, unless it names nothing.
func (n *names) refer(path string, ref Reference) {
	if ref.Name == "" {
		return
	}
	ref.Path = path
	if n.s.doc != nil {
		ref.At = n.s.doc.At(path)
	}
	n.list = append(n.list, ref)
}

// actions adds the names of a list of actions, if it stands in the file and was not made from others.
func (n *names) actions(path string, list []Action) {
	if n.s.doc != nil && !n.s.doc.Has(path) {
		return
	}
	for i, a := range list {
		kind := Node
		if a.Restart == KubeProxy {
			kind = Proxy
		}
		n.add(fmt.Sprintf("%s[%d].on", path, i), kind, a.On)
	}
}

func (n *names) expectation(path string, e Expectation) {
	n.add(path+".peer", Node, e.Peer)
	n.add(path+".source", Source, e.Source)
}

func (n *names) evidence(path string, e evidence.Spec) {
	n.add(path+".on", Node, e.On)
	if e.Conntrack != nil {
		n.target(path+".conntrack.to", e.Conntrack.To, e.Conntrack.Proto)
		n.add(path+".conntrack.replyFrom", Place, e.Conntrack.ReplyFrom)
		n.add(path+".conntrack.replyTo", Place, e.Conntrack.ReplyTo)
	}
	if e.IPVS != nil {
		n.target(path+".ipvs.service", e.IPVS.Service, e.IPVS.Proto)
	}
	if e.Packets != nil {
		n.add(path+".packets.from", Place, e.Packets.From)
		n.add(path+".packets.to", Place, e.Packets.To)
	}
}
