package e2e

import (
	"os"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/faultline-lab/faultline/harness/verdict"
)

const (
	mends   = "[ip, link, set, veth-web, type, bridge_slave, hairpin, \"on\"]"
	unmends = "[ip, link, set, veth-web, type, bridge_slave, hairpin, \"off\"]"
	idle    = "[ip, link, set, veth-client, type, bridge_slave, hairpin, \"on\"]"
	unidle  = "[ip, link, set, veth-client, type, bridge_slave, hairpin, \"off\"]"
	leaves  = "\n    leaves: [marked for masquerade]"

	// An interface that goes down takes its routes with it.
	unplug = "{on: client, cmd: [ip, link, set, eth0, down]}"
	plug   = "{on: client, cmd: [ip, link, set, eth0, up]}, {on: client, cmd: [ip, route, add, default, via, 10.244.0.1]}"

	unsent = `{name: never sent back, on: web-pod, packets: {interface: eth0, to: "web-pod:8080", flags: syn}, count: 0}`
	sends  = `{name: asks the other pod, on: web-pod, packets: {interface: eth0, to: "client:8080", flags: syn, own: true}, seen: true}`

	// Another process of the pod, which asks the other pod time and again.
	quiet   = "    servers: [{tcp: [8080]}]\n  - name: client"
	chatter = "    servers: [{tcp: [8080]}]\n    processes: [{name: chatter, cmd: [bash, -c, 'while :; do (: < /dev/tcp/10.244.0.3/8080); sleep 0.1; done']}]\n  - name: client"
)

