package kubeproxy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/plan"
)

// frontend is what clients of a Service send to: a port of its cluster IP, or a port of every node.
type frontend struct {
	protocol string     // "tcp", "udp"
	addr     netip.Addr // the cluster IP; not valid for a node port
	port     uint16
}

func (f frontend) String() string {
	if !f.addr.IsValid() {
		return fmt.Sprintf("%s node port %d", f.protocol, f.port)
	}
	return f.protocol + " " + netip.AddrPortFrom(f.addr, f.port).String()
}

func compareFrontends(a, b frontend) int {
	return cmp.Or(a.addr.Compare(b.addr), cmp.Compare(a.port, b.port), cmp.Compare(a.protocol, b.protocol))
}

// table says where each frontend leads, in one family: backends in order, none when clients are refused. Kernel state
// of all modes is read into a table, so that there is one place that says what in sync means.
type table map[frontend][]netip.AddrPort

// family is one of the two that kube-proxy programs independently of each other.
type family struct{ ipv6 bool }

func (f family) has(a netip.Addr) bool { return (a.Is6() && !a.Is4In6()) == f.ipv6 }

// families returns those that services are of, IPv4 if there are none: then at least kube-proxy's own rules are there.
func families(services []plan.Service) []family {
	var v4, v6 bool
	for _, s := range services {
		v6 = v6 || family{ipv6: true}.has(s.ClusterIP)
		v4 = v4 || family{}.has(s.ClusterIP)
	}
	var all []family
	if v4 || !v6 {
		all = append(all, family{})
	}
	if v6 {
		all = append(all, family{ipv6: true})
	}
	return all
}

// wanted returns the table that services ask for in family f.
func wanted(services []plan.Service, f family) table {
	want := table{}
	for _, s := range services {
		if !f.has(s.ClusterIP) {
			continue
		}
		for _, p := range s.Ports {
			protocol := strings.ToLower(cmp.Or(p.Protocol, "TCP"))
			backends := []netip.AddrPort{}
			for _, b := range s.Backends {
				backends = append(backends, netip.AddrPortFrom(b.Address, cmp.Or(p.TargetPort, p.Port)))
			}
			backends = sortBackends(backends)
			want[frontend{protocol, s.ClusterIP, p.Port}] = backends
			if s.NodePort && p.NodePort != 0 {
				want[frontend{protocol: protocol, port: p.NodePort}] = backends
			}
		}
	}
	return want
}

func sortBackends(b []netip.AddrPort) []netip.AddrPort {
	slices.SortFunc(b, netip.AddrPort.Compare)
	return slices.Compact(b)
}

// differences says in words what have lacks and what it has too much. kube-proxy serves nothing but the lab's Services,
// so that what is not wanted is something that should be gone.
func differences(want, have table) []string {
	var all []string
	for _, f := range sortedFrontends(want) {
		backends, ok := have[f]
		if !ok {
			all = append(all, f.String()+" is not there")
			continue
		}
		for _, b := range want[f] {
			if !slices.Contains(backends, b) {
				all = append(all, fmt.Sprintf("%s does not lead to %s", f, b))
			}
		}
		for _, b := range backends {
			if !slices.Contains(want[f], b) {
				all = append(all, fmt.Sprintf("%s still leads to %s", f, b))
			}
		}
	}
	for _, f := range sortedFrontends(have) {
		if _, ok := want[f]; !ok {
			all = append(all, f.String()+" is still there")
		}
	}
	return all
}

func sortedFrontends(t table) []frontend {
	return slices.SortedFunc(maps.Keys(t), compareFrontends)
}

// difference compares sets of words in the same way. what names the set.
func difference(what string, want, have []string) []string {
	var all []string
	for _, w := range slices.Compact(slices.Sorted(slices.Values(want))) {
		if !slices.Contains(have, w) {
			all = append(all, fmt.Sprintf("%s does not have %s", what, w))
		}
	}
	for _, h := range slices.Sorted(slices.Values(have)) {
		if !slices.Contains(want, h) {
			all = append(all, fmt.Sprintf("%s still has %s", what, h))
		}
	}
	return all
}
