package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNeeds(t *testing.T) {
	tests := []struct {
		name  string
		steps []Step
		want  []Need
	}{
		{"nodes, links and plain bridges need nothing", []Step{AddNode{Node: "a"}, AddVeth{}, AddBridge{}, AddAddress{Address: prefix("10.0.0.1/8")}}, nil},
		{"a bridge with VLAN filtering", []Step{AddBridge{VLANFiltering: true}}, []Need{NeedBridgeVLAN}},
		{"VLANs of ports", []Step{AddBridgeVLAN{}, DelBridgeVLAN{}}, []Need{NeedBridgeVLAN}},
		{
			"each kind of interface, sorted and once", []Step{AddVLAN{}, AddVXLAN{}, AddMacvlan{}, AddDummy{}, AddIPIP{}, AddVLAN{}},
			[]Need{NeedVLAN, NeedDummy, NeedIPIP, NeedMacvlan, NeedVXLAN},
		},
		{"VXLAN over IPv6", []Step{AddVXLAN{Remote: addr("fd00::1")}}, []Need{NeedIPv6, NeedVXLAN}},
		{"an IPv6 address", []Step{AddAddress{Address: prefix("fd00::1/64")}}, []Need{NeedIPv6}},
		{"an IPv6 route", []Step{AddRoute{To: prefix("::/0")}}, []Need{NeedIPv6}},
		{"an IPv6 rule", []Step{AddRule{IPv6: true}}, []Need{NeedIPv6}},
		{"an IPv6 neighbour", []Step{AddNeighbour{Address: addr("fd00::1")}}, []Need{NeedIPv6}},
		{"ESP", []Step{AddXfrmState{}, AddXfrmPolicy{}}, []Need{NeedESP}},
		{"ESP in UDP", []Step{AddXfrmState{UDPEncap: true}}, []Need{NeedESP, NeedESPInUDP}},
		{"a sysctl of the namespace", []Step{SetSysctl{Name: "net.ipv4.ip_forward"}}, nil},
		{"a sysctl of an interface with a dot", []Step{SetSysctl{Name: "net.ipv4.conf.eth0/5.rp_filter"}}, nil},
		{"a sysctl of the whole kernel", []Step{SetSysctl{Name: "net.netfilter.nf_conntrack_max"}}, []Need{NeedConntrack, NeedGlobalSysctl}},
		{"a sysctl of conntrack", []Step{SetSysctl{Name: "net.netfilter.nf_conntrack_tcp_be_liberal"}}, []Need{NeedConntrack}},
		{"a sysctl of bridge netfilter", []Step{SetSysctl{Name: "net.bridge.bridge-nf-call-iptables"}}, []Need{NeedBridgeNetfilter}},
		{"a sysctl of IPVS", []Step{SetSysctl{Name: "net.ipv4.vs.conntrack"}}, []Need{NeedIPVS}},
		{"a sysctl of IPv6", []Step{SetSysctl{Name: "net.ipv6.conf.all.forwarding"}}, []Need{NeedIPv6}},
		{"nft", []Step{LoadRuleset{Tool: "nft"}}, []Need{NeedNft}},
		{"iptables", []Step{LoadRuleset{Tool: "iptables-nft"}}, []Need{NeedIptables}},
		{"ip6tables of the legacy backend", []Step{LoadRuleset{Tool: "ip6tables-legacy"}}, []Need{NeedIptablesLegacy, NeedIPv6}},
		{"kube-proxy", []Step{StartKubeProxy{Mode: "iptables"}}, []Need{NeedConntrack, NeedIptables}},
		{"kube-proxy with IPVS", []Step{StartKubeProxy{Mode: "ipvs"}}, []Need{NeedConntrack, NeedDummy, NeedIPVS, NeedIptables}},
		{"kube-proxy with nftables", []Step{StartKubeProxy{Mode: "nftables"}}, []Need{NeedConntrack, NeedKubeProxyNft, NeedNft}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if d := cmp.Diff(test.want, (&Plan{Steps: test.steps}).Needs()); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}
