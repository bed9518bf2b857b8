package netns

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/plan"
)

func end(node, iface string) plan.End    { return plan.End{Node: node, Interface: iface} }
func prefix(s string) netip.Prefix       { return netip.MustParsePrefix(s) }
func addr(s string) netip.Addr           { return netip.MustParseAddr(s) }
func sysctl(n, name, v string) plan.Step { return plan.SetSysctl{Node: n, Name: name, Value: v} }
func address(n, iface, p string) plan.Step {
	return plan.AddAddress{End: end(n, iface), Address: prefix(p)}
}

// everything has a step of every kind that a small kernel carries: no VLANs, ESP states, dummies, IPIP.
func everything() *plan.Plan {
	return &plan.Plan{Topology: "everything", Steps: []plan.Step{
		plan.AddNode{Node: "host"}, plan.AddNode{Node: "pod"}, plan.AddNode{Node: "router"},
		sysctl("host", "net.ipv4.ip_forward", "1"), sysctl("host", "net.ipv4.conf.all.rp_filter", "0"),
		plan.AddVeth{A: end("host", "eth0"), B: end("router", "eth0"), MTU: 1400},
		plan.AddVeth{A: end("host", "veth-pod"), B: end("pod", "eth0")},
		plan.AddBridge{End: end("host", "br0")},
		plan.SetMaster{End: end("host", "veth-pod"), Master: "br0"},
		plan.SetHairpin{End: end("host", "veth-pod"), On: true},
		plan.AddMacvlan{End: end("pod", "net1"), Parent: end("router", "eth0"), Mode: "bridge"},
		plan.AddVXLAN{End: end("host", "vx0"), ID: 42, Local: addr("192.168.0.1"), Remote: addr("192.168.0.2"), Port: 4789, Parent: "eth0"},
		plan.SetMTU{End: end("pod", "eth0"), MTU: 1300},
		plan.SetMAC{End: end("pod", "eth0"), MAC: "02:00:00:00:00:01"},
		address("host", "eth0", "192.168.0.1/24"), address("host", "br0", "10.244.0.1/24"),
		address("pod", "eth0", "10.244.0.2/24"), address("router", "eth0", "192.168.0.2/24"),
		address("host", "eth0", "fd00::1/64"), address("router", "eth0", "fd00::2/64"),
		plan.SetUp{End: end("host", "eth0")}, plan.SetUp{End: end("host", "veth-pod")}, plan.SetUp{End: end("host", "br0")},
		plan.SetUp{End: end("pod", "eth0")}, plan.SetUp{End: end("router", "eth0")}, plan.SetUp{End: end("pod", "net1")},
		plan.SetUp{End: end("host", "vx0")},
		plan.AddRoute{Node: "pod", To: prefix("0.0.0.0/0"), Via: addr("10.244.0.1")},
		plan.AddRoute{Node: "router", To: prefix("10.244.0.0/24"), Via: addr("192.168.0.1"), Src: addr("192.168.0.2"), Metric: 50},
		plan.AddRoute{Node: "router", To: prefix("10.9.0.0/16"), Type: "blackhole"},
		plan.AddRoute{Node: "router", To: prefix("10.7.0.0/16"), Dev: "eth0", Table: 1000},
		plan.AddRoute{Node: "router", To: prefix("10.8.0.1/32"), Via: addr("172.16.0.1"), Dev: "eth0", OnLink: true},
		plan.AddRoute{Node: "router", To: prefix("10.6.0.0/16"), Dev: "lo", Type: "local"},
		plan.AddRoute{Node: "router", To: prefix("10.5.0.0/16"), Via: addr("fd00::1"), Dev: "eth0"},
		plan.AddRoute{Node: "router", To: prefix("fd01::/64"), Via: addr("fd00::1")},
		plan.AddRoute{Node: "router", To: prefix("::/0"), Type: "unreachable", Metric: 9},
		plan.AddRule{Node: "router", Priority: 100, From: prefix("10.0.0.0/8"), Mark: 0x4000, Mask: 0x4000, Table: 1000},
		plan.AddRule{Node: "router", Priority: 101, Mark: 7, IIF: "eth0", Table: 100},
		plan.AddRule{Node: "router", Priority: 102, IPv6: true, To: prefix("fd02::/64"), Table: 100},
		plan.AddNeighbour{End: end("router", "eth0"), Address: addr("192.168.0.9"), MAC: "02:00:00:00:00:09"},
		plan.AddNeighbour{End: end("router", "eth0"), Address: addr("192.168.0.10"), Proxy: true},
		plan.AddXfrmPolicy{Node: "router", Dir: "fwd", Src: prefix("10.1.0.0/16"), Dst: prefix("10.2.0.0/16"),
			TmplSrc: addr("192.168.0.1"), TmplDst: addr("192.168.0.2"), ReqID: 3},
		plan.LoadRuleset{Node: "host", Tool: "nft", Text: "table ip t {\n\tchain c {\n\t\ttype nat hook postrouting priority 100\n\t\toifname eth0 masquerade\n\t}\n}\n"},
		plan.LoadRuleset{Node: "host", Tool: "iptables-nft", Text: "*filter\n-A FORWARD -m mark --mark 0x1 -j DROP\nCOMMIT\n"},
		plan.LoadRuleset{Node: "router", Tool: "iptables-legacy", Text: "*filter\n-A FORWARD -m mark --mark 0x2 -j DROP\nCOMMIT\n"},
		plan.Serve{Node: "router", TCP: []uint16{80, 81}, UDP: []uint16{53}}, plan.Serve{Node: "host", TCP: []uint16{80}},
		plan.StartProcess{Node: "pod", Name: "clock", Cmd: []string{"sh", "-c", "echo waiting; echo now open; exec sleep 1000"}, Ready: "now open"},
	}}
}

