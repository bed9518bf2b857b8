package plan

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"
)

func TestStepPrintsAsACommand(t *testing.T) {
	tests := []struct {
		name string
		step Step
		want string
	}{
		{"a node with its lo", AddNode{Node: "a"}, "ip netns add a && ip -n a link set dev lo up"},
		{
			"a link", AddVeth{A: End{"a", "eth0"}, B: End{"b", "eth1"}, MTU: 1400},
			"ip -n a link add name eth0 mtu 1400 type veth peer name eth1 netns b mtu 1400",
		},
		{
			"a macvlan beside its parent", AddMacvlan{End{"a", "mv0"}, End{"a", "eth0"}, "private"},
			"ip -n a link add link eth0 name mv0 type macvlan mode private",
		},
		{
			"an IPIP tunnel", AddIPIP{End{"a", "t"}, addr("10.0.0.1"), addr("10.0.0.2")},
			"ip -n a link add name t type ipip local 10.0.0.1 remote 10.0.0.2",
		},
		{
			"a VXLAN tunnel", AddVXLAN{End: End{"a", "v"}, ID: 7, Remote: addr("10.0.0.2"), Port: 4789},
			"ip -n a link add name v type vxlan id 7 remote 10.0.0.2 dstport 4789",
		},
		{
			"a VXLAN of many ends", AddVXLAN{End: End{"a", "v"}, ID: 7, Remote: addr("239.0.0.1"), Port: 4789, Parent: "eth0"},
			"ip -n a link add name v type vxlan id 7 group 239.0.0.1 dev eth0 dstport 4789",
		},
		{"hairpin off", SetHairpin{End{"a", "p"}, false}, "bridge -n a link set dev p hairpin off"},
		{"a VLAN of the bridge", DelBridgeVLAN{End{"a", "br0"}, 1, true}, "bridge -n a vlan del dev br0 vid 1 self"},
		{
			"a VLAN of a port", AddBridgeVLAN{End: End{"a", "p"}, VID: 2, PVID: true, Untagged: true},
			"bridge -n a vlan add dev p vid 2 pvid untagged",
		},
		{"an IPv6 address", AddAddress{End{"a", "eth0"}, prefix("fd00::1/64")}, "ip -n a address add fd00::1/64 dev eth0 nodad"},
		{"a sysctl with blanks", SetSysctl{"a", "net.ipv4.tcp_rmem", "1 2 3"}, "ip netns exec a sysctl -qw 'net.ipv4.tcp_rmem=1 2 3'"},
		{"the IPv6 default route", AddRoute{Node: "a", To: prefix("::/0"), Dev: "eth0"}, "ip -n a -6 route add default dev eth0"},
		{
			"an IPv4 route by an IPv6 next hop", AddRoute{Node: "a", To: prefix("10.0.0.0/8"), Via: addr("fe80::1"), Dev: "eth0"},
			"ip -n a route add 10.0.0.0/8 via inet6 fe80::1 dev eth0",
		},
		{
			"a rule of IPv6", AddRule{Node: "a", Priority: 9, From: prefix("fd00::/64"), Table: 5, IPv6: true},
			"ip -n a -6 rule add priority 9 from fd00::/64 table 5",
		},
		{
			"a rule on a masked mark of 0", AddRule{Node: "a", Priority: 9, Mask: 0x10, Table: 5},
			"ip -n a rule add priority 9 from all fwmark 0x0/0x10 table 5",
		},
		{
			"a Service of a running lab", SetService{Service{Name: "web", ClusterIP: addr("10.96.0.10")}},
			"# service web 10.96.0.10 without backends",
		},
		{
			"a Service with its backend",
			SetService{Service{
				Name: "web", ClusterIP: addr("10.96.0.10"), Ports: []ServicePort{{Port: 80, TargetPort: 8080, Protocol: "TCP"}},
				Backends: []Backend{{Name: "pod", Address: addr("10.244.0.2")}},
			}},
			"# service web 10.96.0.10 80->8080/TCP to pod 10.244.0.2",
		},
		{
			"the API, without Services", ServeAPI{Nodes: []ClusterNode{{Name: "a", Addresses: []netip.Addr{addr("10.0.0.1")}}}},
			"# the API on 127.0.0.1:16443 of each node that runs kube-proxy\n# node a 10.0.0.1",
		},
		{
			"kube-proxy, its node named as the API does", StartKubeProxy{Node: "A", Version: "v1.36.3", Mode: "iptables"},
			"ip netns exec A kube-proxy-v1.36.3 --master=http://127.0.0.1:16443 --hostname-override=a --proxy-mode=iptables",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := test.step.String(); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
		})
	}
}

// sh returns what the shell prints for script.
func sh(script string) (string, error) {
	out, err := exec.Command("sh", "-c", script).Output()
	return string(out), err
}

// The shell gives the tool the text as it is, whatever lines it has.
func TestHereDocumentGivesTheTextAsItIs(t *testing.T) {
	for _, text := range []string{"a\n", "EOF\nEOFF\n", "$HOME `id` \\ 'x'\n", "no newline at the end"} {
		out, err := sh(hereDocument("cat", text))
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.TrimSuffix(text, "\n") + "\n"; out != want {
			t.Errorf("got %q, want %q", out, want)
		}
	}
}

func TestShellReadsBackWhatShellPrints(t *testing.T) {
	for _, arg := range []string{"plain", "", "two words", "it's", "a\nb", "$x*?~", "é", "#no comment"} {
		out, err := sh("printf %s " + Shell(arg))
		if err != nil {
			t.Fatal(err)
		}
		if out != arg {
			t.Errorf("got %q, want %q", out, arg)
		}
	}
}

func TestScriptIsAcceptedByTheShell(t *testing.T) {
	for _, topo := range networks(t) {
		cmd := exec.Command("sh", "-n")
		cmd.Stdin = strings.NewReader(compile(t, topo).Script())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", topo.Name, err, out)
		}
	}
}

// A process that has lines in its command must not run one of them.
func TestScriptStartsNoProcess(t *testing.T) {
	p := &Plan{Steps: []Step{StartProcess{Node: "a", Cmd: []string{"sh", "-c", "one\ntwo"}}}}
	_, body, _ := strings.Cut(p.Script(), "set -eu\n")
	if want := "\n# Processes\n# ip netns exec a sh -c 'one\n# two'\n"; body != want {
		t.Errorf("got %q, want %q", body, want)
	}
}

func TestTeardownRemovesEveryNode(t *testing.T) {
	if got, want := compile(t, trunk()).Teardown(), "ip netns del host\nip netns del vm\nip netns del out\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
