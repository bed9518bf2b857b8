package verdict

import (
	"net/netip"
	"testing"

	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
)

func TestMet(t *testing.T) {
	client := []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::2")}
	mapped := delivered
	mapped.Source = netip.MustParseAddrPort("[::ffff:10.0.0.2]:1")
	sourceless := delivered
	sourceless.Source = netip.AddrPort{}
	broken := lost
	broken.Detail = "dial:\n\ti/o timeout"

	rows := []struct {
		name    string
		wanted  scenario.Expectation
		sources []netip.Addr
		seen    probe.Observation
		ok      bool
		why     string
	}{
		{"the outcome alone", scenario.Expectation{Want: probe.Delivered}, nil, delivered, true, "delivered by edge-pod from 10.0.0.2"},
		{"outcome, peer and source", viaPod, client, delivered, true, "delivered by edge-pod from 10.0.0.2"},
		{"an IPv4 source seen through IPv6", viaPod, client, mapped, true, "delivered by edge-pod from 10.0.0.2"},
		{"another source", viaPod, client[1:], delivered, false, "wanted delivered by edge-pod from cloud-pod (fd00::2); saw delivered by edge-pod from 10.0.0.2"},
		{"no source seen", viaPod, client, sourceless, false, "wanted delivered by edge-pod from cloud-pod (10.0.0.2 or fd00::2); saw delivered by edge-pod"},
		{"no source seen, an empty address among the wanted", viaPod, []netip.Addr{{}}, sourceless, false, "wanted delivered by edge-pod from cloud-pod (invalid IP); saw delivered by edge-pod"},
		{"a source that stands for nothing", viaPod, nil, delivered, false, "wanted delivered by edge-pod from cloud-pod, whose address is not known; saw delivered by edge-pod from 10.0.0.2"},
		{"an address as source", scenario.Expectation{Want: probe.Delivered, Source: "fd00::2"}, client[1:], delivered, false, "wanted delivered from fd00::2; saw delivered by edge-pod from 10.0.0.2"},
		{"a timeout that is wanted", symptom, nil, lost, true, "timeout (dial: i/o timeout)"},
		{"a failure is not any failure", symptom, nil, refused, false, "wanted timeout; saw refused"},
		{"nothing was seen", symptom, nil, probe.Observation{}, false, "no probe was made"},
		{"nothing was wanted", scenario.Expectation{}, nil, delivered, false, "no outcome was wanted; saw delivered by edge-pod from 10.0.0.2"},
		{"nothing was wanted or seen", scenario.Expectation{}, nil, probe.Observation{}, false, "no probe was made"},
		{"the system's words stay on one line", symptom, nil, broken, true, "timeout (dial: i/o timeout)"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			ok, why := Probed{Wanted: row.wanted, Sources: row.sources, Seen: row.seen}.Met()
			if ok != row.ok || why != row.why {
				t.Errorf("got  %v %q\nwant %v %q", ok, why, row.ok, row.why)
			}
		})
	}
}
