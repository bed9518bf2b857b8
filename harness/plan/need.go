package plan

// Need is something that a plan asks of the kernel or of the tools where the lab is built. Runtimes answer each Need
// with yes, no or could not tell before anything is built.
type Need string

// The needs. Veth, namespaces and plain bridges go without saying.
const (
	NeedVLAN            Need = "8021q"                 // VLAN sub-interfaces
	NeedBridgeVLAN      Need = "bridge-vlan-filtering" // bridges with VLAN filtering
	NeedBridgeNetfilter Need = "br_netfilter"          // net.bridge.* sysctls
	NeedMacvlan         Need = "macvlan"
	NeedDummy           Need = "dummy"
	NeedVXLAN           Need = "vxlan"
	NeedIPIP            Need = "ipip"
	NeedESP             Need = "esp"       // XFRM states for ESP with AES-GCM
	NeedESPInUDP        Need = "espinudp"  // UDP encapsulation of ESP
	NeedIPv6            Need = "ipv6"      // IPv6 addresses
	NeedConntrack       Need = "conntrack" // conntrack and its netlink interface
	NeedIPVS            Need = "ip_vs"     // IPVS with the round robin scheduler, and ipset
	NeedNft             Need = "nft"       // the nft tool, and nf_tables with NAT, counters and sets
	NeedIptables        Need = "iptables"  // the iptables tools that kube-proxy calls, with the matches and targets it uses
	NeedIptablesLegacy  Need = "iptables-legacy"
	NeedGlobalSysctl    Need = "global-sysctl"       // a sysctl that is not per network namespace: only a guest of its own may change it
	NeedKubeProxyNft    Need = "kube-proxy-nftables" // kernel 5.13 and nft 1.0.1, as kube-proxy's nftables mode asks
)
