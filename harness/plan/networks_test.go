package plan

import (
	"net/netip"
	"os"
	"testing"

	"github.com/faultline-lab/faultline/harness/topology"
)

var (
	addr   = netip.MustParseAddr
	prefix = netip.MustParsePrefix
)

func prefixes(list ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(list))
	for i, s := range list {
		out[i] = prefix(s)
	}
	return out
}

// edge is two clusters' halves joined by IPsec:
//
//	pod eth0 -- c0 cloud eth0 -- wan -- eth0 edge
func edge() *topology.Topology {
	return &topology.Topology{
		Name:      "edge",
		KubeProxy: topology.KubeProxy{Mode: "ipvs", ClusterCIDR: "10.244.0.0/16", Flags: []string{"--v=2"}},
		Nodes: []topology.Node{
			{
				Name: "cloud", Role: topology.Host,
				Interfaces: []topology.Interface{
					{Name: "lo", Addresses: prefixes("10.0.0.1/32")},
					{Name: "c0", Addresses: prefixes("10.244.0.1/24")},
					{Name: "eth0", Addresses: prefixes("192.168.0.1/24")},
				},
				Routes:    []topology.Route{{To: "default", Via: addr("192.168.0.254")}},
				KubeProxy: &topology.KubeProxy{},
			},
			{
				Name: "pod", Role: topology.Pod, Host: "cloud",
				Interfaces: []topology.Interface{{Name: "eth0", Addresses: prefixes("10.244.0.2/24")}},
				Routes:     []topology.Route{{To: "default", Via: addr("10.244.0.1")}},
				Servers:    []topology.Server{{TCP: []uint16{8080, 8081}, UDP: []uint16{53}}},
				Processes:  []topology.Process{{Name: "noise", Cmd: []string{"sh", "-c", "echo 'ready'\nexec sleep inf"}, Ready: "ready"}},
			},
			{
				Name: "wan", Role: topology.Router,
				Interfaces: []topology.Interface{
					{Name: "w0", Addresses: prefixes("192.168.0.254/24")},
					{Name: "w1", Addresses: prefixes("192.168.1.254/24")},
				},
			},
			{
				Name: "edge", Role: topology.Host,
				Interfaces: []topology.Interface{{Name: "eth0", Addresses: prefixes("192.168.1.1/24")}},
				Routes:     []topology.Route{{To: "default", Via: addr("192.168.1.254"), Type: "unicast"}},
				KubeProxy:  &topology.KubeProxy{Version: "v1.29.6", Mode: "nftables", Flags: []string{"--v=4"}},
			},
		},
		Links: []topology.Link{
			{A: "pod:eth0", B: "cloud:c0", MTU: 1400},
			{A: "cloud:eth0", B: "wan:w0"},
			{A: "edge:eth0", B: "wan:w1"},
		},
		IPsec: []topology.Tunnel{{
			Name:     "cable",
			Left:     topology.Gateway{Node: "cloud", Address: addr("192.168.0.1")},
			Right:    topology.Gateway{Node: "edge", Address: addr("192.168.1.1")},
			UDPEncap: true,
			Selectors: []topology.Selector{
				{Left: prefix("10.244.0.0/24"), Right: prefix("10.244.1.0/24")},
				{Left: prefix("192.168.0.1/32"), Right: prefix("10.244.1.0/24")},
			},
		}},
		Services: []topology.Service{{
			Name: "web", ClusterIP: addr("10.96.0.10"), Type: "NodePort",
			Ports:    []topology.ServicePort{{Port: 80, TargetPort: 8080, NodePort: 30080}, {Port: 53, Protocol: "UDP"}},
			Backends: []topology.Backend{{Node: "pod"}, {Node: "edge", Address: addr("10.9.9.9")}},
		}},
	}
}

