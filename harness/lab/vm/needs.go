package vm

import (
	"fmt"
	"slices"

	"golang.org/x/mod/semver"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/vm/image"
	"github.com/faultline-lab/faultline/harness/lab/vm/kernel"
	"github.com/faultline-lab/faultline/harness/lab/vm/qemu"
	"github.com/faultline-lab/faultline/harness/plan"
)

// Modules are loaded when the guest starts, not when the kernel asks /sbin/modprobe for them: the first probe of a lab
// would wait for a process to start and a module to load, under emulation, and no later one would. And what a kernel
// lacks shows in Check, by name, before anything is built.

// modules are what a need asks of the kernel.
type modules struct {
	must  []string // in the kernel, as a module or built in
	match []string // patterns: whatever the kernel has of these
}

// everyGuest is what any lab may use: plain bridges and veth, captures, socket and conntrack dumps.
var everyGuest = modules{
	must:  []string{"veth", "bridge", "af_packet"},
	match: []string{"inet_diag", "tcp_diag", "udp_diag", "tun"},
}

var modulesOf = map[plan.Need]modules{
	plan.NeedVLAN:            {must: []string{"8021q"}},
	plan.NeedBridgeVLAN:      {must: []string{"bridge", "8021q"}},
	plan.NeedBridgeNetfilter: {must: []string{"br_netfilter"}},
	plan.NeedMacvlan:         {must: []string{"macvlan"}},
	plan.NeedDummy:           {must: []string{"dummy"}},
	plan.NeedVXLAN:           {must: []string{"vxlan"}},
	plan.NeedIPIP:            {must: []string{"ipip"}},
	plan.NeedESP:             esp,
	plan.NeedESPInUDP:        esp,
	plan.NeedIPv6:            {}, // built into every kernel that has a name here, and no longer a module since 7.0
	plan.NeedConntrack:       {must: []string{"nf_conntrack", "nf_conntrack_netlink"}},
	plan.NeedIPVS: {
		must:  []string{"ip_vs", "ip_vs_rr", "ip_set", "ip_set_hash_ipport", "xt_set", "dummy", "nf_conntrack_netlink"},
		match: []string{"ip_vs_wrr", "ip_vs_lc", "ip_vs_sh", "ip_set_hash_ip", "ip_set_hash_ipportip", "ip_set_hash_ipportnet", "ip_set_hash_net", "ip_set_bitmap_port"},
	},
	plan.NeedNft:          nft,
	plan.NeedKubeProxyNft: {must: append([]string{"nft_numgen", "nft_fib_inet", "nft_reject_inet"}, nft.must...), match: nft.match},
	plan.NeedIptables: {
		must: []string{
			"nf_tables", "nft_compat", "nft_chain_nat", "x_tables", "xt_addrtype", "xt_comment", "xt_conntrack", "xt_mark",
			"xt_MASQUERADE", "xt_nat", "xt_statistic", "xt_tcpudp",
		},
		match: xt,
	},
	plan.NeedIptablesLegacy: {
		must:  []string{"ip_tables", "iptable_filter", "iptable_nat", "iptable_mangle"},
		match: append([]string{"iptable_raw", "ip6table_*"}, xt...),
	},
	plan.NeedGlobalSysctl: {},
}

// esp has the parts of rfc4106(gcm(aes)), which each kernel builds in to another extent: seqiv makes the IVs from
// "stdrng", which drbg provides and tests with hmac(sha512) as it is loaded. The processor's own instructions for AES are
// left out: translated, they are slower than the plain code.
var esp = modules{
	must: []string{"esp4", "xfrm_user"},
	match: []string{
		"sha256_generic", "sha512_generic", "sha3_generic", "jitterentropy_rng", "drbg", "aes_generic", "ctr", "ghash_generic", "crypto_null", "gcm",
		"seqiv", "echainiv", "authenc", "esp6", "xfrm4_tunnel",
	},
}

var nft = modules{
	must: []string{"nf_tables", "nft_chain_nat", "nft_ct", "nft_masq", "nft_nat"},
	match: []string{
		"nft_connlimit", "nft_counter", "nft_fib*", "nft_hash", "nft_limit", "nft_log", "nft_meta_bridge", "nft_numgen", "nft_objref",
		"nft_queue", "nft_quota", "nft_redir", "nft_reject*", "nft_socket", "nft_tproxy", "nft_xfrm", "nf_log_syslog", "nf_log_ipv[46]",
	},
}

