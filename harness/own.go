package harness

import (
	"errors"
	"fmt"
	"slices"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
)

// seesOwnFlow reports whether s asks for what p's own packets leave: packets that are asked for as own, or the conntrack
// entry to p's destination by p's protocol, on the client's side. Further on, masquerading may have changed the source.
func seesOwnFlow(top *topology.Topology, s evidence.Spec, p scenario.Probe) bool {
	switch {
	case s.Packets != nil:
		return s.Packets.Own
	case s.Conntrack != nil:
		return sameTarget(top, s.Conntrack.To, p.To) && protoOr(s.Conntrack.Proto) == protoOr(p.Proto) && clientSide(top, s.On, p)
	}
	return false
}

// sameTarget reports whether two names stand for one address and port: "web:80" and "web:http" may.
func sameTarget(top *topology.Topology, a, b string) bool {
	if a == b {
		return true
	}
	one, err := top.Resolve(a)
	if err != nil {
		return false // told where names are checked
	}
	other, err := top.Resolve(b)
	return err == nil && one == other
}

// protoOr is proto, or what it is when it is left out.
func protoOr(proto string) string {
	if proto == "" {
		return probe.TCP
	}
	return proto
}

// clientSide reports whether node is the one that p comes from, or the host of its pod.
func clientSide(top *topology.Topology, node string, p scenario.Probe) bool {
	return node == p.From || slices.ContainsFunc(top.Nodes, func(n topology.Node) bool {
		return n.Name == p.From && n.Host == node
	})
}

// checkOwn finds evidence of a probe's own flow that could never be there, or be there by chance only: own packets where
// NAT may have changed them, and another protocol than the probe's.
func (t *Trial) checkOwn(top *topology.Topology) error {
	fault := t.Scenario.Fault
	wrong := checkOwnOf(top, "the fault", fault.Probe, fault.Evidence)
	for _, f := range slices.Concat(t.Scenario.Fixes, t.Scenario.Inert) {
		if f.Probe != nil { // the fault's evidence is looked for around that probe, too
			wrong = append(wrong, checkOwnOf(top, "the fault, under the fix "+f.Name, *f.Probe, fault.Evidence)...)
			wrong = append(wrong, checkOwnOf(top, "the fix "+f.Name, *f.Probe, f.Evidence)...)
			continue
		}
		wrong = append(wrong, checkOwnOf(top, "the fix "+f.Name, fault.Probe, f.Evidence)...)
	}
	if m := t.Scenario.Matrix; m != nil { // its evidence is looked for around every cell
		for row := range m.From {
			for column := range m.To {
				wrong = append(wrong, checkOwnOf(top, "the matrix", m.Probe(row, column), m.Evidence)...)
			}
		}
	}
	return errors.Join(wrong...)
}

func checkOwnOf(top *topology.Topology, whose string, p scenario.Probe, specs []evidence.Spec) (wrong []error) {
	say := func(s evidence.Spec, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("evidence %q of %s: %s", s.Title(), whose, fmt.Sprintf(format, args...)))
	}
	for _, s := range specs {
		switch {
		case s.Packets != nil && s.Packets.Own && !clientSide(top, s.On, p):
			say(s, "own packets of %q cannot be told on %s, where NAT may have changed them: look on %s or its host", p.Name, s.On, p.From)
		case s.Packets != nil && s.Packets.Own && s.Packets.Proto != "" && s.Packets.Proto != protoOr(p.Proto):
			say(s, "%q asks by %s, own packets of %s are none of its", p.Name, protoOr(p.Proto), s.Packets.Proto)
		case s.Conntrack != nil && sameTarget(top, s.Conntrack.To, p.To) && protoOr(s.Conntrack.Proto) != protoOr(p.Proto):
			say(s, "%q asks %s by %s, an entry of %s is none of its", p.Name, p.To, protoOr(p.Proto), protoOr(s.Conntrack.Proto))
		}
	}
	return wrong
}
