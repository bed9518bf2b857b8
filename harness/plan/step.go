package plan

import (
	"fmt"
	"net/netip"
)

// Step is one change that building a lab makes. A Step is a plain value: String prints it as the shell command that
// makes the same change, with nodes as named network namespaces. The set of steps is sealed.
type Step interface {
	fmt.Stringer
	// step is the commands that make the change, one per element; a comment stands for what no command can do.
	step() []string
}

// End is one end of a link, or any interface of a node.
type End struct {
	Node      string
	Interface string
}

// The steps that make nodes and interfaces.
type (
	// AddNode makes a namespace and sets its lo up.
	AddNode struct{ Node string }

	// AddVeth makes a veth pair with both ends in place. MTU 0 keeps the kernel's default.
	AddVeth struct {
		A, B End
		MTU  int
	}

	// AddBridge makes a bridge, with forward delay 0 and without STP.
	AddBridge struct {
		End
		VLANFiltering bool
	}

	// AddVLAN makes an 802.1Q sub-interface of Parent.
	AddVLAN struct {
		End
		Parent string
		ID     int
	}

	// AddMacvlan makes a macvlan of Parent, which may be on another node.
	AddMacvlan struct {
		End
		Parent End
		Mode   string // bridge, private, vepa, passthru
	}

	// AddDummy makes a dummy interface.
	AddDummy struct{ End }

	// AddVXLAN makes a VXLAN tunnel end. Zero Local, Remote and an empty Parent are left out.
	AddVXLAN struct {
		End
		ID            int
		Local, Remote netip.Addr
		Port          int
		Parent        string
	}

	// AddIPIP makes an IPv4-in-IPv4 tunnel end. A zero Remote means any.
	AddIPIP struct {
		End
		Local, Remote netip.Addr
	}
)

// The steps that set up interfaces.
type (
	// SetMTU sets an interface's MTU in bytes.
	SetMTU struct {
		End
		MTU int
	}

	// SetMAC sets an interface's MAC address.
	SetMAC struct {
		End
		MAC string
	}

	// SetMaster makes an interface a port of a bridge of the same node.
	SetMaster struct {
		End
		Master string
	}

	// SetHairpin lets a bridge port send a frame back out by itself.
	SetHairpin struct {
		End
		On bool
	}

	// AddBridgeVLAN adds a VLAN to a bridge port, or to the bridge itself with Self.
	AddBridgeVLAN struct {
		End
		VID            int
		PVID, Untagged bool
		Self           bool
	}

	// DelBridgeVLAN takes a VLAN off a bridge port, or the bridge itself with Self.
	DelBridgeVLAN struct {
		End
		VID  int
		Self bool
	}

	// SetUp sets an interface up.
	SetUp struct{ End }

	// AddAddress gives an interface an address. An IPv4 address of a prefix up to 30 bits has the broadcast address of
	// its subnet; IPv6 addresses skip duplicate address detection.
	AddAddress struct {
		End
		Address netip.Prefix
	}
)

// The steps that set up a node's forwarding.
type (
	// SetSysctl writes a sysctl, Name in the dotted form of sysctl(8): a dot inside an interface's name is written as a
	// slash, net.ipv4.conf.eth0/100.proxy_arp.
	SetSysctl struct{ Node, Name, Value string }

	// AddRoute adds a route. A zero To with bits 0 is the default route of its family.
	AddRoute struct {
		Node   string
		To     netip.Prefix
		Via    netip.Addr
		Dev    string
		Src    netip.Addr
		Type   string // empty: unicast
		Table  int    // 0: main
		Metric int
		OnLink bool
	}

	// AddRule adds a routing policy rule. Mask 0 with a Mark means all bits.
	AddRule struct {
		Node       string
		Priority   int
		From, To   netip.Prefix
		IIF, OIF   string
		Mark, Mask uint32
		Table      int
		IPv6       bool
	}

	// AddNeighbour adds a permanent neighbour entry, or a proxy entry.
	AddNeighbour struct {
		End
		Address netip.Addr
		MAC     string
		Proxy   bool
	}

	// AddXfrmState adds a tunnel-mode ESP state with AES-GCM (rfc4106(gcm(aes)), 128 bit ICV).
	AddXfrmState struct {
		Node     string
		Src, Dst netip.Addr
		SPI      uint32
		ReqID    int
		Key      string // hexadecimal: key and salt, 20 bytes
		UDPEncap bool   // ESP in UDP, ports 4500
	}

	// AddXfrmPolicy adds a policy whose template is a tunnel-mode ESP state.
	AddXfrmPolicy struct {
		Node             string
		Dir              string // in, out, fwd
		Src, Dst         netip.Prefix
		TmplSrc, TmplDst netip.Addr
		ReqID            int
	}

	// LoadRuleset gives Text to a rule tool, as people do: nft -f -, iptables-restore --noflush.
	LoadRuleset struct {
		Node string
		Tool string // nft, iptables-nft, iptables-legacy, ip6tables-nft, ip6tables-legacy
		Text string
	}
)

// The steps that start processes.
type (
	// Serve starts an echo server that answers with Node's name and the source address it sees, and waits until it
	// listens.
	Serve struct {
		Node     string
		TCP, UDP []uint16
	}

	// StartProcess starts Cmd and waits for a line of its output that has Ready in it, if Ready is not empty.
	StartProcess struct {
		Node  string
		Name  string
		Cmd   []string
		Ready string
	}

	// ServeAPI makes the cluster's objects available to the kube-proxies of the lab, by list and watch.
	ServeAPI struct {
		Nodes    []ClusterNode
		Services []Service
	}

	// SetService replaces a Service of a running lab, or adds one, and waits until every kube-proxy has it in the
	// kernel.
	SetService struct{ Service Service }

	// StartKubeProxy starts kube-proxy, in place of the one that runs on Node if there is one, and waits until the
	// lab's Services are in the kernel.
	StartKubeProxy struct {
		Node        string
		Address     netip.Addr // of the node
		Version     string
		Mode        string // iptables, ipvs, nftables
		ClusterCIDR string
		ServiceCIDR string
		Flags       []string
	}
)

// ClusterNode is a node that runs kube-proxy, as the API shows it.
type ClusterNode struct {
	Name      string
	Addresses []netip.Addr
}

// Service is a Service and its endpoints, names resolved.
type Service struct {
	Name      string
	ClusterIP netip.Addr
	NodePort  bool // type NodePort
	Ports     []ServicePort
	Backends  []Backend
}

// ServicePort is a port of a Service.
type ServicePort struct {
	Name       string
	Port       uint16
	TargetPort uint16
	NodePort   uint16
	Protocol   string // TCP, UDP
}

// Backend is an endpoint of a Service.
type Backend struct {
	Name    string // the pod
	Address netip.Addr
	Node    string // the ClusterNode it runs on; may be empty
}