// xt are the matches and targets of iptables that kube-proxy and network plugins use, and those good for finding out.
var xt = []string{
	"xt_CONNMARK", "xt_CT", "xt_LOG", "xt_NFLOG", "xt_REDIRECT", "xt_TCPMSS", "xt_TPROXY", "xt_TRACE", "xt_addrtype", "xt_comment", "xt_connmark",
	"xt_conntrack", "xt_hashlimit", "xt_iprange", "xt_length", "xt_limit", "xt_mac", "xt_mark", "xt_multiport", "xt_nfacct", "xt_owner",
	"xt_physdev", "xt_pkttype", "xt_policy", "xt_rpfilter", "xt_set", "xt_socket", "xt_statistic", "xt_tcpmss", "xt_u32",
	"ipt_REJECT", "ip6t_REJECT", "ipt_rpfilter", "ip6t_rpfilter", "nf_log_syslog", "nf_log_ipv[46]",
}

// intrusive are the needs whose modules change what other labs see: br_netfilter passes bridged packets to iptables in
// every namespace that does not object, ipip puts a tunl0 into each, legacy tables add hooks. They are loaded only for a
// plan that asks for them; all others are in every guest, so that one guest serves many plans.
var intrusive = []plan.Need{plan.NeedBridgeNetfilter, plan.NeedIPIP, plan.NeedIptablesLegacy}

// calm are the other needs, sorted.
func calm() []plan.Need {
	var needs []plan.Need
	for n := range modulesOf {
		if !slices.Contains(intrusive, n) {
			needs = append(needs, n)
		}
	}
	slices.Sort(needs)
	return needs
}

// params are module parameters: a dummy0 that nobody asked for would be in the guest's first namespace only, but there
// it would be in the way of a person who looks.
var params = map[string]string{"dummy": "numdummies=0"}

// wireModules bring up the port on a board, in load order.
var wireModules = map[qemu.Board][]string{
	qemu.Microvm: {"virtio_mmio", "virtio_console"},
	qemu.Q35:     {"virtio_pci", "virtio_console"},
}

// board returns the board for a kernel, and the wire's modules that it lacks.
func board(t *kernel.Tree) (qemu.Board, []string) {
	for _, b := range []qemu.Board{qemu.Microvm, qemu.Q35} {
		if len(lacking(t, wireModules[b])) == 0 {
			return b, nil
		}
	}
	return "", lacking(t, wireModules[qemu.Q35])
}

func lacking(t *kernel.Tree, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), t.Has)
}

// kernelLacks returns what k does not have of what the needs ask.
func kernelLacks(k kernel.Kernel, t *kernel.Tree, needs []plan.Need) []lab.Missing {
	var missing []lab.Missing
	const do = "choose another kernel with --kernel"
	add := func(names []string, why string) {
		for _, name := range names {
			missing = append(missing, lab.Missing{What: fmt.Sprintf("module %s in kernel %s (%s)", name, k.Release, why), Do: do})
		}
	}
	if _, names := board(t); len(names) > 0 {
		add(names, "the guest's connection")
	}
	add(lacking(t, everyGuest.must), "every lab")
	for _, n := range needs {
		add(lacking(t, modulesOf[n].must), string(n))
	}
	// kube-proxy itself refuses older kernels in nftables mode (pkg/proxy/nftables/proxier.go: 5.13 for catch-all map
	// elements), and they refuse its rules.
	if slices.Contains(needs, plan.NeedKubeProxyNft) && semver.Compare(release(k.Release), "v5.13") < 0 {
		missing = append(missing, lab.Missing{What: "kernel 5.13 or newer for kube-proxy in nftables mode, this is " + k.Release, Do: do})
	}
	return missing
}

// release turns a kernel's release into a version that can be compared: 6.12.107+deb13-cloud-amd64 into v6.12.
func release(r string) string { return semver.MajorMinor("v" + leadingVersion(r)) }

// leadingVersion cuts r after its leading digits and dots.
func leadingVersion(r string) string {
	for i, c := range r {
		if (c < '0' || c > '9') && c != '.' {
			return r[:i]
		}
	}
	return r
}

// guestModules returns the modules of a guest in load order: the wire's first, those of all calm needs, and those of
// the intrusive needs given.
func guestModules(t *kernel.Tree, b qemu.Board, intrude []plan.Need) ([]image.Module, error) {
	names := slices.Concat(wireModules[b], everyGuest.must, t.Match(everyGuest.match...))
	for _, n := range slices.Concat(calm(), intrude) {
		names = append(names, modulesOf[n].must...)
		names = append(names, t.Match(modulesOf[n].match...)...)
	}
	closure, err := t.Closure(names)
	if err != nil {
		return nil, err
	}
	var all []image.Module
	for _, m := range closure {
		all = append(all, image.Module{Name: m.Name, Data: m.Data, Params: params[m.Name]})
	}
	return all, nil
}
