package kind

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/topology"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// office is two members with kube-proxy, a pod on each, a host of pods without kube-proxy, and a router.
func office() *plan.Plan {
	proxy := plan.StartKubeProxy{Version: "v1.36.3", Mode: "iptables", ClusterCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/16"}
	first, second := proxy, proxy
	first.Node, first.Address = "node1", addr("192.0.2.1")
	second.Node, second.Address = "node2", addr("192.0.2.2")
	return &plan.Plan{Topology: "office", Steps: []plan.Step{
		plan.AddNode{Node: "gw"},
		plan.AddNode{Node: "node1"}, plan.AddNode{Node: "web", Host: "node1"},
		plan.AddNode{Node: "node2"}, plan.AddNode{Node: "client", Host: "node2"},
		plan.AddNode{Node: "far"}, plan.AddNode{Node: "far-pod", Host: "far"},
		plan.AddVeth{A: plan.End{Node: "node1", Interface: "eth0"}, B: plan.End{Node: "gw", Interface: "a"}},
		plan.AddAddress{End: plan.End{Node: "web", Interface: "lo"}, Address: netip.MustParsePrefix("127.0.0.2/8")},
		plan.AddAddress{End: plan.End{Node: "web", Interface: "eth0"}, Address: netip.MustParsePrefix("10.244.0.2/24")},
		plan.AddAddress{End: plan.End{Node: "web", Interface: "net1"}, Address: netip.MustParsePrefix("192.0.2.7/24")},
		plan.AddAddress{End: plan.End{Node: "client", Interface: "eth0"}, Address: netip.MustParsePrefix("10.244.1.2/24")},
		plan.AddAddress{End: plan.End{Node: "far-pod", Interface: "eth0"}, Address: netip.MustParsePrefix("10.9.0.2/24")},
		plan.Serve{Node: "web", TCP: []uint16{8080}}, plan.Serve{Node: "web", UDP: []uint16{53}},
		plan.Serve{Node: "node2", TCP: []uint16{22}}, plan.Serve{Node: "gw", TCP: []uint16{80}},
		plan.ServeAPI{Services: []plan.Service{{
			Name: "web", ClusterIP: addr("10.96.0.10"), Ports: []plan.ServicePort{{Port: 80, TargetPort: 8080, Protocol: "TCP"}},
			Backends: []plan.Backend{{Name: "web", Address: addr("10.244.0.2"), Node: "node1"}},
		}}},
		first, second,
	}}
}

func TestNodesAreGivenTheirPlaces(t *testing.T) {
	lay, missing := newLayout(office())
	if len(missing) > 0 {
		t.Fatalf("missing: %v", missing)
	}
	var got []string
	for _, c := range lay.clusters {
		got = append(got, "cluster "+strings.Join(c.members, " "))
		for _, p := range c.pods {
			got = append(got, p.name+" on "+p.on+" "+p.address.String()+": "+strings.Join(p.command(), " "))
		}
	}
	for _, p := range lay.beside {
		got = append(got, "beside "+p.node+": "+strings.Join(p.command(), " "))
	}
	want := []string{
		"cluster node1 node2",
		"web on node1 10.244.0.2: serve web --tcp 8080 --udp 53",
		"node2-servers on node2 invalid IP: serve node2 --tcp 22",
		"client on node2 10.244.1.2: hold",
		"cluster far",
		"far-pod on far 10.9.0.2: hold",
		"beside gw: serve gw --tcp 80",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, s := range slices.Concat(lay.before, lay.after) {
		switch s.(type) {
		case plan.Serve, plan.ServeAPI, plan.StartKubeProxy:
			t.Errorf("Kubernetes makes this, and so would the wiring: %s", s)
		}
	}
	if n := len(lay.before) + len(lay.after); n != 13 {
		t.Errorf("%d steps are wired, want the 13 others", n)
	}
}

func TestWhatAClusterCannotHave(t *testing.T) {
	change := func(f func(s *plan.StartKubeProxy)) func(*plan.Plan) {
		return func(p *plan.Plan) {
			last := p.Steps[len(p.Steps)-1].(plan.StartKubeProxy)
			f(&last)
			p.Steps[len(p.Steps)-1] = last
		}
	}
	both := func(f func(s *plan.StartKubeProxy)) func(*plan.Plan) {
		return func(p *plan.Plan) {
			for i := range p.Steps {
				if s, ok := p.Steps[i].(plan.StartKubeProxy); ok {
					f(&s)
					p.Steps[i] = s
				}
			}
		}
	}
	tests := []struct {
		name   string
		change func(*plan.Plan)
		want   string
	}{
		{"modes that differ", change(func(s *plan.StartKubeProxy) { s.Mode = "ipvs" }),
			"one kube-proxy configuration (node node2 has another than node node1; the cluster's ConfigMap is for all)"},
		{"a flag that is no field", both(func(s *plan.StartKubeProxy) { s.Flags = []string{"--v=5"} }),
			"a place for the flag --v in the cluster's KubeProxyConfiguration"},
		{"no Service CIDR", both(func(s *plan.StartKubeProxy) { s.ServiceCIDR = "" }),
			"kubeProxy.serviceCIDR in the topology (a cluster has one)"},
		{"a Service of IPv6", func(p *plan.Plan) {
			p.Steps = append(p.Steps, plan.ServeAPI{Services: []plan.Service{{Name: "six", ClusterIP: addr("fd00::1")}}})
		}, "IPv6 in a kind cluster (Service six has fd00::1)"},
		{"a pod without an address", func(p *plan.Plan) { p.Steps = append(p.Steps, plan.AddNode{Node: "bare", Host: "node1"}) },
			"an IPv4 address of pod bare (kubelet runs no Pod without one)"},
		{"no Kubernetes at all", func(p *plan.Plan) { p.Steps = []plan.Step{plan.AddNode{Node: "a"}} },
			"a node for Kubernetes: none has kube-proxy or pods"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := office()
			tt.change(p)
			_, missing := newLayout(p)
			if len(missing) != 1 || missing[0].What != tt.want || missing[0].Do == "" {
				t.Errorf("missing %q, want %q with what to do", missing, tt.want)
			}
		})
	}
}

func TestTopologiesOfThisRepository(t *testing.T) {
	for file, want := range map[string]string{
		"spiderpool-calico": "node1 node2 node3", "submariner-ovn": "gateway-a|gateway-b|gateway-c",
	} {
		text, err := os.ReadFile("../../../topologies/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		top, err := topology.Parse(file, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Compile(top)
		if err != nil {
			t.Fatal(err)
		}
		lay, missing := newLayout(p)
		if len(missing) > 0 {
			t.Errorf("%s: missing %v", file, missing)
		}
		var got []string
		for _, c := range lay.clusters {
			got = append(got, strings.Join(c.members, " "))
		}
		if s := strings.Join(got, "|"); s != want {
			t.Errorf("%s: clusters %s, want %s", file, s, want)
		}
	}
}

func TestConfigurationOfTheCluster(t *testing.T) {
	lay, _ := newLayout(office())
	c, err := lay.clusters[0].config("faultline-office-1a2b", "image", "v1.36.3", true)
	if err != nil {
		t.Fatal(err)
	}
	if c.Networking.PodSubnet != "10.244.0.0/16" || c.Networking.ServiceSubnet != "10.96.0.0/16" || !c.Networking.DisableDefaultCNI || c.Networking.KubeProxyMode != "none" {
		t.Errorf("networking %+v", c.Networking)
	}
	if len(c.Nodes) != 2 || c.Nodes[0].Role != "control-plane" || c.Nodes[1].Role != "worker" || c.Nodes[1].Image != "image" {
		t.Errorf("nodes %+v", c.Nodes)
	}
	want := []string{
		`{"kind":"InitConfiguration","skipPhases":["preflight","addon/coredns","addon/kube-proxy"]}`,
		`{"failCgroupV1":false,"kind":"KubeletConfiguration"}`,
	}
	if d := cmp.Diff(want, c.KubeadmConfigPatches); d != "" {
		t.Errorf("patches -want +got:\n%s", d)
	}
	if c, _ := lay.clusters[0].config("x", "image", "v1.29.6", true); len(c.KubeadmConfigPatches) != 1 {
		t.Errorf("a kubelet that does not know failCgroupV1 is told it: %v", c.KubeadmConfigPatches)
	}
	if got := lay.clusters[0].nodeNames("c"); got["node1"] != "c-control-plane" || got["node2"] != "c-worker" {
		t.Errorf("names %v", got)
	}
}

func TestConfigurationOfKubeProxy(t *testing.T) {
	s := &plan.StartKubeProxy{Mode: "nftables", ClusterCIDR: "10.244.0.0/16", Flags: []string{
		"--conntrack-tcp-be-liberal", "--masquerade-all=true", "--iptables-masquerade-bit=15", "--conntrack-udp-timeout=10s",
	}}
	got, err := proxyConfig(s, []netip.Addr{addr("192.0.2.1")})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"mode": "nftables", "clusterCIDR": "10.244.0.0/16", "nodePortAddresses": []string{"192.0.2.1/32"},
		"conntrack": map[string]any{"maxPerCore": 0, "min": 0, "tcpBeLiberal": true, "udpTimeout": "10s"},
		"iptables":  map[string]any{"masqueradeAll": true, "masqueradeBit": 15},
		"nftables":  map[string]any{"masqueradeAll": true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	// On a cluster that was configured for another lab.
	s.Mode, s.Flags = "iptables", nil
	next, err := proxyConfig(s, nil)
	if err != nil {
		t.Fatal(err)
	}
	merge(got, next)
	if got["mode"] != "iptables" || got["nodePortAddresses"] != nil || got["conntrack"].(map[string]any)["tcpBeLiberal"] != false {
		t.Errorf("after another lab: %v", got)
	}
}

func TestServicesNameTheClustersNodes(t *testing.T) {
	lay, _ := newLayout(office())
	c := lay.clusters[0]
	objects, err := c.serviceObjects("c", c.services...)
	if err != nil {
		t.Fatal(err)
	}
	if len(objects) != 2 || objects[0]["kind"] != "Service" || objects[1]["kind"] != "EndpointSlice" {
		t.Fatalf("objects %v", objects)
	}
	text, err := manifest(objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"clusterIP":"10.96.0.10"`, `"nodeName":"c-control-plane"`, `"faultline.io/lab":"yes"`, `"kubernetes.io/service-name":"web"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
	for _, not := range []string{"resourceVersion", `"uid"`} {
		if strings.Contains(string(text), not) {
			t.Errorf("%s is the API server's to give: %s", not, text)
		}
	}
}

func TestPodsAreOnTheirNodes(t *testing.T) {
	lay, _ := newLayout(office())
	text, err := manifest(lay.clusters[0].podObjects("c", "image:1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"nodeName":"c-control-plane"`, `"command":["/faultline","serve","web","--tcp","8080","--udp","53"]`, `"imagePullPolicy":"Never"`,
		`"hostNetwork":true`, `"command":["/faultline","serve","node2","--tcp","22"]`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in %s", want, text)
		}
	}
}

func TestClustersThatFit(t *testing.T) {
	lay, _ := newLayout(office())
	s := &site{}
	for _, c := range lay.clusters {
		s.clusters = append(s.clusters, &cluster{plan: c, shape: c.shape("image")})
	}
	if !s.fits(lay, "image") {
		t.Error("a site does not fit the lab that it was made for")
	}
	if s.fits(lay, "another") {
		t.Error("a site of another image fits")
	}
	p := office()
	p.Steps = slices.DeleteFunc(p.Steps, func(s plan.Step) bool {
		n, ok := s.(plan.AddNode)
		return ok && strings.HasPrefix(n.Node, "far") || isFar(s)
	})
	smaller, _ := newLayout(p)
	if s.fits(smaller, "image") {
		t.Error("a site with a cluster too much fits")
	}
}

func TestSubnetsThatThePlanHas(t *testing.T) {
	lay, _ := newLayout(office())
	lay.all = append(lay.all, plan.AddRoute{To: netip.MustParsePrefix("198.51.100.0/24")}, plan.AddRoute{To: netip.MustParsePrefix("0.0.0.0/0")})
	for prefix, want := range map[string]bool{
		"192.0.2.0/28": true, "198.51.100.8/30": true, "10.244.9.0/24": true, "10.96.3.0/24": true, "198.18.0.0/24": false,
	} {
		if got := lay.uses(netip.MustParsePrefix(prefix)); got != want {
			t.Errorf("uses %s: %v", prefix, got)
		}
	}
}

func isFar(s plan.Step) bool {
	a, ok := s.(plan.AddAddress)
	return ok && a.Node == "far-pod"
}

var _ lab.Lab = (*clusterLab)(nil)
