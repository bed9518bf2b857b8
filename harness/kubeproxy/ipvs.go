package kubeproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/plan"
)

// ipvsTable is IPVS's state of the network namespace of who reads it.
const ipvsTable = "/proc/net/ip_vs"

// checkIPVS says what is missing in the kernel for services in IPVS mode.
//
// kube-proxy makes, one by one and in this order, the virtual servers with their addresses on kube-ipvs0 and their
// destinations, the entries of its ipsets, and by one iptables-restore the rules of the nat and then of the filter
// table; at the end it removes addresses and virtual servers that should be gone (syncProxyRules in
// pkg/proxy/ipvs/proxier.go). They are looked at in the same order: the cheapest first, the last written last.
func checkIPVS(ctx context.Context, n Node, services []plan.Service) ([]string, error) {
	state, err := n.ReadFile(ipvsTable)
	if err != nil {
		return nil, err
	}
	servers, err := parseIPVS(string(state))
	if err != nil {
		return nil, err
	}
	for _, f := range families(services) {
		if missing := differences(wanted(services, f), frontendsOfServers(servers, services, f)); len(missing) > 0 {
			return missing, nil
		}
	}
	if missing, err := checkDummy(ctx, n, services); len(missing) > 0 || err != nil {
		return missing, err
	}
	sets, err := n.Run(ctx, "ipset", "save")
	if err != nil {
		return nil, err
	}
	for _, f := range families(services) {
		if missing := inSets(parseSets(string(sets)), wantedSets(services, f, n.Name())); len(missing) > 0 {
			return missing, nil
		}
		save, err := n.Run(ctx, f.tool("iptables-save"))
		if err != nil {
			return nil, err
		}
		if missing := aroundIPVS(parseRules(string(save)), wantedSets(services, f, n.Name()), f); len(missing) > 0 {
			return missing, nil
		}
	}
	return nil, nil
}

// leftByIPVS says which virtual servers there are at all. Without IPVS in the kernel there are none.
func leftByIPVS(n Node) ([]string, error) {
	state, err := n.ReadFile(ipvsTable)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	servers, err := parseIPVS(string(state))
	if err != nil {
		return nil, err
	}
	var left []string
	for _, s := range servers {
		left = append(left, fmt.Sprintf("IPVS still has a virtual server %s %s: run kube-proxy --cleanup before another mode", s.protocol, s.addr))
	}
	return left, nil
}

// virtualServer is a virtual server and its destinations in order, without those that take no new connections: a
// destination that is to go keeps its established ones with weight 0.
type virtualServer struct {
	protocol     string
	addr         netip.AddrPort
	destinations []netip.AddrPort
}

// parseIPVS reads /proc/net/ip_vs (ip_vs_info_seq_show in net/netfilter/ipvs/ip_vs_ctl.c).
func parseIPVS(state string) ([]virtualServer, error) {
	var servers []virtualServer
	for line := range strings.Lines(state) {
		w := strings.Fields(line)
		switch {
		case len(w) >= 3 && (w[0] == "TCP" || w[0] == "UDP" || w[0] == "SCTP"):
			addr, err := parseHexAddrPort(w[1])
			if err != nil {
				return nil, err
			}
			servers = append(servers, virtualServer{protocol: strings.ToLower(w[0]), addr: addr})
		case len(w) >= 4 && w[0] == "->" && len(servers) > 0 && w[1] != "RemoteAddress:Port":
			addr, err := parseHexAddrPort(w[1])
			if err != nil {
				return nil, err
			}
			if s := &servers[len(servers)-1]; w[3] != "0" {
				s.destinations = sortBackends(append(s.destinations, addr))
			}
		}
	}
	return servers, nil
}

// parseHexAddrPort reads 0A60000A:0050 and [fd00:0096:0000:0000:0000:0000:0000:0010]:0050.
func parseHexAddrPort(s string) (netip.AddrPort, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return netip.AddrPort{}, fmt.Errorf("read %s: no port in %q", ipvsTable, s)
	}
	port, err := strconv.ParseUint(s[i+1:], 16, 16)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("read %s: port of %q: %w", ipvsTable, s, err)
	}
	if text, ok := strings.CutPrefix(s[:i], "["); ok {
		addr, err := netip.ParseAddr(strings.TrimSuffix(text, "]"))
		if err != nil {
			return netip.AddrPort{}, fmt.Errorf("read %s: %w", ipvsTable, err)
		}
		return netip.AddrPortFrom(addr, uint16(port)), nil
	}
	v, err := strconv.ParseUint(s[:i], 16, 32)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("read %s: address of %q: %w", ipvsTable, s, err)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}), uint16(port)), nil
}

// frontendsOfServers turns the virtual servers of a family into a table. A node port has one virtual server for each
// address of the node: the table has the destinations of one that is not as wanted, if there is one.
func frontendsOfServers(servers []virtualServer, services []plan.Service, f family) table {
	want, have := wanted(services, f), table{}
	for _, s := range servers {
		if !f.has(s.addr.Addr()) {
			continue
		}
		key := frontend{s.protocol, s.addr.Addr(), s.addr.Port()}
		if !slices.ContainsFunc(services, func(svc plan.Service) bool { return svc.ClusterIP == s.addr.Addr() }) {
			key.addr = netip.Addr{}
		}
		if before, seen := have[key]; !seen || slices.Equal(before, want[key]) {
			have[key] = s.destinations
		}
	}
	return have
}

// checkDummy looks for the cluster IPs on kube-ipvs0: they make packets to them local, and only those reach IPVS.
func checkDummy(ctx context.Context, n Node, services []plan.Service) ([]string, error) {
	out, err := n.Run(ctx, "ip", "-o", "addr", "show", "dev", "kube-ipvs0")
	if err != nil {
		return nil, err
	}
	var want []string
	for _, f := range families(services) {
		want = append(want, wantedSets(services, f, n.Name())[f.set(setIPVSIPs)]...)
	}
	return difference("kube-ipvs0", want, parseAddresses(string(out))), nil
}

// parseAddresses reads the output of ip -o addr, without link-local addresses, which the kernel makes by itself.
func parseAddresses(out string) []string {
	var all []string
	for line := range strings.Lines(out) {
		w := strings.Fields(line)
		if len(w) < 4 || w[2] != "inet" && w[2] != "inet6" {
			continue
		}
		text, _, _ := strings.Cut(w[3], "/")
		if addr, err := netip.ParseAddr(text); err == nil && !addr.IsLinkLocalUnicast() {
			all = append(all, addr.String())
		}
	}
	return all
}
