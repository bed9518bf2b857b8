package harness_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/topology"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// A trial names every kube-proxy that its lab runs, not the first it meets.
func TestKubeProxiesOfATrial(t *testing.T) {
	const two = `topology: pair
kubeProxy: {clusterCIDR: 10.244.0.0/16, serviceCIDR: 10.96.0.0/12, mode: ipvs}
nodes:
  - {name: a, role: host, interfaces: [{name: eth0, addresses: [10.0.0.1/24]}], kubeProxy: {version: v1.36.3}}
  - {name: b, role: host, interfaces: [{name: eth0, addresses: [10.0.0.2/24]}], servers: [{tcp: [80, 81]}], kubeProxy: {version: v1.29.6}}
  - {name: c, role: host, interfaces: [{name: d0, dummy: {}, addresses: [10.0.1.1/24]}], kubeProxy: {version: v1.36.3}}
links: [{a: "a:eth0", b: "b:eth0"}]
`
	for _, row := range []struct {
		name string
		set  map[string]string
		want verdict.KubeProxy
	}{
		{"versions that differ", nil, verdict.KubeProxy{Version: "v1.29.6, v1.36.3", Mode: "ipvs"}},
		{"modes that differ", map[string]string{"nodes.b.kubeProxy.version": "v1.36.3", "nodes.c.kubeProxy.mode": "iptables"},
			verdict.KubeProxy{Version: "v1.36.3", Mode: "iptables, ipvs"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, _ := trialOf(t, good, idle)
			x.Set = row.set
			x.Topology = func(set map[string]string) (*topology.Topology, error) {
				return topology.Parse("pair.yaml", []byte(two), set)
			}
			out, err := x.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, out.KubeProxy); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A fix that changes kube-proxy is seen with what its own lab has.
func TestEvidenceOfAFixThatChangesKubeProxy(t *testing.T) {
	const old = `topology: pair
kubeProxy: {clusterCIDR: 10.244.0.0/16, serviceCIDR: 10.96.0.0/12, version: v1.29.6}
nodes:
  - {name: a, role: host, interfaces: [{name: eth0, addresses: [10.0.0.1/24]}], sysctls: {net.ipv4.tcp_ecn: 0}, kubeProxy: {}}
  - {name: b, role: host, interfaces: [{name: eth0, addresses: [10.0.0.2/24]}], servers: [{tcp: [80, 81]}]}
links: [{a: "a:eth0", b: "b:eth0"}]
`
	for _, row := range []struct {
		version string
		want    []string
	}{
		{"v1.36.3", nil},
		{"v1.30.0", []string{"counted: needs kube-proxy v1.31 or newer, here it is v1.30.0"}},
	} {
		x, _ := trialOf(t, fmt.Sprintf(`  - name: other
    set: {nodes.a.sysctls.net.ipv4.tcp_ecn: 1, kubeProxy.version: %s}
    evidence: [{name: counted, on: a, needs: {kubeProxy: "1.31"}, xfrm: XfrmInNoPols, grows: false}]
`, row.version), idle)
		x.Topology = func(set map[string]string) (*topology.Topology, error) {
			return topology.Parse("pair.yaml", []byte(old), set)
		}
		out, err := x.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("Reproduced; other Fixed; idle Inert", told(out)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(row.want, out.LeftOut); diff != "" {
			t.Error(diff)
		}
		if got := len(out.Fixes[0].Seen.Own); got != 1-len(row.want) {
			t.Errorf("%s: %d pieces of the fix's own evidence were taken", row.version, got)
		}
	}
}
