package feature

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab"
)

// nftProbe has what rulesets and kube-proxy's nftables mode use: NAT, counters, sets, maps, conntrack.
const nftProbe = `table inet probe {
	set s { type ipv4_addr . inet_service; }
	map m { type ipv4_addr : verdict; }
	chain c {
		type nat hook postrouting priority srcnat; policy accept;
		ct state new ip daddr . tcp dport @s counter masquerade random,fully-random
	}
	chain d {
		type nat hook prerouting priority dstnat; policy accept;
		ip daddr vmap @m
		numgen random mod 2 == 0 meta mark set mark or 0x4000
		ip daddr 192.0.2.1 tcp dport 80 dnat ip to 192.0.2.2:8080
		fib daddr type local counter
	}
}
`

func nft(ctx context.Context, p Place) error {
	return run(ctx, p, "nftables with NAT, sets and counters", nftProbe, "nft", "-f", "-")
}

// iptablesProbe has the matches and targets of kube-proxy's rules (pkg/proxy/iptables/proxier.go).
const iptablesProbe = `*nat
:PROBE - [0:0]
-A PROBE -m comment --comment probe -m statistic --mode random --probability 0.5 -j RETURN
-A PROBE -m addrtype --dst-type LOCAL -j RETURN
-A PROBE -m mark ! --mark 0x4000/0x4000 -j RETURN
-A PROBE -j MARK --xor-mark 0x4000
-A PROBE -j MASQUERADE --random-fully
-A PROBE -p tcp -m tcp --dport 80 -j DNAT --to-destination %s
COMMIT
*filter
:PROBE - [0:0]
-A PROBE -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A PROBE -m conntrack --ctstate INVALID -j DROP
-A PROBE -j REJECT
COMMIT
*mangle
:PROBE - [0:0]
COMMIT
`

// iptables tries both tools: kube-proxy calls both wherever there is IPv6. ip6tables counts only there.
func iptables(what, v4, v6 string) func(context.Context, Place) error {
	return func(ctx context.Context, p Place) error {
		if err := run(ctx, p, what+" with what kube-proxy uses", fmt.Sprintf(iptablesProbe, "192.0.2.2:8080"), v4, "--noflush"); err != nil {
			return err
		}
		if ok, err := exists(p, "/proc/sys/net/ipv6"); err != nil || !ok {
			return err
		}
		return run(ctx, p, what+" with what kube-proxy uses, for IPv6", fmt.Sprintf(iptablesProbe, "[2001:db8::2]:8080"), v6, "--noflush")
	}
}

var (
	kernelVersion = regexp.MustCompile(`^(\d+)\.(\d+)`)
	nftVersion    = regexp.MustCompile(`v(\d+)\.(\d+)\.(\d+)`)
)

// kubeProxyNft asks for versions, because kube-proxy does: it refuses kernels before 5.13 and nft before 1.0.1
// (pkg/proxy/nftables/proxier.go, sigs.k8s.io/knftables).
func kubeProxyNft(ctx context.Context, p Place) error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("read kernel release: %w", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	kernel := kernelVersion.FindStringSubmatch(release)
	if kernel == nil {
		return fmt.Errorf("kernel release %q has no number", release)
	}
	if before(kernel[1:], 5, 13) {
		return &no{lab.Missing{What: "kernel 5.13 or later (kube-proxy in nftables mode; this is " + release + ")", Do: "run with --runtime vm and a later --kernel"}}
	}
	out, err := lab.Run(ctx, p, "nft", "--version")
	if err != nil {
		return run(ctx, p, "kube-proxy in nftables mode", "", "nft", "--version")
	}
	version := nftVersion.FindStringSubmatch(string(out))
	if version == nil {
		return fmt.Errorf("nft --version says %q", out)
	}
	if before(version[1:], 1, 0, 1) {
		return &no{lab.Missing{What: "nft 1.0.1 or later (kube-proxy in nftables mode; this is " + version[0] + ")", Do: "install a later nftables"}}
	}
	return nil
}

// before compares versions, number by number.
func before(have []string, want ...int) bool {
	for i, w := range want {
		h, _ := strconv.Atoi(have[i])
		if h != w {
			return h < w
		}
	}
	return false
}
