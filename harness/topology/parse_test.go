package topology_test

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline-lab/faultline/harness/internal/golden"
	"github.com/faultline-lab/faultline/harness/topology"
)

var byValue = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

func parse(t *testing.T, file string, set map[string]string) *topology.Topology {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	top, err := topology.Parse(filepath.Base(file), src, set)
	if err != nil {
		t.Fatal(err)
	}
	return top
}

func everything(t *testing.T, set map[string]string) *topology.Topology {
	t.Helper()
	return parse(t, "testdata/everything.yaml", set)
}

// Each file under testdata/bad is refused with exactly the text beside it.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no bad files", err)
	}
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".yaml"), func(t *testing.T) {
			src, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			top, err := topology.Parse(filepath.Base(f), src, nil)
			if err == nil || top != nil {
				t.Fatalf("Parse = %v, %v, want nil and an error", top, err)
			}
			golden.Check(t, strings.TrimSuffix(f, ".yaml")+".txt", []byte(err.Error()+"\n"))
		})
	}
}

func TestDefaultsAreFilledIn(t *testing.T) {
	top := everything(t, nil)
	a, b := top.Nodes[0].KubeProxy, top.Nodes[1].KubeProxy
	wantA := &topology.KubeProxy{Version: "v1.36.3", Mode: "iptables", ClusterCIDR: "10.244.0.0/16,fd00:244::/56",
		ServiceCIDR: "10.96.0.0/12,fd00:96::/112", Flags: []string{"--v=2"}}
	if diff := cmp.Diff(wantA, a); diff != "" {
		t.Errorf("kubeProxy: {} does not take the topology's:\n%s", diff)
	}
	wantB := &topology.KubeProxy{Version: "v1.36.3", Mode: "ipvs", ClusterCIDR: "10.244.0.0/16",
		ServiceCIDR: "10.96.0.0/12,fd00:96::/112", Flags: []string{"--ipvs-scheduler=rr"}}
	if diff := cmp.Diff(wantB, b); diff != "" {
		t.Errorf("a node's own settings do not go first:\n%s", diff)
	}
	wantFar := []topology.ServicePort{{Port: 8080, TargetPort: 80, Protocol: "TCP"}}
	if diff := cmp.Diff(wantFar, top.Services[1].Ports); diff != "" {
		t.Error(diff)
	}
	if got := top.Services[2]; got.Type != "ClusterIP" || got.Ports[0].TargetPort != 80 {
		t.Errorf("service web6 = %+v", got)
	}
	if got := []int{top.IPsec[0].ReqID, top.IPsec[1].ReqID}; !slices.Equal(got, []int{7, 2}) {
		t.Errorf("reqids = %v, want 7 as written and 2 by position", got)
	}
	plain, err := topology.Parse("t.yaml", []byte(`{topology: t, nodes: [{name: a, role: host, interfaces: [
		{name: v, addresses: 10.0.0.1/24, vxlan: {id: 1}}], kubeProxy: {}}]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&topology.KubeProxy{Version: topology.DefaultKubeProxy, Mode: "iptables"}, plain.Nodes[0].KubeProxy); diff != "" {
		t.Error(diff)
	}
	if got := plain.Nodes[0].Interfaces[0].VXLAN.Port; got != 4789 {
		t.Errorf("VXLAN port = %d", got)
	}
}

func TestSettingsGoBeforeTheFile(t *testing.T) {
	top := everything(t, map[string]string{
		"kubeProxy.mode":                                           "nftables",
		"nodes.host-b.kubeProxy.mode":                              "iptables",
		"nodes.gw.interfaces.eth1.178.mtu":                         "1400",
		"nodes.gw.sysctls.net.ipv4.conf.eth1/178.rp_filter":        "2",
		"nodes.pod-a.servers.0.tcp":                                "[80, 443]",
		"services.web.ports.http.nodePort":                         "30081",
		"services.web.backends":                                    "[host-a]",
		"services.web.ports.http.targetPort":                       "8080",
		"nodes.host-a.interfaces.vxlan7.vxlan.port":                "4789",
		"nodes.host-a.interfaces.eth0.addresses":                   "[192.168.0.1/24, \"fd00:0:0:1::1/64\", 192.168.0.7/24]",
		"nodes.host-a.kubeProxy.flags":                             "[]",
		"nodes.host-b.sysctls.net.bridge.bridge-nf-call-ip6tables": "true",
	})
	if got := top.Nodes[0].KubeProxy.Mode; got != "nftables" {
		t.Errorf("host-a does not take the topology's mode: %q", got)
	}
	if got := top.Nodes[1].KubeProxy.Mode; got != "iptables" {
		t.Errorf("host-b's mode = %q", got)
	}
	if got := top.Nodes[4].Interfaces[1].MTU; got != 1400 {
		t.Errorf("MTU of eth1.178 = %d", got)
	}
	if got := top.Nodes[4].Sysctls["net.ipv4.conf.eth1/178.rp_filter"]; got != "2" {
		t.Errorf("sysctls of gw = %v", top.Nodes[4].Sysctls)
	}
	if got := top.Services[0]; got.Backends[0].Node != "host-a" || got.Ports[0].NodePort != 30081 {
		t.Errorf("service web = %+v", got)
	}
	if got := len(top.Nodes[0].Interfaces[1].Addresses); got != 3 {
		t.Errorf("host-a's eth0 has %d addresses", got)
	}
}

func TestBadSettings(t *testing.T) {
	src, err := os.ReadFile("testdata/everything.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = topology.Parse("everything.yaml", src, map[string]string{
		"kubeproxy.mode": "ipvs", "kubeProxy.mode": "ipvz", "nodes.hosta.role": "pod", "nodes.gw.routes.0.typ": "throw",
		"services.web.clusterIP": "10.200.0.1", "links.0.mtu": "60",
	})
	golden.Check(t, "testdata/bad-settings.txt", []byte(err.Error()+"\n"))
}

func TestScenariosAreNoTopologies(t *testing.T) {
	for src, want := range map[string]bool{
		"topology: a\nnodes: []":       true,
		"# comment\ntopology: a\nx: 1": true,
		"scenario: a\ntopology: b":     false,
		"topology: b\nscenario: a":     false,
		"nodes: [":                     false,
		"":                             false,
	} {
		if got := topology.Is([]byte(src)); got != want {
			t.Errorf("Is(%q) = %v", src, got)
		}
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, "testdata/everything.yaml", "../../topologies/edge-ipsec.yaml") {
		src, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src, "kubeProxy.mode", "ipvs")
	}
	f.Fuzz(func(t *testing.T, src []byte, path, value string) {
		set := map[string]string{path: value}
		a, errA := topology.Parse("f.yaml", src, set)
		b, errB := topology.Parse("f.yaml", src, set)
		if diff := cmp.Diff(a, b, byValue); diff != "" {
			t.Errorf("one file gives two values:\n%s", diff)
		}
		if (errA == nil) == (a == nil) {
			t.Errorf("Parse = %v, %v", a, errA)
		}
		if errA != nil && errA.Error() != errB.Error() {
			t.Errorf("one file gives two errors:\n%v\n%v", errA, errB)
		}
	})
}