// The base is e2e/testdata/hairpin, which is true: a pod cannot reach itself through its own Service.
var _ = DescribeTable("a scenario that is not true", Label("negative", "netns"),
	func(ctx SpecContext, l lie) {
		dir := GinkgoT().TempDir()
		Expect(os.CopyFS(dir, os.DirFS("testdata/hairpin"))).To(Succeed())
		l.hold(ctx, dir, "netns")
	},
	Entry("is NotReproduced without its cause", lie{
		args: []string{"--set", "nodes.node.interfaces.veth-web.port.hairpin=true"},
		code: unexpected, fault: verdict.NotReproduced, why: "wanted timeout; saw delivered by web-pod from 10.244.0.1",
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.NotTried, "hairpin-on-the-other-port": verdict.NotTried},
	}, SpecTimeout(trialTimeout)),
	Entry("is NotReproduced when it fails in another way than documented", lie{
		changes: []change{{sc, "want: timeout", "want: refused"}},
		code:    unexpected, fault: verdict.NotReproduced, why: "wanted refused; saw timeout",
	}, SpecTimeout(trialTimeout)),
	Entry("has the WrongReason when another counter is its evidence", lie{
		changes: []change{{sc, `conntrack: {to: "web:80"}, seen: false`, "netstat: IPReversePathFilter, grows: true"}},
		code:    unexpected, fault: verdict.WrongReason, why: "never confirmed: IPReversePathFilter stayed at 0 (wanted: grows)",
	}, SpecTimeout(trialTimeout)),
	Entry("has the WrongReason when the rule that is its evidence does not exist", lie{
		changes: []change{{sc, "-s 10.244.0.2/32 -m comment", "-s 10.244.0.9/32 -m comment"}},
		code:    unexpected, fault: verdict.WrongReason, why: "is not there (wanted: grows)",
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is NotFixed when it does nothing", lie{
		changes: []change{{sc, mends, idle}},
		code:    unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.NotFixed, "hairpin-on-the-other-port": verdict.Inert},
		whys:  map[string]string{"hairpin-mode": "the symptom is still there: timeout"},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is NotFixed when its undo takes nothing back", lie{
		changes: []change{{sc, unmends, unidle}},
		code:    unexpected, fault: verdict.Reproduced,
		// The inert fix needs the fault: it gets a fresh lab.
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.NotFixed, "hairpin-on-the-other-port": verdict.Inert},
		whys:  map[string]string{"hairpin-mode": "the undo did not bring the fault back"},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is NotFixed when it answers from elsewhere and the kernel still shows the cause", lie{
		changes: []change{
			{sc, "{on: node, cmd: " + mends + "}", "{on: web-pod, cmd: [iptables, -t, nat, -A, OUTPUT, -d, 10.96.0.10, -p, tcp, -j, REDIRECT, --to-ports, \"8080\"]}"},
			{sc, "{on: node, cmd: " + unmends + "}", "{on: web-pod, cmd: [iptables, -t, nat, -F, OUTPUT]}"},
			{sc, leaves, ""},
		},
		code: unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.NotFixed},
		whys:  map[string]string{"hairpin-mode": "the symptom is gone, its evidence is still there: never confirmed"},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is NotFixed when another backend answers", lie{
		changes: []change{
			{sc, "run: [{on: node, cmd: " + mends + "}]", "set: {services.web.backends: '[client]'}"},
			{sc, "    undo: [{on: node, cmd: " + unmends + "}]" + leaves + "\n", ""},
		},
		code: unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.NotFixed},
		whys:  map[string]string{"hairpin-mode": "not what a mended path shows: wanted delivered by web-pod; saw delivered by client"},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is NotFixed when the server sees another source than documented", lie{
		changes: []change{{sc, "mended: {want: delivered, peer: web-pod}", "mended: {want: delivered, peer: web-pod, source: client}"}},
		code:    unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.NotFixed},
		whys:  map[string]string{"hairpin-mode": "wanted delivered by web-pod from client (10.244.0.3); saw delivered by web-pod from 10.244.0.1"},
	}, SpecTimeout(trialTimeout)),
	// Without bridge netfilter the pod's own packets are translated where they are routed, and leave by the bridge's own
	// port. But answers between pods of the node are bridged past the translation back: kubernetes/kubernetes#21613.
	Entry("has a fix with a SideEffect when it breaks a control", lie{
		changes: []change{
			{sc, mends, "[sysctl, -w, net.bridge.bridge-nf-call-iptables=0]"},
			{sc, unmends, "[sysctl, -w, net.bridge.bridge-nf-call-iptables=1]"},
		},
		code: unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.SideEffect, "hairpin-on-the-other-port": verdict.Inert},
		whys:  map[string]string{"hairpin-mode": `the symptom is gone, but control "another pod to the Service" broke`},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix with a SideEffect, as expected, when it names the control that it breaks", lie{
		changes: []change{
			{sc, mends, "[sysctl, -w, net.bridge.bridge-nf-call-iptables=0]"},
			{sc, unmends, "[sysctl, -w, net.bridge.bridge-nf-call-iptables=1]"},
			{sc, leaves, leaves + "\n    expect: SideEffect\n    breaks: [another pod to the Service]"},
		},
		code: asExpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.SideEffect, "hairpin-on-the-other-port": verdict.Inert},
		whys:  map[string]string{"hairpin-mode": `the symptom is gone, but control "another pod to the Service" broke`},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix with a SideEffect, not as expected, when it names another control", lie{
		changes: []change{
			{sc, mends, "[sysctl, -w, net.bridge.bridge-nf-call-iptables=0]"},
			{sc, unmends, "[sysctl, -w, net.bridge.bridge-nf-call-iptables=1]"},
			{sc, leaves, leaves + "\n    expect: SideEffect\n    breaks: [the pod to the other pod]"},
		},
		code: unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.SideEffect},
		whys:  map[string]string{"hairpin-mode": `documented is that it breaks "the pod to the other pod", it broke "another pod to the Service"`},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is NotFixed when its undo breaks a control", lie{
		changes: []change{{sc, "undo: [{on: node, cmd: " + unmends + "}]", "undo: [{on: node, cmd: " + unmends + "}, {on: client, cmd: [ip, link, set, eth0, down]}]"}},
		code:    unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.NotFixed, "hairpin-on-the-other-port": verdict.Inert},
		whys:  map[string]string{"hairpin-mode": `the undo broke control "another pod to the Service"`},
	}, SpecTimeout(trialTimeout)),
	Entry("has an inert fix that Helped", lie{
		changes: []change{{sc, idle, mends}, {sc, unidle, "[ip, link, set, veth-web, type, bridge_slave, hairpin, 'off']"}},
		code:    unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.Fixed, "hairpin-on-the-other-port": verdict.Helped},
	}, SpecTimeout(trialTimeout)),
	Entry("has an inert fix with a SideEffect when the fault stays because all else broke", lie{
		changes: []change{{sc, "{on: node, cmd: " + idle + "}", unplug}, {sc, "{on: node, cmd: " + unidle + "}", plug}},
		code:    unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.Fixed, "hairpin-on-the-other-port": verdict.SideEffect},
		whys:  map[string]string{"hairpin-on-the-other-port": `the fault shows in full, but control "another pod to the Service" broke`},
	}, SpecTimeout(trialTimeout)),
	Entry("has an inert fix with a SideEffect, as expected, when it names what it breaks", lie{
		changes: []change{{sc, "{on: node, cmd: " + idle + "}", unplug},
			{sc, "{on: node, cmd: " + unidle + "}]", plug + "]\n    expect: SideEffect\n    breaks: [another pod to the Service, the pod to the other pod]"}},
		code: asExpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-on-the-other-port": verdict.SideEffect},
		whys:  map[string]string{"hairpin-on-the-other-port": `control "the pod to the other pod" broke`},
	}, SpecTimeout(trialTimeout)),
	Entry("has a BrokenLab for an inert fix when its undo takes nothing back", lie{
		changes: []change{{sc, "{on: node, cmd: " + idle + "}", unplug}},
		code:    brokenLab, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-on-the-other-port": verdict.BrokenLab},
		whys:  map[string]string{"hairpin-on-the-other-port": `the undo of an inert fix changed the fault: control "another pod to the Service" does not hold`},
	}, SpecTimeout(trialTimeout)),
	Entry("has the WrongReason when its own packets are another process's", lie{
		changes: []change{{sc, unsent, sends}, {top, quiet, chatter}},
		code:    unexpected, fault: verdict.WrongReason,
		why: "asks the other pod: own packets at eth0 to 10.244.0.3:8080 tcp syn is not there (wanted: seen)",
	}, SpecTimeout(trialTimeout)),
	Entry("has a BrokenLab when a server does not come up", lie{
		changes: []change{{top, "    servers: [{tcp: [8080]}]\n  - name: client", "    processes: [{name: web-server, cmd: [sh, -c, 'echo no such database >&2; exit 3'], ready: listening}]\n  - name: client"}},
		code:    brokenLab, fault: verdict.BrokenLab, why: "no such database",
	}, SpecTimeout(trialTimeout)),
	Entry("has a BrokenLab when a control does not hold", lie{
		args: []string{"--set", "nodes.node.sysctls.net.bridge.bridge-nf-call-iptables=0"},
		code: brokenLab, fault: verdict.BrokenLab, why: `control "another pod to the Service" does not hold`,
	}, SpecTimeout(trialTimeout)),
	// A fix's commands may make interfaces, so that this is known only once they ran.
	Entry("has a BrokenLab for a fix whose evidence counts nothing because it looks where nothing is", lie{
		changes: []change{{sc, "packets: {interface: eth0, from:", "packets: {interface: eth9, from:"}},
		code:    brokenLab, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.BrokenLab, "hairpin-on-the-other-port": verdict.Inert},
		whys:  map[string]string{"hairpin-mode": "there is no interface eth9"},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is Fixed without an undo only with the reason for it", lie{
		changes: []change{{sc, "undo: [{on: node, cmd: " + unmends + "}]", "noUndo: the port is never set back"}},
		code:    asExpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.Fixed, "hairpin-on-the-other-port": verdict.Inert},
		whys:  map[string]string{"hairpin-mode": "; not undone: the port is never set back"},
	}, SpecTimeout(trialTimeout)),
	Entry("has a BrokenLab for a fix whose command fails, and tries the next on a fresh lab", lie{
		changes: []change{{sc, mends, "[ip, link, set, no-such-port, type, bridge_slave, hairpin, 'on']"}},
		code:    brokenLab, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.BrokenLab, "hairpin-on-the-other-port": verdict.Inert},
		whys:  map[string]string{"hairpin-mode": `exit code 1: Cannot find device "no-such-port"`},
	}, SpecTimeout(trialTimeout)),
	// rmem_default is the machine's, so only a guest may change it.
	Entry("is Unsupported when it needs what this runtime does not have", lie{
		args: []string{"--set", "nodes.node.sysctls.net.core.rmem_default=212992"},
		code: unsupported, fault: verdict.Unsupported, why: "a sysctl that is not per network namespace",
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is Unsupported, as expected, when it says what it needs", lie{
		changes: []change{{sc, "\ninert:", "\n  - name: newer\n    needs: {kernel: '99.0'}\n    set: {nodes.node.interfaces.veth-web.port.hairpin: true}\ninert:"}},
		code:    asExpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.Fixed, "newer": verdict.Unsupported},
		whys:  map[string]string{"newer": "needs kernel 99.0 or newer"},

		unverified: []string{"newer"},
	}, SpecTimeout(trialTimeout)),
	Entry("proves nothing when its one fix is Unsupported, though as expected", lie{
		changes: []change{{sc, "run: [{on: node, cmd: " + mends, "needs: {kernel: '99.0'}\n    run: [{on: node, cmd: " + mends}},
		code:    unsupported, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.Unsupported},
		whys:  map[string]string{"hairpin-mode": "needs kernel 99.0 or newer"},

		unverified: []string{"hairpin-mode"},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is Unsupported, not as expected, when it says nothing of it", lie{
		changes: []change{
			{sc, "run: [{on: node, cmd: " + mends + "}]", "set: {nodes.node.sysctls.net.core.rmem_default: 212992}"},
			{sc, "    undo: [{on: node, cmd: " + unmends + "}]" + leaves + "\n", ""},
		},
		code: unsupported, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"hairpin-mode": verdict.Unsupported, "hairpin-on-the-other-port": verdict.Inert},
	}, SpecTimeout(trialTimeout)),
)

