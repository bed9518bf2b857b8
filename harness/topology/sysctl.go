package topology

import "strings"

// GlobalSysctl says whether writing the sysctl of that dotted name is beyond a network namespace of an unprivileged
// user: because the whole kernel shares its value, because it is read-only outside the first network namespace, or
// because the kernel hides it from namespaces that such a user owns. Names that it does not know count as global.
//
// The table was made by comparing /proc/sys/net in the first namespace, in a new one of root and in a new one of a new
// user namespace (Linux 6.18), and holds for 5.10 and later unless it says otherwise.
func GlobalSysctl(name string) bool {
	// sysctl(8) reads a slash within a dotted name as a dot; no name below depends on which it is.
	name = strings.ReplaceAll(name, "/", ".")
	for _, g := range globalSysctls {
		if matches(name, g) {
			return true
		}
	}
	for _, p := range namespacedSysctls {
		if matches(name, p) {
			return false
		}
	}
	return true
}

// matches says whether name is the pattern, or begins with a pattern that ends in a dot, a dash or an underscore.
func matches(name, pattern string) bool {
	if strings.HasSuffix(pattern, ".") || strings.HasSuffix(pattern, "-") || strings.HasSuffix(pattern, "_") {
		return strings.HasPrefix(name, pattern)
	}
	return name == pattern
}

// namespacedSysctls are per network namespace, but for the globalSysctls among them.
var namespacedSysctls = []string{
	"net.ipv4.",
	"net.ipv6.",
	"net.bridge.bridge-nf-", // since 5.3
	"net.core.somaxconn",
	"net.core.optmem_max", // since 6.8
	"net.core.txrehash",   // since 5.18
	"net.mptcp.",
	"net.mpls.",
	"net.netfilter.nf_conntrack_",
	"net.netfilter.nf_flowtable_",
	"net.netfilter.nf_hooks_lwtunnel",
	"net.netfilter.nf_log.",
	"net.sctp.",
	"net.unix.max_dgram_qlen",
}

// globalSysctls are exceptions to namespacedSysctls.
var globalSysctls = []string{
	// One table for the whole kernel: ipv4_table in net/ipv4/sysctl_net_ipv4.c, ipv6_rotable in net/ipv6/sysctl_net_ipv6.c.
	"net.ipv4.cipso_",
	"net.ipv4.fib_sync_mem",
	"net.ipv4.inet_peer_",
	"net.ipv4.ipfrag_secret_interval",
	"net.ipv4.tcp_available_ulp",
	"net.ipv4.tcp_low_latency",
	"net.ipv4.tcp_max_orphans",
	"net.ipv4.tcp_mem",
	"net.ipv4.udp_mem",
	"net.ipv6.calipso_",
	"net.ipv6.ip6frag_secret_interval",
	"net.ipv6.mld_max_msf",
	"net.ipv6.mld_qrv",

	// Neighbour tables belong to the kernel, entries to namespaces: neigh_sysctl_register in net/core/neighbour.c.
	"net.ipv4.neigh.default.",
	"net.ipv6.neigh.default.",

	// The IPv4 route cache's settings are the kernel's but for four (ipv4_route_netns_table in net/ipv4/route.c); the
	// IPv6 ones are per namespace, hidden from unprivileged users (ipv6_route_sysctl_init).
	"net.ipv4.route.error_",
	"net.ipv4.route.gc_",
	"net.ipv4.route.max_size",
	"net.ipv4.route.redirect_",
	"net.ipv6.route.",

	// Read-only outside the first namespace.
	"net.ipv4.tcp_allowed_congestion_control",
	"net.ipv4.tcp_available_congestion_control",
	"net.ipv4.tcp_ehash_entries",
	"net.ipv4.udp_hash_entries",
	"net.netfilter.nf_conntrack_buckets",
	"net.netfilter.nf_conntrack_count",
	"net.netfilter.nf_conntrack_expect_max",
	"net.netfilter.nf_conntrack_max",
}