// seen drops what differs from run to run from what ip prints.
var unsteady = regexp.MustCompile(`@if\d+|@eth0|qdisc \w+ |group default |qlen \d+|state UNKNOWN |scope global |scope host |pref medium|\s+$`)

func seen(s string) string {
	var out []string
	for line := range strings.Lines(s) {
		if line = strings.Join(strings.Fields(unsteady.ReplaceAllString(line, " ")), " "); line != "" {
			out = append(out, line)
		}
	}
	return strings.Join(out, "\n")
}

func TestKernelHasWhatThePlanSays(t *testing.T) {
	needs(t, "ip", "bridge", "nft", "iptables-nft-save", "iptables-legacy-save")
	l := up(t, sandboxes(t), everything())
	tests := []struct {
		name, node, script, want string
	}{
		{"lo is up", "pod", "ip -br link show dev lo | awk '{print $1, $3, $4}'", "lo 00:00:00:00:00:00 <LOOPBACK,UP,LOWER_UP>"},
		{"both ends of a veth have the MTU", "router", "cat /sys/class/net/eth0/mtu", "1400"},
		{"the other end has it too", "host", "cat /sys/class/net/eth0/mtu", "1400"},
		{"/sys shows the node's interfaces", "pod", "ls /sys/class/net", "eth0\nlo\nnet1"},
		{"a MAC address is set", "pod", "cat /sys/class/net/eth0/address /sys/class/net/eth0/mtu", "02:00:00:00:00:01\n1300"},
		{"a bridge forwards at once", "host", "cat /sys/class/net/br0/bridge/forward_delay /sys/class/net/br0/bridge/stp_state", "0\n0"},
		{"a port has its bridge and hairpin", "host", "cd /sys/class/net/veth-pod/brport; basename $(readlink bridge); cat hairpin_mode state", "br0\n1\n3"},
		{"a macvlan of another node's interface is in its node", "pod", "ip -d link show dev net1 | grep -o 'macvlan mode bridge'", "macvlan mode bridge"},
		{"a VXLAN learns", "host", "ip -d link show dev vx0 | grep -o 'vxlan id.*' | sed 's/ttl.*//'; ip -d link show dev vx0 | grep -c nolearning || true",
			"vxlan id 42 remote 192.168.0.2 local 192.168.0.1 dev eth0 srcport 0 0 dstport 4789\n0"},
		{"addresses have broadcast addresses", "host", "ip -4 addr show dev eth0 | grep inet", "inet 192.168.0.1/24 brd 192.168.0.255 eth0"},
		{"IPv6 addresses are not tentative", "router", "ip -6 addr show dev eth0 scope global | grep inet6 | grep -v tentative", "inet6 fd00::2/64 nodad"},
		{"routes are those of ip route", "router", "ip -4 route; ip route show table 1000; ip route show table local 10.6.0.0/16", strings.Join([]string{
			"10.5.0.0/16 via inet6 fd00::1 dev eth0", "10.8.0.1 via 172.16.0.1 dev eth0 onlink", "blackhole 10.9.0.0/16",
			"10.244.0.0/24 via 192.168.0.1 dev eth0 src 192.168.0.2 metric 50", "192.168.0.0/24 dev eth0 proto kernel scope link src 192.168.0.2",
			"10.7.0.0/16 dev eth0 scope link", "local 10.6.0.0/16 dev lo"}, "\n")},
		{"IPv6 routes too", "router", "ip -6 route show fd01::/64; ip -6 route show type unreachable", "fd01::/64 via fd00::1 dev eth0 metric 1024\nunreachable default dev lo metric 9"},
		{"rules are those of ip rule", "router", "ip rule | grep 10[01]:; ip -6 rule | grep 102:",
			"100: from 10.0.0.0/8 fwmark 0x4000/0x4000 lookup 1000\n101: from all fwmark 0x7 iif eth0 lookup 100\n102: from all to fd02::/64 lookup 100"},
		{"neighbours are permanent", "router", "ip neigh show nud permanent; ip neigh show proxy", "192.168.0.9 dev eth0 lladdr 02:00:00:00:00:09 PERMANENT\n192.168.0.10 dev eth0 proxy"},
		{"policies are there", "router", "ip xfrm policy | head -4", "src 10.1.0.0/16 dst 10.2.0.0/16\ndir fwd priority 0 ptype main\ntmpl src 192.168.0.1 dst 192.168.0.2\nproto esp reqid 3 mode tunnel"},
		{"rulesets are loaded", "host", "nft list table ip t | grep -c masquerade; iptables-nft-save | grep FORWARD.*mark", "1\n-A FORWARD -m mark --mark 0x1 -j DROP"},
		{"legacy rulesets too", "router", "iptables-legacy-save | grep FORWARD.*mark", "-A FORWARD -m mark --mark 0x2 -j DROP"},
		{"sysctls are set", "host", "cat /proc/sys/net/ipv4/ip_forward", "1"},
		{"no file of the machine's /run is seen", "host", "find /run -type f | grep -v xtables.lock || true", ""},
		{"only the sandbox's processes are seen", "host", "cat /proc/1/comm >/dev/null; ls -d /proc/[0-9]* | wc -l | awk '{print ($1 < 20)}'", "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, seen(sh(t, l, tt.node, tt.script))); diff != "" {
				t.Errorf("%s in %s (-want +got):\n%s", tt.script, tt.node, diff)
			}
		})
	}
}
