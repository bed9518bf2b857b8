package plan

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/topology"
)

// Need is something that a plan asks of the kernel or of the tools where the lab is built. Runtimes answer each Need
// with yes, no or could not tell before anything is built.
type Need string

// The needs. Veth, namespaces and plain bridges go without saying.
const (
	NeedVLAN            Need = "8021q"                 // VLAN sub-interfaces
	NeedBridgeVLAN      Need = "bridge-vlan-filtering" // bridges with VLAN filtering, and VLANs of bridge ports
	NeedBridgeNetfilter Need = "br_netfilter"          // net.bridge.* sysctls
	NeedMacvlan         Need = "macvlan"               // macvlan interfaces
	NeedDummy           Need = "dummy"                 // dummy interfaces; kube-proxy's IPVS mode has one, kube-ipvs0
	NeedVXLAN           Need = "vxlan"                 // VXLAN tunnel ends
	NeedIPIP            Need = "ipip"                  // IPv4-in-IPv4 tunnel ends
	NeedESP             Need = "esp"                   // XFRM states for ESP with AES-GCM, and policies
	NeedESPInUDP        Need = "espinudp"              // UDP encapsulation of ESP
	NeedIPv6            Need = "ipv6"                  // IPv6 addresses, routes, sysctls and rules
	NeedConntrack       Need = "conntrack"             // conntrack and its netlink interface
	NeedIPVS            Need = "ip_vs"                 // IPVS with the round robin scheduler, and ipset
	NeedNft             Need = "nft"                   // the nft tool, and nf_tables with NAT, counters and sets
	NeedIptables        Need = "iptables"              // the iptables tools that kube-proxy calls, with the matches and targets it uses
	NeedIptablesLegacy  Need = "iptables-legacy"       // the iptables tools of the legacy backend, and its tables in the kernel
	NeedGlobalSysctl    Need = "global-sysctl"         // a sysctl that is not per network namespace: only a guest of its own may change it
	NeedKubeProxyNft    Need = "kube-proxy-nftables"   // kernel 5.13 and nft 1.0.1, as kube-proxy's nftables mode asks
)

// Needs returns what p needs, sorted, each once.
func (p *Plan) Needs() []Need {
	var needs []Need
	for _, s := range p.Steps {
		needs = append(needs, stepNeeds(s)...)
	}
	slices.Sort(needs)
	return slices.Compact(needs)
}

// stepNeeds returns what s needs. Needs of a step added to a running lab are its runtime's to find out.
func stepNeeds(s Step) []Need {
	switch s := s.(type) {
	case AddBridge:
		return when(s.VLANFiltering, NeedBridgeVLAN)
	case AddBridgeVLAN, DelBridgeVLAN:
		return []Need{NeedBridgeVLAN}
	case AddVLAN:
		return []Need{NeedVLAN}
	case AddMacvlan:
		return []Need{NeedMacvlan}
	case AddDummy:
		return []Need{NeedDummy}
	case AddVXLAN:
		return append(ipv6Need(s.Local, s.Remote), NeedVXLAN)
	case AddIPIP:
		return []Need{NeedIPIP}
	case AddAddress:
		return ipv6Need(s.Address.Addr())
	case AddRoute:
		return ipv6Need(s.To.Addr(), s.Via)
	case AddRule:
		return when(s.IPv6, NeedIPv6)
	case AddNeighbour:
		return ipv6Need(s.Address)
	case AddXfrmState:
		return append(when(s.UDPEncap, NeedESPInUDP), NeedESP)
	case AddXfrmPolicy:
		return []Need{NeedESP}
	case SetSysctl:
		return sysctlNeeds(s.Name)
	case LoadRuleset:
		return rulesetNeeds(s.Tool)
	case StartKubeProxy:
		return kubeProxyNeeds(s.Mode)
	}
	return nil
}

func when(yes bool, needs ...Need) []Need {
	if yes {
		return needs
	}
	return nil
}

func ipv6Need(addrs ...netip.Addr) []Need {
	return when(slices.ContainsFunc(addrs, netip.Addr.Is6), NeedIPv6)
}

// sysctlNeeds returns what makes the sysctl exist, and whether it reaches further than its namespace.
func sysctlNeeds(name string) []Need {
	needs := when(topology.GlobalSysctl(name), NeedGlobalSysctl)
	for _, n := range []struct {
		prefix string
		need   Need
	}{
		{"net.bridge.", NeedBridgeNetfilter},
		{"net.ipv4.vs.", NeedIPVS},
		{"net.ipv6.", NeedIPv6},
		{"net.netfilter.nf_conntrack_", NeedConntrack},
	} {
		if strings.HasPrefix(name, n.prefix) {
			needs = append(needs, n.need)
		}
	}
	return needs
}

func rulesetNeeds(tool string) []Need {
	var needs []Need
	if strings.HasPrefix(tool, "ip6tables") {
		needs = append(needs, NeedIPv6)
	}
	switch {
	case tool == "nft":
		return append(needs, NeedNft)
	case strings.HasSuffix(tool, "-legacy"):
		return append(needs, NeedIptablesLegacy)
	}
	return append(needs, NeedIptables)
}

// kubeProxyNeeds returns what kube-proxy needs in a mode. In IPVS mode it still masquerades with iptables rules that
// match ipsets, and holds cluster IPs on a dummy interface.
func kubeProxyNeeds(mode string) []Need {
	switch mode {
	case "ipvs":
		return []Need{NeedConntrack, NeedIptables, NeedIPVS, NeedDummy}
	case "nftables":
		return []Need{NeedConntrack, NeedNft, NeedKubeProxyNft}
	}
	return []Need{NeedConntrack, NeedIptables}
}
