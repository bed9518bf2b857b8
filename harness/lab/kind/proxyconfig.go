package kind

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/kubeproxy"
	"github.com/faultline-lab/faultline/harness/plan"
)

// proxyFields are the flags of kube-proxy that a plan may ask for, with their places in its KubeProxyConfiguration. With a
// configuration file kube-proxy reads no such flag.
var proxyFields = map[string][]string{
	"conntrack-tcp-be-liberal":          {"conntrack.tcpBeLiberal"},
	"conntrack-tcp-timeout-close-wait":  {"conntrack.tcpCloseWaitTimeout"},
	"conntrack-tcp-timeout-established": {"conntrack.tcpEstablishedTimeout"},
	"conntrack-udp-timeout":             {"conntrack.udpTimeout"},
	"conntrack-udp-timeout-stream":      {"conntrack.udpStreamTimeout"},
	"iptables-localhost-nodeports":      {"iptables.localhostNodePorts"},
	"iptables-masquerade-bit":           {"iptables.masqueradeBit"},
	"ipvs-scheduler":                    {"ipvs.scheduler"},
	"ipvs-strict-arp":                   {"ipvs.strictARP"},
	"masquerade-all":                    {"iptables.masqueradeAll", "nftables.masqueradeAll"},
	"nodeport-addresses":                {"nodePortAddresses"},
}

// proxyConfig is the part of the cluster's KubeProxyConfiguration that s decides. nodes are the members' addresses in the
// plan. The error names a flag that has no place there.
func proxyConfig(s *plan.StartKubeProxy, nodes []netip.Addr) (map[string]any, error) {
	c := map[string]any{}
	set(c, "mode", s.Mode)
	set(c, "clusterCIDR", s.ClusterCIDR)
	// As in the other runtimes: the limit of the table belongs to the machine, and kind would set the sysctl itself in
	// nftables mode.
	set(c, "conntrack.maxPerCore", 0)
	set(c, "conntrack.min", 0)
	set(c, "conntrack.tcpBeLiberal", false)
	set(c, "iptables.masqueradeAll", false)
	set(c, "nodePortAddresses", nil)
	if s.Mode == kubeproxy.ModeNFTables {
		// It serves node ports at the node's address alone, which in the cluster is Docker's.
		var at []string
		for _, a := range nodes {
			if a.IsValid() {
				at = append(at, netip.PrefixFrom(a, a.BitLen()).String())
			}
		}
		set(c, "nodePortAddresses", at)
	}
	for _, f := range s.Flags {
		name, value, given := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		places := proxyFields[name]
		if len(places) == 0 {
			return nil, fmt.Errorf("a place for the flag --%s in the cluster's KubeProxyConfiguration", name)
		}
		for _, at := range places {
			set(c, at, flagValue(name, value, given))
		}
	}
	return c, nil
}

// flagValue is a flag's value as YAML has it.
func flagValue(name, value string, given bool) any {
	if name == "nodeport-addresses" {
		return strings.Split(value, ",")
	}
	if !given {
		return true
	}
	if n, err := strconv.Atoi(value); err == nil {
		return n
	}
	if b, err := strconv.ParseBool(value); err == nil {
		return b
	}
	return value
}

// set sets the field at a dotted path.
func set(c map[string]any, path string, value any) {
	for {
		first, rest, more := strings.Cut(path, ".")
		if !more {
			c[first] = value
			return
		}
		inner, ok := c[first].(map[string]any)
		if !ok {
			inner = map[string]any{}
			c[first] = inner
		}
		c, path = inner, rest
	}
}

// merge lays b over a, as a JSON merge patch does (RFC 7386).
func merge(a, b map[string]any) {
	for k, v := range b {
		if inner, ok := v.(map[string]any); ok {
			under, ok := a[k].(map[string]any)
			if !ok {
				under = map[string]any{}
				a[k] = under
			}
			merge(under, inner)
			continue
		}
		if v == nil {
			delete(a, k)
			continue
		}
		a[k] = v
	}
}
