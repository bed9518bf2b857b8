package plan

import (
	"maps"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/topology"
)

// Path returns the file of the sysctl, below /proc/sys.
func (s SetSysctl) Path() string {
	return strings.Map(func(r rune) rune {
		switch r {
		case '.':
			return '/'
		case '/':
			return '.'
		}
		return r
	}, s.Name)
}

// sysctlPart is an interface's name as part of a sysctl's name: sysctl(8) reads a slash as a dot within a part.
func sysctlPart(name string) string { return strings.ReplaceAll(name, ".", "/") }

// nodeSysctls returns the sysctls of n that are not an interface's, in the order in which they must be written.
//
// A new namespace starts with the IPv4 settings of the machine's first one, where Docker turns ip_forward on and
// systemd turns rp_filter on (net.core.devconf_inherit_init_net), so the defaults are written out on every node.
func nodeSysctls(n *topology.Node, ipv6 bool) []Step {
	forward := "0"
	if n.Role == topology.Host || n.Role == topology.Router {
		forward = "1"
	}
	defaults := []SetSysctl{
		{n.Name, "net.ipv4.ip_forward", forward},
		{n.Name, "net.ipv4.conf.all.rp_filter", "0"},
		{n.Name, "net.ipv4.conf.default.rp_filter", "0"},
	}
	if ipv6 && forward == "1" {
		defaults = append(defaults, SetSysctl{n.Name, "net.ipv6.conf.all.forwarding", "1"})
	}
	var steps []Step
	for _, s := range defaults {
		if _, given := n.Sysctls[s.Name]; !given {
			steps = append(steps, s)
		}
	}
	return append(steps, given(n, func(iface string) bool { return iface == "" })...)
}

// interfaceSysctls returns the sysctls of n that are an interface's and exist only once it does.
func interfaceSysctls(n *topology.Node) []Step {
	return given(n, func(iface string) bool { return iface != "" })
}

// given returns the sysctls that the file sets on n and whose interface is wanted.
func given(n *topology.Node, want func(iface string) bool) []Step {
	var steps []Step
	for _, key := range slices.SortedFunc(maps.Keys(n.Sysctls), compareSysctls) {
		name, iface := splitSysctl(key)
		if want(iface) {
			steps = append(steps, SetSysctl{Node: n.Name, Name: name, Value: n.Sysctls[key]})
		}
	}
	return steps
}

// compareSysctls orders names, with those first that the kernel spreads to others: a write to ip_forward resets
// accept_redirects and every interface's forwarding, one to all.forwarding the latter (inet_forward_change in
// net/ipv4/devinet.c).
func compareSysctls(a, b string) int {
	rank := func(name string) int {
		switch {
		case name == "net.ipv4.ip_forward":
			return 0
		case strings.HasSuffix(name, ".conf.all.forwarding"):
			return 1
		}
		return 2
	}
	if d := rank(a) - rank(b); d != 0 {
		return d
	}
	return strings.Compare(a, b)
}

// splitSysctl returns a sysctl's name with the dots of an interface's name written as slashes, and that interface's
// name; it is empty for a sysctl of the node: one without an interface, or with "all" or "default" in its place.
func splitSysctl(name string) (sysctl, iface string) {
	for _, prefix := range []string{"net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.", "net.ipv6.neigh.", "net.mpls.conf."} {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		part, leaf, ok := cutLast(rest, ".")
		if !ok || part == "all" || part == "default" {
			return name, ""
		}
		return prefix + sysctlPart(part) + "." + leaf, strings.ReplaceAll(part, "/", ".")
	}
	return name, ""
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
