package plan

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/internal/golden"
	"github.com/faultline-lab/faultline/harness/topology"
)

func compile(t *testing.T, topo *topology.Topology) *Plan {
	t.Helper()
	p, err := Compile(topo)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestScriptIsGolden(t *testing.T) {
	for _, topo := range networks(t) {
		t.Run(topo.Name, func(t *testing.T) {
			golden.Check(t, filepath.Join("testdata", topo.Name+".golden"), []byte(compile(t, topo).Script()))
		})
	}
}

func TestCompileGivesTheSameBytesEachTime(t *testing.T) {
	for i, topo := range networks(t) {
		first, again := compile(t, topo), compile(t, networks(t)[i])
		if d := cmp.Diff(first.Script(), again.Script()); d != "" {
			t.Errorf("%s: script differs:\n%s", topo.Name, d)
		}
		a, err := first.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		b, err := again.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if string(a) != string(b) {
			t.Errorf("%s: JSON differs", topo.Name)
		}
	}
}

func TestCompileRefusesWhatItCannotOrder(t *testing.T) {
	iface := func(name string, more topology.Interface) topology.Interface {
		more.Name = name
		return more
	}
	node := func(i ...topology.Interface) topology.Node { return topology.Node{Name: "n", Interfaces: i} }
	tests := []struct {
		name string
		topo topology.Topology
		want string
	}{
		{
			"an interface that nothing makes",
			topology.Topology{Nodes: []topology.Node{node(iface("eth0", topology.Interface{}))}},
			"compile topology t: interface n:eth0: no link ends here and nothing makes it",
		},
		{
			"an interface described twice",
			topology.Topology{Nodes: []topology.Node{node(iface("lo", topology.Interface{}), iface("lo", topology.Interface{}))}},
			"compile topology t: interface n:lo: two entries",
		},
		{
			"a parent that is not there",
			topology.Topology{Nodes: []topology.Node{node(iface("v", topology.Interface{VLAN: &topology.VLAN{Parent: "eth0", ID: 1}}))}},
			"compile topology t: interface n:v: no parent n:eth0",
		},
		{
			"a master that is no bridge",
			topology.Topology{Nodes: []topology.Node{node(iface("d", topology.Interface{Dummy: &topology.Dummy{}, Master: "lo"}), iface("lo", topology.Interface{}))}},
			"compile topology t: interface n:d: master lo is not a bridge of the node",
		},
		{
			"a bridge that has its own VLAN as a port",
			topology.Topology{Nodes: []topology.Node{node(
				iface("br0", topology.Interface{Bridge: &topology.Bridge{}}),
				iface("v", topology.Interface{VLAN: &topology.VLAN{Parent: "br0", ID: 1}, Master: "br0"}),
			)}},
			"compile topology t: interfaces depend on each other: n:v, n:v",
		},
		{
			"a link to nowhere",
			topology.Topology{Nodes: []topology.Node{node()}, Links: []topology.Link{{A: "n:eth0", B: "m:eth0"}}},
			"compile topology t: link n:eth0 to m:eth0: no node m",
		},
		{
			"an endpoint without an interface",
			topology.Topology{Nodes: []topology.Node{node()}, Links: []topology.Link{{A: "n", B: "n:eth0"}}},
			`compile topology t: link n to n:eth0: endpoint "n" is not node:interface`,
		},
		{
			"a link end used twice",
			topology.Topology{Nodes: []topology.Node{node()}, Links: []topology.Link{{A: "n:x", B: "n:x"}}},
			"compile topology t: link n:x to n:x: n:x is the end of two links",
		},
		{
			"a route to a name",
			topology.Topology{Nodes: []topology.Node{{Name: "n", Routes: []topology.Route{{To: "home"}}}}},
			`compile topology t: node n: route to home: neither a prefix nor an address nor "default": ParseAddr("home"): unable to parse IP`,
		},
		{
			"a mark that is no number",
			topology.Topology{Nodes: []topology.Node{{Name: "n", Rules: []topology.PolicyRule{{Priority: 5, Mark: "0x1/red"}}}}},
			`compile topology t: node n: rule 5: mark "red" is not a number of 32 bits`,
		},
		{
			"a gateway that is not there",
			topology.Topology{IPsec: []topology.Tunnel{{Name: "c", Left: topology.Gateway{Node: "x"}}}},
			"compile topology t: tunnel c: no node x",
		},
		{
			"kube-proxy on a node without an address",
			topology.Topology{Nodes: []topology.Node{{Name: "n", KubeProxy: &topology.KubeProxy{}}}},
			"compile topology t: node n: kube-proxy needs an address of the node",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.topo.Name = "t"
			_, err := Compile(&test.topo)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestTunnelIsWrittenOnBothEnds(t *testing.T) {
	states := map[string][]AddXfrmState{}
	policies := map[string][]string{}
	for _, s := range compile(t, edge()).Steps {
		switch s := s.(type) {
		case AddXfrmState:
			states[s.Node] = append(states[s.Node], s)
		case AddXfrmPolicy:
			policies[s.Node] = append(policies[s.Node], s.Dir+" "+s.Src.String()+" "+s.Dst.String()+" "+s.TmplSrc.String())
		}
	}
	for _, node := range []string{"cloud", "edge"} {
		s := states[node]
		if len(s) != 2 || s[0].SPI == s[1].SPI || s[0].Key == s[1].Key || len(s[0].Key) != 40 || s[0].Src != s[1].Dst {
			t.Errorf("%s: want a state of its own for each direction: %v", node, s)
		}
	}
	if states["cloud"][0].Key != states["edge"][0].Key {
		t.Error("the ends have different keys")
	}
	want := map[string][]string{
		"cloud": {
			"out 10.244.0.0/24 10.244.1.0/24 192.168.0.1", "in 10.244.1.0/24 10.244.0.0/24 192.168.1.1",
			"fwd 10.244.1.0/24 10.244.0.0/24 192.168.1.1",
			"out 192.168.0.1/32 10.244.1.0/24 192.168.0.1", "in 10.244.1.0/24 192.168.0.1/32 192.168.1.1",
			"fwd 10.244.1.0/24 192.168.0.1/32 192.168.1.1",
		},
		"edge": {
			"out 10.244.1.0/24 10.244.0.0/24 192.168.1.1", "in 10.244.0.0/24 10.244.1.0/24 192.168.0.1",
			"fwd 10.244.0.0/24 10.244.1.0/24 192.168.0.1",
			"out 10.244.1.0/24 192.168.0.1/32 192.168.1.1", "in 192.168.0.1/32 10.244.1.0/24 192.168.0.1",
			"fwd 192.168.0.1/32 10.244.1.0/24 192.168.0.1",
		},
	}
	if d := cmp.Diff(want, policies); d != "" {
		t.Errorf("policies -want +got:\n%s", d)
	}
}

func TestSysctlsThatSpreadComeFirst(t *testing.T) {
	var got []string
	for _, s := range compile(t, office()).Steps {
		if s, ok := s.(SetSysctl); ok && (s.Node == "a" || s.Name == "net.ipv4.conf.pt/5.rp_filter") {
			got = append(got, s.Name+"="+s.Value)
		}
	}
	want := []string{
		"net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.default.rp_filter=0",
		"net.ipv4.ip_forward=1", "net.ipv4.conf.all.forwarding=1", "net.ipv4.conf.all.accept_redirects=1",
		"net.ipv4.conf.eth0.rp_filter=2", "net.ipv4.conf.pt/5.rp_filter=2",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestNamesInAPlan(t *testing.T) {
	p := compile(t, edge())
	if want := []string{"cloud", "pod", "wan", "edge"}; !slices.Equal(p.Nodes(), want) {
		t.Errorf("nodes %q, want %q", p.Nodes(), want)
	}
	if want := []string{"v1.29.6", topology.DefaultKubeProxy}; !slices.Equal(p.KubeProxyVersions(), want) {
		t.Errorf("versions %q, want %q", p.KubeProxyVersions(), want)
	}
}

func TestPathOfASysctl(t *testing.T) {
	for name, want := range map[string]string{
		"net.ipv4.ip_forward":           "net/ipv4/ip_forward",
		"net.ipv4.conf.pt/5.rp_filter":  "net/ipv4/conf/pt.5/rp_filter",
		"net.bridge.bridge-nf-call-arp": "net/bridge/bridge-nf-call-arp",
	} {
		if got := (SetSysctl{Name: name}).Path(); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