// The same for ipvs-ipsec, whose lab is a guest on most machines.
var _ = DescribeTable("ipvs-ipsec, when it is not true", Label("negative", "vm"),
	func(ctx SpecContext, l lie) {
		l.hold(ctx, copyOf("ipvs-ipsec"), "vm")
	},
	Entry("is NotReproduced without its cause, IPVS mode", lie{
		args: []string{"--set", "kubeProxy.mode=iptables"},
		code: unexpected, fault: verdict.NotReproduced, why: "wanted timeout; saw delivered by edge-pod",
	}, SpecTimeout(guestTimeout)),
	Entry("has the WrongReason when another counter is its evidence", lie{
		changes: []change{{sc, "xfrm: XfrmInNoPols\n      grows: true", "xfrm: XfrmInNoStates\n      grows: true"}},
		code:    unexpected, fault: verdict.WrongReason, why: "XfrmInNoStates stayed at 0 (wanted: grows)",
	}, SpecTimeout(guestTimeout)),
	Entry("has the WrongReason when its conntrack entry is to have DST_NAT", lie{
		changes: []change{{sc, "      lacks: [DST_NAT]\n", ""}, {sc, "      has: [SRC_NAT]\n", "      has: [SRC_NAT, DST_NAT]\n"}},
		code:    unexpected, fault: verdict.WrongReason, why: "lacks DST_NAT (wanted: has DST_NAT)",
	}, SpecTimeout(guestTimeout)),
)

