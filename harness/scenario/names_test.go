package scenario

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/evidence"
)

func TestNames(t *testing.T) {
	s, err := Parse("s.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	s.Fault.Evidence = append(s.Fault.Evidence,
		evidence.Spec{On: "r", Packets: &evidence.Packets{Interface: "eth0", From: "a", To: "web"}},
		evidence.Spec{On: "r", IPVS: &evidence.IPVS{Service: "web:80"}})
	var lines []string
	for _, n := range s.Names() {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%d:%d %s %s %s %s", n.At.Line, n.At.Column, n.Path, n.Kind, n.Name, n.Proto+n.Node)))
	}
	want := `6:30 controls[0].from node a
6:37 controls[0].to target b:80 tcp
6:68 controls[0].peer node b
6:79 controls[0].source source a
8:35 fault.probe.from node a
8:42 fault.probe.to target web:80 tcp
20:42 fixes[1].probe.from node b
20:49 fixes[1].probe.to target web:80 tcp
20:111 fixes[1].probe.peer node b
9:35 fault.mended.peer node b
11:12 fault.evidence[0].on node a
12:24 fault.evidence[1].on node a
12:43 fault.evidence[1].conntrack.to target web:80 tcp
11:5 fault.evidence[2].on node r
11:5 fault.evidence[2].packets.from place a
11:5 fault.evidence[2].packets.to place web
11:5 fault.evidence[2].packets.interface interface eth0 r
11:5 fault.evidence[3].on node r
11:5 fault.evidence[3].ipvs.service target web:80 tcp
15:16 fixes[0].run[0].on node a
16:17 fixes[0].undo[0].on node a`
	if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" {
		t.Error(diff)
	}
}

func TestCheckNames(t *testing.T) {
	noB := func(r Reference) (string, string) {
		if strings.HasPrefix(r.Name, "b") {
			return fmt.Sprintf("no %s %q", r.Kind, r.Name), "there is a"
		}
		return "", ""
	}
	s, err := Parse("s.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	want := `6:37: no target "b:80"; there is a
6:68: no node "b"; there is a
9:35: no node "b"; there is a
20:42: no node "b"; there is a
20:111: no node "b"; there is a`
	if diff := cmp.Diff(want, brief(s.CheckNames(noB))); diff != "" {
		t.Error(diff)
	}
	if err := s.CheckNames(func(Reference) (string, string) { return "", "" }); err != nil {
		t.Errorf("a topology that has all names: %v", err)
	}

	byHand := Scenario{Name: "by-hand", Fault: Fault{Mended: Expectation{Peer: "b"}}}
	if got, want := byHand.CheckNames(noB).Error(), "by-hand: fault.mended.peer: no node \"b\"\n  there is a"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte("controls: [{}]\nfault: {evidence: [{}]}\nfixes: [{probe: {}, leaves: [a]}]\ninert: [{leaves: [a]}]"))
	f.Add([]byte("a: &x [*x]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := Parse("s.yaml", src)
		if err != nil {
			if s != nil || err.Error() == "" {
				t.Errorf("scenario %v with error %q", s, err)
			}
			return
		}
		if len(s.Controls) == 0 || len(s.Fixes) == 0 || len(s.Inert) == 0 || len(s.Fault.Evidence) == 0 {
			t.Errorf("accepted: %+v", s)
		}
		for _, at := range s.probes() {
			if !valid(at.probe.Expectation) || at.probe.Name == "" || at.probe.Timeout <= 0 {
				t.Errorf("accepted %s: %+v", at.path, at.probe)
			}
		}
		s.Names()
	})
}
