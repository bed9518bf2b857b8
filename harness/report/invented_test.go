package report

import (
	"net/netip"
	"strings"
	"time"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

var (
	maker    = Maker{Version: "faultline v0.1.0", Again: "faultline run invented --runtime vm --kernel debian-11 --set kubeProxy.mode=ipvs"}
	yes      = true
	began    = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	symptom  = scenario.Expectation{Want: probe.Timeout}
	mended   = scenario.Expectation{Want: probe.Delivered, Peer: "edge-pod", Source: "cloud"}
	cloud    = []netip.Addr{netip.MustParseAddr("192.168.0.1")}
	answered = probe.Observation{Outcome: probe.Delivered, Peer: "edge-pod", Source: netip.MustParseAddrPort("192.168.0.1:40000"), Took: 12 * time.Millisecond}
	silence  = probe.Observation{Outcome: probe.Timeout, Took: 4 * time.Second, Detail: "dial tcp 10.96.0.10:80: i/o timeout"}
)

// experiment is a scenario with one of everything.
func experiment() scenario.Scenario {
	act := []scenario.Action{{On: "cloud", Cmd: []string{"sh", "-c", "ip xfrm policy"}}, {On: "edge", Cmd: []string{"nft", "-f", "-"}, Stdin: "add table ip a\n"}, {On: "edge", Restart: scenario.KubeProxy}}
	return scenario.Scenario{
		Name: "invented", Title: "A client times out on a Service", System: "None at all", Refs: []string{"https://example.com/1"}, Topology: "none",
		Set:      map[string]string{"kubeProxy.mode": "iptables", "services.web.port": "80"},
		Controls: []scenario.Probe{{Name: "host to pod IP", From: "cloud", To: "edge-pod:8080", Expectation: mended}},
		Fault: scenario.Fault{
			Probe:  scenario.Probe{Name: "host to the Service", From: "cloud", To: "web:80", Expectation: symptom},
			Mended: mended,
			Evidence: []evidence.Spec{
				{Name: "drop counted", On: "cloud", Xfrm: "XfrmInNoPols", Want: evidence.Want{Grows: &yes}},
				{Name: "SRC_NAT without DST_NAT", On: "cloud", Conntrack: &evidence.Conntrack{To: "web:80"},
					Want: evidence.Want{Has: []string{"SRC_NAT"}, Lacks: []string{"DST_NAT"}}},
			},
		},
		Fixes: []scenario.Fix{
			{Name: "policy", Says: "Let the packets in", Run: act, Undo: act, Leaves: []string{"SRC_NAT without DST_NAT"}},
			{Name: "iptables-mode", Says: "Run kube-proxy in iptables mode", Set: map[string]string{"kubeProxy.mode": "iptables"}},
			{Name: "nftables-mode", Needs: scenario.Needs{Kernel: "5.13"}, Set: map[string]string{"kubeProxy.mode": "nftables"}},
		},
		Inert: []scenario.Fix{{Name: "wrong-direction", Run: act, Undo: act}, {Name: "other-cidr", Run: act, NoUndo: "the flow is gone"}},
	}
}

// entry is a conntrack reading with those bits.
func entry(bits ...string) evidence.Reading {
	words := append([]string{"SYN_RECV"}, bits...)
	return evidence.Reading{Exists: true, Words: words, Value: strings.Join(words, " "), Text: "tcp 6 58 SYN_RECV src=10.96.0.10 dst=10.96.0.10 sport=40000 dport=80"}
}

// findings are the fault's evidence, judged: drops more were counted, the entry has those bits.
func findings(s scenario.Scenario, drops int64, bits ...string) []evidence.Finding {
	return []evidence.Finding{
		s.Fault.Evidence[0].Judge(evidence.Reading{Exists: true, Count: 4}, evidence.Reading{Exists: true, Count: 4 + drops}),
		s.Fault.Evidence[1].Judge(evidence.Reading{}, entry(bits...)),
	}
}

func controls(s scenario.Scenario, seen probe.Observation) []verdict.Probed {
	return []verdict.Probed{{Probe: s.Controls[0], Wanted: mended, Sources: cloud, Seen: seen}}
}

func fault(s scenario.Scenario) *verdict.FaultSeen {
	return &verdict.FaultSeen{
		Controls: controls(s, answered),
		Probe:    verdict.Probed{Probe: s.Fault.Probe, Wanted: symptom, Seen: silence},
		Evidence: findings(s, 3, "SRC_NAT"),
	}
}

func underFix(s scenario.Scenario, seen probe.Observation, found []evidence.Finding, undone *verdict.FaultSeen) *verdict.FixSeen {
	return &verdict.FixSeen{
		Controls: controls(s, answered),
		Probe:    verdict.Probed{Probe: s.Fault.Probe, Wanted: mended, Sources: cloud, Seen: seen},
		Symptom:  verdict.Probed{Probe: s.Fault.Probe, Wanted: symptom, Seen: seen},
		Evidence: found,
		Undone:   undone,
	}
}

// trial is an invented trial in which everything came out as documented but for one fix and one inert fix.
func trial() verdict.Trial {
	s := experiment()
	t := verdict.Trial{
		Scenario: s,
		Set:      map[string]string{"kubeProxy.mode": "ipvs"},
		Started:  began,
		Place:    verdict.Place{Runtime: "vm", Kernel: "5.10.0-28-cloud-amd64", Accelerator: "tcg", Detail: "kvm: the guest hung | <for 3 s>"},
		Choices: []verdict.Choice{
			{Name: "cable", Says: "how the gateways are joined", Option: "vxlan", Options: []string{"ipsec", "vxlan"}, Why: "with cable=ipsec runtime vm lacks esp4 | in the kernel"},
			{Name: "wire", Option: "veth", Options: []string{"veth", "none"}},
			{Name: "pods", Option: "far", Options: []string{"near", "far"}, Given: true},
		},
		KubeProxy: verdict.KubeProxy{Version: "v1.36.3", Mode: "ipvs"},
		Fault:     fault(s),
		Documents: []verdict.Document{{Name: "nodes.yaml", Says: "the nodes | and their versions", Text: "- node: edge\n  kubelet: v1.36.3 </details>\x1b[2J\n"}},
		Took:      83*time.Second + 450*time.Millisecond,
		Phases:    []verdict.Phase{{Name: "build the lab", Took: 12 * time.Second}, {Name: "fault", Took: 4100 * time.Millisecond}},
	}
	t.Judgement = verdict.JudgeFault(s, *t.Fault)

	broken := underFix(s, answered, findings(s, 0, "SRC_NAT", "DST_NAT"), nil)
	broken.Controls = controls(s, probe.Observation{Outcome: probe.Refused, Detail: "connect: <connection refused>\x1b[31m"})
	for i, seen := range []*verdict.FixSeen{underFix(s, answered, findings(s, 0, "SRC_NAT"), fault(s)), broken} {
		t.Fixes = append(t.Fixes, verdict.Tried{Fix: s.Fixes[i], Seen: seen, Judgement: verdict.JudgeFix(s, s.Fixes[i], *seen), Took: 6 * time.Second})
	}
	t.Fixes = append(t.Fixes, verdict.Tried{Fix: s.Fixes[2], Judgement: verdict.JudgeUnsupported(s.Fixes[2], t.Place, "runtime vm: unsupported here:\n  - nft")})
	for i, seen := range []*verdict.FixSeen{underFix(s, silence, findings(s, 2, "SRC_NAT"), fault(s)), underFix(s, answered, findings(s, 0, "SRC_NAT"), nil)} {
		t.Inert = append(t.Inert, verdict.Tried{Fix: s.Inert[i], Seen: seen, Judgement: verdict.JudgeInert(s, s.Inert[i], *seen), Took: 5 * time.Second})
	}
	return t
}

// story is what a trial like this tells while it happens.
func story() []harness.Event {
	t := trial()
	var all []harness.Event
	at := began
	tell := func(after time.Duration, e harness.Event) {
		at = at.Add(after)
		e.Time = at
		all = append(all, e)
	}
	tell(0, harness.Event{Kind: harness.Note, Text: "runtime vm: this kernel has no ip_vs\x1b[2J"})
	tell(0, harness.Event{Kind: harness.Began, Text: "build the lab"})
	tell(time.Second, harness.Event{Kind: harness.Progress, Text: "boot debian-11 with an accelerator that does not hang, which takes a while"})
	tell(2*time.Second, harness.Event{Kind: harness.Progress, Text: "wait for kube-proxy"})
	tell(9*time.Second, harness.Event{Kind: harness.Ended, Text: "build the lab", Took: 12 * time.Second, OK: true})
	tell(0, harness.Event{Kind: harness.Began, Text: "fault"})
	tell(4*time.Second, harness.Event{Kind: harness.Probed, Text: t.Fault.Probe.Probe.Name, Probed: &t.Fault.Probe, OK: true})
	tell(0, harness.Event{Kind: harness.Found, Findings: t.Fault.Evidence})
	tell(100*time.Millisecond, harness.Event{Kind: harness.Ended, Text: "fault", Took: 4100 * time.Millisecond, OK: true})
	tell(0, harness.Event{Kind: harness.Judged, Text: "the fault", OK: true, Judged: &t.Judgement})
	tell(0, harness.Event{Kind: harness.Began, Text: "fix nftables-mode"})
	tell(0, harness.Event{Kind: harness.Began, Text: "build a lab with nftables-mode"})
	tell(0, harness.Event{Kind: harness.Ended, Text: "build a lab with nftables-mode", Took: time.Millisecond, Err: "runtime vm: unsupported here:\n  - nft"})
	tell(0, harness.Event{Kind: harness.Ended, Text: "fix nftables-mode", Took: 2 * time.Millisecond, Err: "no lab"})
	for _, f := range append(t.Fixes[1:], t.Inert...) {
		tell(time.Second, harness.Event{Kind: harness.Judged, Text: f.Fix.Name, OK: f.Judgement.Expected, Judged: &f.Judgement})
	}
	return all
}