// And for nftables-snat, a lie in one of its variants.
var _ = DescribeTable("nftables-snat, when it is not true", Label("negative", "netns"),
	func(ctx SpecContext, l lie) {
		l.variant = "iptables-nft"
		l.hold(ctx, copyOf("nftables-snat", "iptables-nft"), "netns")
	},
	Entry("is NotReproduced without its cause, OVN-Kubernetes' chain", lie{
		args: []string{"--set", "nodes.gateway-b.rulesets.2.text=table inet ovn-kubernetes { }"},
		code: unexpected, fault: verdict.NotReproduced, why: "saw delivered by listener from 10.131.1.21",
	}, SpecTimeout(trialTimeout)),
	Entry("has the WrongReason when another rule of the chain is its evidence", lie{
		changes: []change{{sc, "contains: snat ip to 10.128.0.2}", "contains: \"@mgmtport-no-snat-nodeports counter return\"}"}},
		code:    unexpected, fault: verdict.WrongReason, why: "stayed at 0 (wanted: grows)",
	}, SpecTimeout(trialTimeout)),
	Entry("has the WrongReason when the answers are to go to the connector", lie{
		changes: []change{{sc, "replyTo: gateway-b@ovn-k8s-mp0", "replyTo: connector"}},
		code:    unexpected, fault: verdict.WrongReason, why: "answers go to ovn-k8s-mp0: conntrack to 10.128.0.5:8080 with replies to 10.131.1.21 is not there",
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is NotFixed when what it hides does not show", lie{
		changes: []change{{sc, "packets: {interface: ovn-k8s-mp0, from: gateway-b@ovn-k8s-mp0,", "packets: {interface: ovn-k8s-mp0, from: connector,"}},
		code:    unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"self-snat": verdict.Fixed, "skip-src-ip-check": verdict.NotFixed},
		whys:  map[string]string{"skip-src-ip-check": "the fix's own evidence is not there"},
	}, SpecTimeout(trialTimeout)),
)
