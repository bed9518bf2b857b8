package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// world is what the steps so far have made.
type world struct {
	nodes  map[string]bool
	ifaces map[End]bool
	up     map[End]bool
	hasAPI bool
}

// disorder returns the first step of p that refers to what no earlier step made, or "".
func disorder(p *Plan) string {
	w := world{nodes: map[string]bool{}, ifaces: map[End]bool{}, up: map[End]bool{}}
	for i, s := range p.Steps {
		if problem := w.take(s); problem != "" {
			return fmt.Sprintf("step %d: %s: %s", i, s, problem)
		}
	}
	return ""
}

// node and has say what is wrong with a reference, or nothing.
func (w *world) node(name string) string {
	if !w.nodes[name] {
		return "no node " + name
	}
	return ""
}

func (w *world) has(ends ...End) string {
	for _, e := range ends {
		if e.Interface != "" && !w.ifaces[e] {
			return "no interface " + e.name()
		}
	}
	return ""
}

func (w *world) make(e End) string {
	if !w.nodes[e.Node] {
		return "no node " + e.Node
	}
	if w.ifaces[e] {
		return "second interface " + e.name()
	}
	w.ifaces[e] = true
	return ""
}

func (w *world) take(s Step) string {
	switch s := s.(type) {
	case AddNode:
		w.nodes[s.Node] = true
		lo := End{s.Node, "lo"}
		w.ifaces[lo], w.up[lo] = true, true
		return ""
	case AddVeth:
		return w.make(s.A) + w.make(s.B)
	case AddBridge:
		return w.make(s.End)
	case AddVLAN:
		return w.has(End{s.Node, s.Parent}) + w.make(s.End)
	case AddMacvlan:
		return w.has(s.Parent) + w.make(s.End)
	case AddDummy:
		return w.make(s.End)
	case AddVXLAN:
		return w.has(End{s.Node, s.Parent}) + w.make(s.End)
	case AddIPIP:
		return w.make(s.End)
	case SetMTU:
		return w.has(s.End)
	case SetMAC:
		return w.has(s.End)
	case SetMaster:
		return w.has(s.End, End{s.Node, s.Master})
	case SetHairpin:
		return w.has(s.End)
	case AddBridgeVLAN:
		return w.has(s.End)
	case DelBridgeVLAN:
		return w.has(s.End)
	case SetUp:
		w.up[s.End] = true
		return w.has(s.End)
	case AddAddress:
		return w.has(s.End)
	case SetSysctl:
		if _, iface := splitSysctl(s.Name); iface != "" {
			return w.has(End{s.Node, iface})
		}
		return w.node(s.Node)
	case AddRoute:
		if s.Dev != "" && !w.up[End{s.Node, s.Dev}] {
			return "interface is not up"
		}
		return w.node(s.Node)
	case AddRule:
		return w.has(End{s.Node, s.IIF}, End{s.Node, s.OIF}) + w.node(s.Node)
	case AddNeighbour:
		return w.has(s.End)
	case AddXfrmState:
		return w.node(s.Node)
	case AddXfrmPolicy:
		return w.node(s.Node)
	case LoadRuleset:
		return w.node(s.Node)
	case Serve:
		return w.node(s.Node)
	case StartProcess:
		return w.node(s.Node)
	case ServeAPI:
		w.hasAPI = true
		for _, n := range s.Nodes {
			if !w.nodes[n.Name] {
				return "no node " + n.Name
			}
		}
		return ""
	case StartKubeProxy:
		if !w.hasAPI {
			return "no API"
		}
		return w.node(s.Node)
	}
	return "the checker does not know this step"
}

func TestStepsReferOnlyToWhatIsThere(t *testing.T) {
	for _, topo := range networks(t) {
		if problem := disorder(compile(t, topo)); problem != "" {
			t.Errorf("%s: %s", topo.Name, problem)
		}
	}
}

func TestCheckerSeesDisorder(t *testing.T) {
	for _, topo := range networks(t) {
		p := compile(t, topo)
		slices.Reverse(p.Steps)
		if problem := disorder(p); !strings.HasPrefix(problem, "step 0: ") {
			t.Errorf("%s backwards: %q", topo.Name, problem)
		}
	}
}

// A child takes over MAC and MTU from its parent when it is made.
func TestParentIsSetUpBeforeItsChildIsMade(t *testing.T) {
	var got []string
	for _, s := range compile(t, office()).Steps {
		switch s := s.(type) {
		case AddBridge, SetMaster, SetMTU, AddMacvlan, SetHairpin:
			if text := s.String(); !strings.Contains(text, "-n sw ") {
				got = append(got, text)
			}
		}
	}
	want := []string{
		"ip -n b link add name br0 type bridge forward_delay 0 stp_state 0",
		"ip -n b link set dev eth1 mtu 1300",
		"ip -n b link set dev eth1 master br0",
		"bridge -n b link set dev eth1 hairpin on",
		"ip -n b link add link br0 name passing netns a type macvlan mode bridge && ip -n a link set dev passing name mv0",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %s\nwant %s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
