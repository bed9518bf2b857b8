package topology_test

import (
	"testing"

	"github.com/faultline-lab/faultline/harness/topology"
)

func TestGlobalSysctl(t *testing.T) {
	for name, want := range map[string]bool{
		"net.ipv4.ip_forward":                         false,
		"net.ipv4.conf.eth0.rp_filter":                false,
		"net.ipv4.conf.eth1/178.rp_filter":            false,
		"net.ipv4.vs.conntrack":                       false,
		"net.ipv6.conf.all.forwarding":                false,
		"net.bridge.bridge-nf-call-iptables":          false,
		"net.netfilter.nf_conntrack_tcp_be_liberal":   false,
		"net.netfilter.nf_log.2":                      false,
		"net.core.somaxconn":                          false,
		"net.ipv4.neigh.eth0.gc_stale_time":           false,
		"net.ipv4.neigh.default.gc_thresh3":           true,
		"net.ipv4.route.min_pmtu":                     false,
		"net.ipv4.route.gc_thresh":                    true,
		"net.ipv4.tcp_mem":                            true,
		"net.ipv4.tcp_rmem":                           false,
		"net.netfilter.nf_conntrack_max":              true,
		"net.netfilter.nf_conntrack_max_of_something": false,
		"net.netfilter.nf_conntrack_buckets":          true,
		"net.netfilter.nf_log_all_netns":              true,
		"net.nf_conntrack_max":                        true,
		"net.core.rmem_max":                           true,
		"net.core.default_qdisc":                      true,
		"net.core.xfrm_acq_expires":                   true,
		"kernel.panic":                                true,
		"vm.swappiness":                               true,
		"":                                            true,
	} {
		if got := topology.GlobalSysctl(name); got != want {
			t.Errorf("GlobalSysctl(%q) = %v", name, got)
		}
	}
}