// office is what this kernel's sandbox can carry and edge does not have: bridges, macvlan, VXLAN, IPv6, rules,
// neighbours, rulesets, a dotted interface name. Entries stand in an order that does not suit the kernel.
//
//	a eth0 -- p1 sw p2 -- eth0 b eth1 -- eth0 c
//	a mv0: a macvlan of b's br0, whose port is eth1
func office() *topology.Topology {
	return &topology.Topology{
		Name: "office",
		Nodes: []topology.Node{
			{
				Name: "a", Role: topology.Pod,
				Interfaces: []topology.Interface{
					{Name: "mv0", Addresses: prefixes("10.2.0.9/24"), Macvlan: &topology.Macvlan{Parent: "b:br0"}},
					{Name: "eth0", Addresses: prefixes("10.1.0.1/24", "fd00:1::1/64"), MAC: "02:00:00:00:00:01"},
				},
				Routes: []topology.Route{
					{To: "default", Via: addr("169.254.1.1"), Dev: "eth0"},
					{To: "169.254.1.1", Dev: "eth0"},
					{To: "default", Via: addr("fd00:1::2"), Metric: 100},
					{To: "10.66.0.0/16", Type: "blackhole", Table: 100},
					{To: "fd00:66::/64", Type: "unreachable", Table: 100},
					{To: "10.77.0.1", Type: "local", Dev: "eth0"},
					{To: "10.88.0.0/16", Via: addr("10.9.0.1"), Dev: "eth0", OnLink: true, Src: addr("10.1.0.1")},
				},
				Rules: []topology.PolicyRule{
					{Priority: 900, IIF: "eth0", Mark: "0x4000/0x4000", Table: 100},
					{Priority: 901, From: prefix("10.1.0.0/24"), To: prefix("10.66.0.0/16"), OIF: "eth0", Mark: "7", Table: 100},
				},
				Neighbours: []topology.Neighbour{
					{Address: addr("169.254.1.1"), MAC: "02:00:00:00:00:02", Dev: "eth0"},
					{Address: addr("10.1.0.99"), Dev: "eth0", Proxy: true},
				},
				Sysctls: map[string]string{
					"net.ipv4.conf.eth0.rp_filter": "2", "net.ipv4.ip_forward": "1", "net.ipv4.conf.all.accept_redirects": "1",
					"net.ipv4.conf.all.forwarding": "1",
				},
				Rulesets: []topology.Ruleset{
					{Tool: "nft", Text: "table ip t {\n  chain c {\n  }\n}\n# EOF\n"},
					{Tool: "iptables-nft", Text: "*filter\n-A FORWARD -j ACCEPT\nCOMMIT"},
					{Tool: "ip6tables-nft", Text: "*filter\n-A FORWARD -j ACCEPT\nCOMMIT\n"},
				},
			},
			{
				Name: "b", Role: topology.Router,
				Interfaces: []topology.Interface{
					{Name: "eth1", MTU: 1300, Master: "br0", Port: &topology.BridgePort{Hairpin: true}},
					{Name: "vx0", Addresses: prefixes("10.7.0.2/24"), VXLAN: &topology.VXLAN{ID: 7, Remote: addr("10.1.0.1"), Parent: "eth0"}},
					{Name: "br0", Addresses: prefixes("10.2.0.2/24"), Bridge: &topology.Bridge{}},
					{Name: "eth0", Addresses: prefixes("10.1.0.2/24", "fd00:1::2/64")},
					{Name: "pt.5", ProxyARP: true, Addresses: prefixes("10.3.0.0/31")},
				},
				Sysctls: map[string]string{
					"net.ipv4.conf.pt.5.rp_filter": "2",
				},
			},
			{Name: "c", Role: topology.Pod, Interfaces: []topology.Interface{{Name: "eth0", Addresses: prefixes("10.2.0.3/24")}}},
			{
				Name: "sw", Role: topology.Switch,
				Interfaces: []topology.Interface{{Name: "p1", Master: "br0"}, {Name: "p2", Master: "br0"}, {Name: "br0", Bridge: &topology.Bridge{}}},
			},
		},
		Links: []topology.Link{
			{A: "a:eth0", B: "sw:p1"},
			{A: "b:eth0", B: "sw:p2"},
			{A: "b:eth1", B: "c:eth0", MTU: 1450},
			{A: "b:pt.5", B: "c:eth9"},
		},
	}
}

// trunk is what asks for more of the kernel: VLANs, dummies, IPIP, bridge netfilter, legacy iptables.
func trunk() *topology.Topology {
	return &topology.Topology{
		Name: "trunk",
		Nodes: []topology.Node{
			{
				Name: "host", Role: topology.Host,
				Interfaces: []topology.Interface{
					{Name: "br0.178", Addresses: prefixes("10.178.0.1/24"), VLAN: &topology.VLAN{Parent: "br0", ID: 178}},
					{
						Name: "br0", Bridge: &topology.Bridge{VLANFiltering: true},
						Port: &topology.BridgePort{VLANs: []topology.PortVLAN{{VID: 1, PVID: true, Untagged: true}, {VID: 178}}},
					},
					{Name: "tap", Master: "br0", Port: &topology.BridgePort{VLANs: []topology.PortVLAN{{VID: 178, PVID: true, Untagged: true}}}},
					{Name: "up", Master: "br0", MTU: 9000},
					{Name: "nothing", Dummy: &topology.Dummy{}},
					{Name: "tun0", IPIP: &topology.IPIP{Local: addr("10.178.0.1")}, MTU: 1200},
					{Name: "tun1", IPIP: &topology.IPIP{Local: addr("10.178.0.1"), Remote: addr("10.178.0.2")}},
				},
				Routes: []topology.Route{{To: "10.244.9.0/24", Via: addr("10.178.0.2"), Dev: "tun0", OnLink: true}},
				Sysctls: map[string]string{
					"net.bridge.bridge-nf-call-iptables": "1", "net.ipv4.conf.br0.178.rp_filter": "1",
					"net.netfilter.nf_conntrack_tcp_be_liberal": "1",
				},
				Rulesets: []topology.Ruleset{{Tool: "ip6tables-legacy", Text: "*nat\nCOMMIT\n"}},
			},
			{Name: "vm", Role: topology.Pod, Interfaces: []topology.Interface{{Name: "eth0", Addresses: prefixes("10.178.0.2/24")}}},
			{Name: "out", Role: topology.Pod},
		},
		Links: []topology.Link{{A: "host:tap", B: "vm:eth0"}, {A: "host:up", B: "out:eth0", MTU: 9000}},
	}
}

// networks is every topology that tests run over: those above, and the files.
func networks(t *testing.T) []*topology.Topology {
	t.Helper()
	all := []*topology.Topology{edge(), office(), trunk()}
	for _, file := range []string{"../../topologies/edge-ipsec.yaml", "../topology/testdata/everything.yaml"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := topology.Parse(file, src, nil)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, parsed)
	}
	return all
}
