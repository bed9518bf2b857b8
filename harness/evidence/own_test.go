package evidence

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOf(t *testing.T) {
	local := netip.MustParseAddrPort("10.0.0.1:40000")
	entry := Spec{Name: "entry", On: "a", Conntrack: &Conntrack{To: "10.96.0.10:53", Proto: "udp"}}
	packets := Spec{Name: "packets", On: "a", Packets: &Packets{Interface: "eth0", Own: true}}
	for _, row := range []struct {
		name       string
		spec, want Spec
	}{
		{"an entry", entry, Spec{Name: "entry", On: "a", Conntrack: &Conntrack{To: "10.96.0.10:53", Proto: "udp", From: local}}},
		{"packets", packets, Spec{Name: "packets", On: "a", Packets: &Packets{Interface: "eth0", Own: true, Proto: "udp", Local: local}}},
		{"a counter", Spec{On: "a", Xfrm: "XfrmInNoPols"}, Spec{On: "a", Xfrm: "XfrmInNoPols"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if diff := cmp.Diff(row.want, row.spec.Of("udp", local), sources); diff != "" {
				t.Error(diff)
			}
		})
	}
	if entry.Conntrack.From.IsValid() || packets.Packets.Own && packets.Packets.Local.IsValid() {
		t.Error("the spec that was asked changed")
	}
}

func TestAnswers(t *testing.T) {
	asked := Spec{On: "a", IPVS: &IPVS{Service: "web:80"}, Want: Want{Has: []string{"pod:8080", "rr"}}}
	answer := func() Spec {
		return Spec{Name: asked.Title(), On: "a", IPVS: &IPVS{Service: "10.96.0.10:80"}, Want: Want{Has: []string{"10.0.0.2:8080", "rr"}}}
	}
	for _, row := range []struct {
		name string
		lie  func(*Spec)
		want bool
	}{
		{"addresses for names", func(*Spec) {}, true},
		{"another name", func(s *Spec) { s.Name = "x" }, false},
		{"another node", func(s *Spec) { s.On = "b" }, false},
		{"another kind", func(s *Spec) { s.IPVS, s.Conntrack = nil, &Conntrack{To: "web:80"} }, false},
		{"another word", func(s *Spec) { s.Has[1] = "wrr" }, false},
		{"a word less", func(s *Spec) { s.Has = s.Has[:1] }, false},
		{"a want more", func(s *Spec) { s.Seen = ptr(true) }, false},
		{"another want", func(s *Spec) { s.Has, s.Lacks = nil, s.Has }, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := answer()
			row.lie(&s)
			if got := s.Answers(asked); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}
