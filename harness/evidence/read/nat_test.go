package read

import (
	"context"
	"net/netip"
	"os/exec"
	"testing"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/testns"
	"github.com/faultline-lab/faultline/harness/probe"
)

func TestConntrackByItsReplyTuple(t *testing.T) {
	testns.Need(t)
	serve(t, probe.Server{Name: "web", TCP: []uint16{8080}})
	replies := func(from, to string, w evidence.Want) evidence.Spec {
		return evidence.Spec{Conntrack: &evidence.Conntrack{To: "10.96.0.10:80", ReplyFrom: from, ReplyTo: to}, Want: w}
	}
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("10.96.0.10:80")}, probe.Delivered, []row{
		{replies("192.0.2.1:8080", "192.0.2.7", evidence.Want{Has: []string{"SRC_NAT", "DST_NAT"}}), true, "-> 10.96.0.10:80, replies 192.0.2.1:8080 -> 192.0.2.7:"},
		{replies("", "192.0.2.9,192.0.2.7", evidence.Want{Seen: yes()}), true, "is there"},
		{replies("", "192.0.2.1", evidence.Want{Seen: yes()}), false, "is not there"},          // as it would be without SNAT
		{replies("10.96.0.10:80", "", evidence.Want{Seen: yes()}), false, "is not there"},      // as it would be without DNAT
		{replies("192.0.2.1:8081", "192.0.2.7", evidence.Want{Seen: no()}), true, "not there"}, // another port
	})
}

func TestIptablesRulesOfBothBackends(t *testing.T) {
	testns.Need(t)
	if out, err := exec.Command("iptables-legacy", "-t", "raw", "-A", "OUTPUT", "-p", "tcp", "--dport", "8086").CombinedOutput(); err != nil {
		t.Skipf("SKIPPED: no legacy backend here: %v: %s", err, out)
	}
	run(t, "iptables-nft", "-t", "raw", "-A", "OUTPUT", "-p", "tcp", "--dport", "8086")
	serve(t, probe.Server{Name: "web", TCP: []uint16{8086}})
	s := start(t)
	rule := func(backend string) evidence.Spec {
		return evidence.Spec{Rule: &evidence.Rule{Backend: backend, Table: "raw", Contains: "--dport 8086"}, Want: evidence.Want{Grows: yes()}}
	}
	s.ask(rule("iptables"), rule("iptables-nft"), rule("iptables-legacy"))
	if _, err := probe.Dial(context.Background(), probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("192.0.2.1:8086")}); err != nil {
		t.Fatal(err)
	}
	b := s.ask(rule("iptables"), rule("iptables-nft"), rule("iptables-legacy"))
	if len(b.Readings) != 3 || b.Readings[1].Count == 0 || b.Readings[2].Count == 0 || b.Readings[0].Count != b.Readings[1].Count+b.Readings[2].Count {
		t.Errorf("the backends together, nft, legacy: %+v %s", b.Readings, b.Error)
	}
}
