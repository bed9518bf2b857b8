package e2e

import (
	. "github.com/onsi/ginkgo/v2"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// Lies about macvlan-calico, in its first variant.
var _ = DescribeTable("macvlan-calico, when it is not true", Label("negative", "netns"),
	func(ctx SpecContext, l lie) {
		l.variant = "kube-proxy"
		l.hold(ctx, copyOf("macvlan-calico", "kube-proxy"), "netns")
	},
	Entry("is NotReproduced without its cause, kube-proxy's rule: conntrack is liberal before kube-proxy starts", lie{
		args: []string{"--set", "nodes.node3.sysctls.net.netfilter.nf_conntrack_tcp_be_liberal=1"},
		code: unexpected, fault: verdict.NotReproduced, why: "wanted connected-no-data; saw delivered by pod1 from 10.7.200.2",
	}, SpecTimeout(trialTimeout)),
	Entry("is NotReproduced without its cause, a way back of its own: the answer goes by the client's node", lie{
		changes: []change{{calico, "      - {to: 10.7.200.12/32, dev: veth3b, table: 500}\n",
			"      - {to: 10.7.200.12/32, dev: veth3b, table: 500}\n      - {to: 10.7.200.2/32, via: 10.7.168.73}\n"}},
		code: unexpected, fault: verdict.NotReproduced, why: "wanted connected-no-data; saw delivered by pod1 from 10.7.200.2",
	}, SpecTimeout(trialTimeout)),
	Entry("has the WrongReason when Felix' rule is to drop the packet", lie{
		changes: []change{{sc, "      on: node3\n      rule: {backend: iptables, table: filter, chain: KUBE-FORWARD,", "      on: node1\n      rule: {backend: iptables, table: filter, chain: cali-tw-cali1,"}},
		code:    unexpected, fault: verdict.WrongReason, why: "cali-tw-cali1 stayed at 0 (wanted: grows)",
	}, SpecTimeout(trialTimeout)),
	Entry("has the WrongReason when conntrack is to have seen the answer", lie{
		changes: []change{{sc, "      lacks: [SEEN_REPLY]\n", ""}, {sc, "      has: [SYN_SENT]\n", "      has: [SEEN_REPLY]\n"}},
		code:    unexpected, fault: verdict.WrongReason, why: "lacks SEEN_REPLY (wanted: has SEEN_REPLY)",
	}, SpecTimeout(trialTimeout)),
	Entry("has the WrongReason when the answer is to come by veth0", lie{
		changes: []change{{sc, "packets: {interface: eth0, from: \"pod1:8080\", flags: syn-ack}", "packets: {interface: veth0, from: \"pod1:8080\", flags: syn-ack}"}},
		code:    unexpected, fault: verdict.WrongReason, why: "syn-ack is not there (wanted: seen)",
	}, SpecTimeout(trialTimeout)),
	Entry("has an inert fix that Helped when it is the client's node that is liberal", lie{
		changes: []change{{sc, "{nodes.node1.sysctls.net.netfilter.nf_conntrack_tcp_be_liberal: 1}", "{nodes.node3.sysctls.net.netfilter.nf_conntrack_tcp_be_liberal: 1}"}},
		args:    []string{"--fix", "be-liberal-on-the-other-node"},
		code:    unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"be-liberal-on-the-other-node": verdict.Helped},
		whys:  map[string]string{"be-liberal-on-the-other-node": "saw delivered by pod1"},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is NotFixed when its flag does nothing", lie{
		changes: []change{{sc, "[--conntrack-tcp-be-liberal]", "[--conntrack-tcp-be-liberal=false]"}},
		args:    []string{"--fix", "be-liberal-flag"},
		code:    unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"be-liberal-flag": verdict.NotFixed},
		whys:  map[string]string{"be-liberal-flag": "the symptom is still there: connected-no-data"},
	}, SpecTimeout(trialTimeout)),
	Entry("has a fix that is NotFixed when half of it is left out", lie{
		changes: []change{
			{sc, "    together: [be-liberal-alone, restart-alone]\n", "    run: [{on: node3, cmd: [sysctl, -w, net.netfilter.nf_conntrack_tcp_be_liberal=1]}]\n"},
		},
		args: []string{"--fix", "be-liberal-and-restart"},
		code: unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"be-liberal-and-restart": verdict.NotFixed},
		whys:  map[string]string{"be-liberal-and-restart": "the symptom is still there: connected-no-data"},
	}, SpecTimeout(trialTimeout)),
	Entry("is not as documented when a cell of its table is another", lie{
		changes: []change{{sc, "      before:\n        - [delivered, timeout, ", "      before:\n        - [delivered, delivered, "}},
		code:    unexpected, fault: verdict.Reproduced, matrix: "Calico pod to macvlan pod",
	}, SpecTimeout(trialTimeout)),
)

// calico is the topology of macvlan-calico.
const calico = "spiderpool-calico.yaml"
