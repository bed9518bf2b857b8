package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// Resolve returns the address and port of a name: "node:port", "node@interface:port", "service:port" (a number, or the
// name of the Service's port), or "10.0.0.1:80" as it is. Of several addresses it takes the first IPv4 address, else
// the first. A Service must have that port.
func (t *Topology) Resolve(name string) (netip.AddrPort, error) {
	if literal, err := netip.ParseAddrPort(name); err == nil {
		return literal, nil
	}
	i := strings.LastIndex(name, ":")
	if i < 0 {
		return netip.AddrPort{}, fmt.Errorf("%q has no port: write %q", name, name+":80")
	}
	host, port := name[:i], name[i+1:]
	addresses, err := t.Addresses(host)
	if err != nil {
		return netip.AddrPort{}, err
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if s := t.service(host); s != nil {
		return s.resolve(port)
	}
	if err != nil || number == 0 {
		return netip.AddrPort{}, fmt.Errorf("%q in %q is not a port: write a number from 1 to 65535", port, name)
	}
	return netip.AddrPortFrom(addresses[0], uint16(number)), nil
}

func (s *Service) resolve(port string) (netip.AddrPort, error) {
	var known []string
	for _, p := range s.Ports {
		if p.is(port) {
			return netip.AddrPortFrom(s.ClusterIP, p.Port), nil
		}
		known = append(known, strconv.Itoa(int(p.Port)))
	}
	hint := ""
	if number, err := strconv.ParseUint(port, 10, 16); err == nil {
		hint = fmt.Sprintf(": to ask there all the same, write its address, %s", netip.AddrPortFrom(s.ClusterIP, uint16(number)))
	}
	return netip.AddrPort{}, fmt.Errorf("service %q has no port %s, only %s%s", s.Name, port, strings.Join(slices.Compact(known), ", "), hint)
}

// is says whether a port goes by that number or name.
func (p ServicePort) is(port string) bool {
	return port == strconv.Itoa(int(p.Port)) || port == p.Name && port != ""
}

// Protocols returns the protocols, "tcp" and "udp", of the Service's port that name stands for, in the file's order. It
// is empty where name is that of no Service, or the Service has no such port.
func (t *Topology) Protocols(name string) []string {
	i := strings.LastIndex(name, ":")
	if i < 0 {
		return nil
	}
	s := t.service(name[:i])
	if s == nil {
		return nil
	}
	var protocols []string
	for _, p := range s.Ports {
		if p.is(name[i+1:]) {
			protocols = append(protocols, strings.ToLower(p.Protocol))
		}
	}
	return protocols
}

// Addresses returns the addresses of a name, IPv4 first, otherwise in the file's order: those of "node", of
// "node@interface", the cluster IP of "service", or the address that name is. There is at least one. Loopback
// addresses are left out.
func (t *Topology) Addresses(name string) ([]netip.Addr, error) {
	if literal, err := netip.ParseAddr(name); err == nil {
		return []netip.Addr{literal}, nil
	}
	if s := t.service(name); s != nil {
		return []netip.Addr{s.ClusterIP}, nil
	}
	nodeName, ifName, one := strings.Cut(name, "@")
	n := t.node(nodeName)
	if n == nil {
		return nil, fmt.Errorf("unknown %s%s", strconv.Quote(nodeName), suffix(yamlfile.Suggest(nodeName, t.names(!one))))
	}
	if one && !slices.Contains(t.interfaces(n), ifName) {
		return nil, fmt.Errorf("node %q has no interface %q%s", n.Name, ifName, suffix(yamlfile.Suggest(ifName, t.interfaces(n))))
	}
	var addresses []netip.Addr
	for _, i := range n.Interfaces {
		if one && i.Name != ifName {
			continue
		}
		for _, p := range i.Addresses {
			if !p.Addr().IsLoopback() {
				addresses = append(addresses, p.Addr())
			}
		}
	}
	if len(addresses) == 0 {
		return nil, fmt.Errorf("%q has no address", name)
	}
	slices.SortStableFunc(addresses, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return addresses, nil
}

// suffix puts a hint behind a message.
func suffix(hint string) string {
	if hint == "" {
		return ""
	}
	return ": " + hint
}

func (t *Topology) node(name string) *Node {
	for i := range t.Nodes {
		if t.Nodes[i].Name == name {
			return &t.Nodes[i]
		}
	}
	return nil
}

func (t *Topology) service(name string) *Service {
	for i := range t.Services {
		if t.Services[i].Name == name {
			return &t.Services[i]
		}
	}
	return nil
}

// names returns the names of the nodes, and of the Services too if asked for.
func (t *Topology) names(services bool) []string {
	var names []string
	for _, n := range t.Nodes {
		names = append(names, n.Name)
	}
	if services {
		for _, s := range t.Services {
			names = append(names, s.Name)
		}
	}
	return names
}

// Interfaces returns the names of a node's interfaces, sorted: lo, those with an entry, and ends of links without one. It
// is empty where there is no such node.
func (t *Topology) Interfaces(node string) []string {
	if n := t.node(node); n != nil {
		return t.interfaces(n)
	}
	return nil
}

// interfaces returns the names of n's interfaces: lo, those with an entry, and ends of links without one.
func (t *Topology) interfaces(n *Node) []string {
	names := []string{"lo"}
	for _, i := range n.Interfaces {
		names = append(names, i.Name)
	}
	for _, l := range t.Links {
		for _, end := range []string{l.A, l.B} {
			if name, ok := strings.CutPrefix(end, n.Name+":"); ok {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
