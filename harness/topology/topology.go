// Package topology reads the description of a network: nodes, links, addresses, tunnels, rulesets, Services.
//
// In: YAML and settings by path. Out: a validated Topology, or every mistake at once, each with file, line, column, an
// excerpt and what would be right. It is pure: the same file gives the same value on every machine, nothing is built.
package topology

import (
	"net/netip"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// Role of a node. It decides defaults only: hosts and routers forward IPv4 and IPv6, pods and switches do not.
type Role string

// The roles.
const (
	Host   Role = "host"   // a machine or Kubernetes node
	Pod    Role = "pod"    // a pod, or a virtual machine behind a bridge port
	Router Role = "router" // forwards between links, has no kube-proxy
	Switch Role = "switch" // bridges links, has no addresses of its own unless given
)

// Topology is a whole topology file.
type Topology struct {
	Name  string `yaml:"topology"`
	Title string `yaml:"title,omitempty"`
	// Choices are settings with alternatives, of which the first is taken that the place where a lab is built can carry.
	Choices []Choice `yaml:"choices,omitempty"`
	// KubeProxy holds the defaults for every node that runs kube-proxy.
	KubeProxy KubeProxy `yaml:"kubeProxy,omitempty"`
	Nodes     []Node    `yaml:"nodes"`
	Links     []Link    `yaml:"links,omitempty"`
	IPsec     []Tunnel  `yaml:"ipsec,omitempty"`
	Services  []Service `yaml:"services,omitempty"`
}

// Choice is a setting with alternatives: how gateways are joined, for example. A setting that has its name takes one
// of them wherever the lab is built: "cable=vxlan".
type Choice struct {
	Name    string   `yaml:"name"`           // of no other setting
	Says    string   `yaml:"says,omitempty"` // what is chosen, for a person
	Options []Option `yaml:"options"`        // in the order of preference, at least two

	Taken string `yaml:"-"` // of what Parse gives: the option that the topology has,
	Given bool   `yaml:"-"` // and whether a setting names it
}

// Option is one alternative of a Choice. What it sets goes before the rest of the file, and every other setting before
// what it sets.
type Option struct {
	Name string         `yaml:"name"`
	Set  yamlfile.Paths `yaml:"set,omitempty"` // settings by path, as "nodes.gateway.routes", their values in YAML; empty: the file as it stands
}

// Node is one network namespace.
type Node struct {
	Name       string            `yaml:"name"`
	Role       Role              `yaml:"role"`
	Host       string            `yaml:"host,omitempty"` // of a pod: the node it runs on
	Interfaces []Interface       `yaml:"interfaces,omitempty"`
	Routes     []Route           `yaml:"routes,omitempty"`
	Rules      []PolicyRule      `yaml:"rules,omitempty"`
	Neighbours []Neighbour       `yaml:"neighbours,omitempty"`
	Sysctls    map[string]string `yaml:"sysctls,omitempty"` // dotted names
	Rulesets   []Ruleset         `yaml:"rulesets,omitempty"`
	// KubeProxy runs kube-proxy on this node; what it leaves empty comes from the topology's KubeProxy. `kubeProxy: {}`
	// takes all defaults.
	KubeProxy *KubeProxy `yaml:"kubeProxy,omitempty"`
	Servers   []Server   `yaml:"servers,omitempty"`
	Processes []Process  `yaml:"processes,omitempty"`
}

// Interface is one interface of a node. An interface that is the end of a link needs an entry only for its addresses
// and settings; any other entry sets exactly one of Bridge, VLAN, Macvlan, Dummy, VXLAN, IPIP, which creates it.
type Interface struct {
	Name      string         `yaml:"name"`
	Addresses []netip.Prefix `yaml:"addresses,omitempty"` // one or a list: the address with the prefix length of its subnet
	MTU       int            `yaml:"mtu,omitempty"`       // bytes; 0 keeps the kernel's default
	MAC       string         `yaml:"mac,omitempty"`       // empty lets the kernel choose
	Master    string         `yaml:"master,omitempty"`    // a bridge of the same node
	Port      *BridgePort    `yaml:"port,omitempty"`      // settings as a port of Master, or of a bridge itself
	ProxyARP  bool           `yaml:"proxyARP,omitempty"`

	Bridge  *Bridge  `yaml:"bridge,omitempty"`
	VLAN    *VLAN    `yaml:"vlan,omitempty"`
	Macvlan *Macvlan `yaml:"macvlan,omitempty"`
	Dummy   *Dummy   `yaml:"dummy,omitempty"`
	VXLAN   *VXLAN   `yaml:"vxlan,omitempty"`
	IPIP    *IPIP    `yaml:"ipip,omitempty"`
}

// Bridge makes an interface a bridge.
type Bridge struct {
	VLANFiltering bool `yaml:"vlanFiltering,omitempty"`
}

// BridgePort is how a bridge treats one of its ports. With VLANs given, the kernel's default (vid 1, pvid, untagged)
// is taken off the port.
type BridgePort struct {
	VLANs   []PortVLAN `yaml:"vlans,omitempty"`
	Hairpin bool       `yaml:"hairpin,omitempty"` // a frame may leave by the port it came in by
}

// PortVLAN is a VLAN of a bridge port.
type PortVLAN struct {
	VID      int  `yaml:"vid"`                // 1 to 4094
	PVID     bool `yaml:"pvid,omitempty"`     // untagged frames that come in belong to it
	Untagged bool `yaml:"untagged,omitempty"` // frames of it leave without a tag
}

// VLAN makes an interface an 802.1Q sub-interface.
type VLAN struct {
	Parent string `yaml:"parent"` // an interface of the same node
	ID     int    `yaml:"id"`     // 1 to 4094
}

// Macvlan makes an interface a macvlan of Parent.
type Macvlan struct {
	Parent string `yaml:"parent"` // an interface of the same node, or "node:interface" for one on another
	Mode   string `yaml:"mode"`   // bridge, private, vepa, passthru
}

// Dummy makes an interface a dummy: it swallows what is sent to it.
type Dummy struct{}

// VXLAN makes an interface a VXLAN tunnel end.
type VXLAN struct {
	ID     int        `yaml:"id"`               // VNI
	Local  netip.Addr `yaml:"local,omitempty"`  // outer source
	Remote netip.Addr `yaml:"remote,omitempty"` // outer destination; empty with routes or neighbours that name one; a multicast group, on Parent, joins many ends
	Port   int        `yaml:"port,omitempty"`   // UDP destination port; default 4789
	Parent string     `yaml:"parent,omitempty"`
}

// IPIP makes an interface an IPv4-in-IPv4 tunnel end.
type IPIP struct {
	Local  netip.Addr `yaml:"local"`
	Remote netip.Addr `yaml:"remote,omitempty"` // empty: any, the next hop decides
}

// Link is a veth pair between two endpoints, each "node:interface".
type Link struct {
	A   string `yaml:"a"`
	B   string `yaml:"b"`
	MTU int    `yaml:"mtu,omitempty"`
}

// Route is a route of a node's tables.
type Route struct {
	To     string     `yaml:"to"`             // a prefix, an address, or "default"
	Via    netip.Addr `yaml:"via,omitempty"`  // next hop
	Dev    string     `yaml:"dev,omitempty"`  // interface
	Src    netip.Addr `yaml:"src,omitempty"`  // preferred source address
	Type   string     `yaml:"type,omitempty"` // unicast (default), blackhole, unreachable, prohibit, local, throw
	Table  int        `yaml:"table,omitempty"`
	Metric int        `yaml:"metric,omitempty"`
	OnLink bool       `yaml:"onlink,omitempty"`
}

// PolicyRule is a routing policy rule (ip rule).
type PolicyRule struct {
	Priority int          `yaml:"priority"`
	From     netip.Prefix `yaml:"from,omitempty"`
	To       netip.Prefix `yaml:"to,omitempty"`
	IIF      string       `yaml:"iif,omitempty"`
	OIF      string       `yaml:"oif,omitempty"`
	Mark     string       `yaml:"mark,omitempty"` // "0x4000" or "0x4000/0x4000"
	Table    int          `yaml:"table"`
}

// Neighbour is a permanent neighbour entry.
type Neighbour struct {
	Address netip.Addr `yaml:"address"`
	MAC     string     `yaml:"mac,omitempty"` // not with Proxy
	Dev     string     `yaml:"dev"`
	Proxy   bool       `yaml:"proxy,omitempty"` // answer for Address on Dev instead
}

// Ruleset is text for one of the rule tools, loaded as people load it.
type Ruleset struct {
	Tool string `yaml:"tool"` // nft, iptables-nft, iptables-legacy, ip6tables-nft, ip6tables-legacy
	Text string `yaml:"text"` // for nft -f, or for iptables-restore --noflush
}

// KubeProxy configures kube-proxy. Empty fields take the topology's defaults, then the ones named here.
type KubeProxy struct {
	Version     string   `yaml:"version,omitempty"`     // default v1.36.3
	Mode        string   `yaml:"mode,omitempty"`        // iptables (default), ipvs, nftables
	ClusterCIDR string   `yaml:"clusterCIDR,omitempty"` // pods' prefix, or two separated by a comma; Service traffic from outside of it is masqueraded. Empty: none
	ServiceCIDR string   `yaml:"serviceCIDR,omitempty"` // where cluster IPs must lie
	Flags       []string `yaml:"flags,omitempty"`       // more flags for kube-proxy's command line
}

// DefaultKubeProxy is the version of kube-proxy where a topology names none.
const DefaultKubeProxy = "v1.36.3"

// Server is an echo server that answers with its node's name and the source address it sees.
type Server struct {
	TCP []uint16 `yaml:"tcp,omitempty"` // ports
	UDP []uint16 `yaml:"udp,omitempty"`
}

// Process is any other program that runs on a node while the lab is up.
type Process struct {
	Name  string   `yaml:"name"`
	Cmd   []string `yaml:"cmd"`
	Ready string   `yaml:"ready,omitempty"` // text in a line of its output that says it is ready; empty: ready once started
}

// Tunnel is a static IPsec tunnel between two gateways, written once: states and policies for both ends come from it.
// A policy (in, out and fwd) is made for each pair of a left and a right subnet listed in Selectors.
type Tunnel struct {
	Name      string     `yaml:"name"`
	Left      Gateway    `yaml:"left"`
	Right     Gateway    `yaml:"right"`
	Selectors []Selector `yaml:"selectors"`
	// UDPEncap wraps ESP into UDP 4500, as NAT traversal does.
	UDPEncap bool `yaml:"udpEncap,omitempty"`
	// ReqID joins policies and states; default 1 for the first tunnel, 2 for the second, ...
	ReqID int `yaml:"reqid,omitempty"`
}

// Gateway is one end of a Tunnel.
type Gateway struct {
	Node    string     `yaml:"node"`
	Address netip.Addr `yaml:"address"` // outer address; one of the node's
}

// Selector is a pair of subnets that a Tunnel joins.
type Selector struct {
	Left  netip.Prefix `yaml:"left"`
	Right netip.Prefix `yaml:"right"`
}

// Service is a Kubernetes Service with its endpoints.
type Service struct {
	Name      string        `yaml:"name"`
	ClusterIP netip.Addr    `yaml:"clusterIP"`
	Type      string        `yaml:"type,omitempty"` // ClusterIP (default) or NodePort
	Ports     []ServicePort `yaml:"ports"`
	Backends  []Backend     `yaml:"backends"`
}

// ServicePort is a port of a Service.
type ServicePort struct {
	Name       string `yaml:"name,omitempty"`
	Port       uint16 `yaml:"port"`
	TargetPort uint16 `yaml:"targetPort,omitempty"` // default Port
	NodePort   uint16 `yaml:"nodePort,omitempty"`
	Protocol   string `yaml:"protocol,omitempty"` // TCP (default) or UDP
}

// Backend is an endpoint of a Service: a node, by its first address of the Service's family unless Address names one.
// A file may have the node's name in its place.
type Backend struct {
	Node    string     `yaml:"node"`
	Address netip.Addr `yaml:"address,omitempty"`
}
