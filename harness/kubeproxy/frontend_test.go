package kubeproxy

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/plan"
)

var addr = netip.MustParseAddr

// labServices are the Services of the captures in testdata.
func labServices(webBackends int) []plan.Service {
	backends := []plan.Backend{
		{Name: "p1", Address: addr("10.244.0.2"), Node: "cloud"},
		{Name: "p2", Address: addr("10.244.1.2"), Node: "edge"},
	}
	return []plan.Service{
		{
			Name: "web", ClusterIP: addr("10.96.0.10"), NodePort: true,
			Ports: []plan.ServicePort{
				{Name: "http", Port: 80, TargetPort: 8080, NodePort: 30080, Protocol: "TCP"},
				{Name: "dns", Port: 53, TargetPort: 5353, NodePort: 30053, Protocol: "UDP"},
			},
			Backends: backends[:webBackends],
		},
		{
			Name: "none", ClusterIP: addr("10.96.0.11"), NodePort: true,
			Ports: []plan.ServicePort{{Port: 80, TargetPort: 8080, NodePort: 30081, Protocol: "TCP"}},
		},
		{
			Name: "six", ClusterIP: addr("fd00:96::10"), NodePort: true,
			Ports:    []plan.ServicePort{{Port: 80, TargetPort: 8080, NodePort: 30082, Protocol: "TCP"}},
			Backends: []plan.Backend{{Name: "p6", Address: addr("fd00:244::2"), Node: "cloud"}},
		},
	}
}

func capture(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKernelStateIsComparedWithTheServices(t *testing.T) {
	v4, v6 := family{}, family{ipv6: true}
	type state func(t *testing.T, want table) []string
	iptables := func(file string) state {
		return func(t *testing.T, want table) []string { return inIPTables(parseRules(capture(t, file)), want) }
	}
	nft := func(file string) state {
		return func(t *testing.T, want table) []string { return inNFTables(parseNFTable(capture(t, file)), want) }
	}
	oneMissing := []string{
		"udp node port 30053 does not lead to 10.244.1.2:5353",
		"tcp node port 30080 does not lead to 10.244.1.2:8080",
		"udp 10.96.0.10:53 does not lead to 10.244.1.2:5353",
		"tcp 10.96.0.10:80 does not lead to 10.244.1.2:8080",
	}
	oneTooMany := []string{
		"udp node port 30053 still leads to 10.244.1.2:5353",
		"tcp node port 30080 still leads to 10.244.1.2:8080",
		"udp 10.96.0.10:53 still leads to 10.244.1.2:5353",
		"tcp 10.96.0.10:80 still leads to 10.244.1.2:8080",
	}
	for _, version := range []string{"v1.36.3", "v1.29.6"} {
		for _, mode := range []struct {
			name, suffix, suffix6 string
			read                  func(string) state
		}{{"iptables", ".iptables-save", ".ip6tables-save", iptables}, {"nftables", ".nft", ".nft", nft}} {
			for _, row := range []struct {
				name     string
				file     string
				backends int
				family   family
				want     []string
			}{
				{"in sync with two backends", "-two-backends" + mode.suffix, 2, v4, nil},
				{"in sync with one backend", "-one-backend" + mode.suffix, 1, v4, nil},
				{"in sync in IPv6", "-ipv6" + mode.suffix6, 1, v6, nil},
				{"a backend is not there yet", "-one-backend" + mode.suffix, 2, v4, oneMissing},
				{"a backend is still there", "-two-backends" + mode.suffix, 1, v4, oneTooMany},
			} {
				t.Run(version+" "+mode.name+" "+row.name, func(t *testing.T) {
					got := mode.read(version+row.file)(t, wanted(labServices(row.backends), row.family))
					if diff := cmp.Diff(row.want, got); diff != "" {
						t.Errorf("differences (-want +got):\n%s", diff)
					}
				})
			}
		}
	}
}

func TestServiceThatIsNotInTheKernel(t *testing.T) {
	services := append(labServices(2), plan.Service{
		Name: "new", ClusterIP: addr("10.96.0.12"), Ports: []plan.ServicePort{{Port: 443}},
	})
	want := []string{"tcp 10.96.0.12:443 is not there"}
	rules := parseRules(capture(t, "v1.36.3-two-backends.iptables-save"))
	if diff := cmp.Diff(want, inIPTables(rules, wanted(services, family{}))); diff != "" {
		t.Errorf("iptables (-want +got):\n%s", diff)
	}
	nft := parseNFTable(capture(t, "v1.36.3-two-backends.nft"))
	if diff := cmp.Diff(want, inNFTables(nft, wanted(services, family{}))); diff != "" {
		t.Errorf("nftables (-want +got):\n%s", diff)
	}
}

func TestServiceThatShouldBeGone(t *testing.T) {
	want := []string{"tcp node port 30081 is still there", "tcp 10.96.0.11:80 is still there"}
	services := slices.Delete(labServices(2), 1, 2)
	rules := parseRules(capture(t, "v1.36.3-two-backends.iptables-save"))
	if diff := cmp.Diff(want, inIPTables(rules, wanted(services, family{}))); diff != "" {
		t.Errorf("iptables (-want +got):\n%s", diff)
	}
	nft := parseNFTable(capture(t, "v1.36.3-two-backends.nft"))
	if diff := cmp.Diff(want, inNFTables(nft, wanted(services, family{}))); diff != "" {
		t.Errorf("nftables (-want +got):\n%s", diff)
	}
}

func TestRulesetOfTheKernelBeforeKubeProxy(t *testing.T) {
	got := inIPTables(parseRules("*nat\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING -j KUBE-SERVICES\nCOMMIT\n"), table{})
	want := []string{
		"table filter has no rule from INPUT to KUBE-EXTERNAL-SERVICES",
		"table filter has no rule from FORWARD to KUBE-FORWARD",
		"table filter has no rule from FORWARD to KUBE-SERVICES",
		"table filter has no rule from OUTPUT to KUBE-SERVICES",
		"table filter has no rule from KUBE-FORWARD to ACCEPT",
		"table nat has no rule from OUTPUT to KUBE-SERVICES",
		"table nat has no rule from POSTROUTING to KUBE-POSTROUTING",
		"table nat has no rule from KUBE-SERVICES to KUBE-NODEPORTS",
		"table nat has no rule from KUBE-MARK-MASQ to MARK",
		"table nat has no rule from KUBE-POSTROUTING to MASQUERADE",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}
