package e2e

import (
	. "github.com/onsi/ginkgo/v2"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// Lies about bridge-vlan, whose lab is a guest where this kernel has no VLAN filtering.
var _ = DescribeTable("bridge-vlan, when it is not true", Label("negative", "vm"),
	func(ctx SpecContext, l lie) {
		l.args = append(l.args, "--variant", l.variant)
		l.hold(ctx, copyOf("bridge-vlan"), "vm")
	},
	Entry("is NotReproduced without its cause, bridge netfilter", lie{
		variant: "routed-pods",
		args:    []string{"--set", "nodes.host.sysctls.net.bridge.bridge-nf-call-iptables=0"},
		code:    unexpected, fault: verdict.NotReproduced, why: "wanted timeout; saw delivered by vm from 172.16.0.57",
	}, SpecTimeout(guestTimeout)),
	Entry("is NotReproduced without its cause, the masquerade", lie{
		variant: "routed-pods",
		args:    []string{"--set", "kubeProxy.clusterCIDR="},
		code:    unexpected, fault: verdict.NotReproduced, why: "wanted timeout; saw delivered by vm from 172.16.0.57",
	}, SpecTimeout(guestTimeout)),
	Entry("has the WrongReason when the answer is to have the client's port on the wrong side of the bridge", lie{
		variant: "routed-pods",
		changes: []change{{sc, "interface: eth1, from: \"vm:80\", to: host@eth0, flags: syn-ack, own: true, vlan: 178", "interface: tap0, from: \"vm:80\", to: host@eth0, flags: syn-ack, own: true"}},
		code:    unexpected, fault: verdict.WrongReason, why: "syn-ack is not there (wanted: seen)",
	}, SpecTimeout(guestTimeout)),
	Entry("has the WrongReason when the answer is to have another tag", lie{
		variant: "routed-pods",
		changes: []change{{sc, "own: true, vlan: 178", "own: true, vlan: 179"}},
		code:    unexpected, fault: verdict.WrongReason, why: "vlan 179 is not there (wanted: seen)",
	}, SpecTimeout(guestTimeout)),
	Entry("has the WrongReason when nothing is to be masqueraded", lie{
		variant: "routed-pods",
		changes: []change{{sc, "      has: [SYN_RECV, SRC_NAT, DST_NAT]", "      has: [SYN_RECV, DST_NAT]\n      lacks: [SRC_NAT]"}},
		code:    unexpected, fault: verdict.WrongReason, why: "has SRC_NAT (wanted: lacks SRC_NAT)",
	}, SpecTimeout(guestTimeout)),
	Entry("has a fix with a SideEffect, not as documented, when its price is left out", lie{
		variant: "bridged-pods",
		changes: []change{{sc, "        expect: SideEffect\n        breaks: [pod to the Service of a pod]\n", ""}},
		code:    unexpected, fault: verdict.Reproduced,
		fixes: map[string]verdict.Verdict{"no-bridge-netfilter": verdict.SideEffect, "netfilter-on-the-pods-bridge-alone": verdict.Fixed},
		whys:  map[string]string{"no-bridge-netfilter": `control "pod to the Service of a pod" broke`},
	}, SpecTimeout(guestTimeout)),
)
