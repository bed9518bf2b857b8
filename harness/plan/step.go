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
	Node      string `json:"node"`
	Interface string `json:"interface"`
}

// name is how the topology file and messages write e.
func (e End) name() string { return e.Node + ":" + e.Interface }

// Ends are the interfaces that a step is about: those that it makes or sets up, then what it makes them on. Steps that have
// this method can be carried out as soon as these are there, on nodes that are.
func (e End) Ends() []End { return []End{e} }

// Ends are both ends of the pair.
func (s AddVeth) Ends() []End { return []End{s.A, s.B} }

// Ends are the sub-interface and its parent.
func (s AddVLAN) Ends() []End { return []End{s.End, {s.Node, s.Parent}} }

// Ends are the macvlan and its parent.
func (s AddMacvlan) Ends() []End { return []End{s.End, s.Parent} }

// Ends are the tunnel end and its parent, if it has one.
func (s AddVXLAN) Ends() []End {
	if s.Parent == "" {
		return []End{s.End}
	}
	return []End{s.End, {s.Node, s.Parent}}
}

// Ends is the interface that the sysctl is of, or nothing.
func (s SetSysctl) Ends() []End {
	if _, name := splitSysctl(s.Name); name != "" {
		return []End{{s.Node, name}}
	}
	return nil
}

// The steps that make nodes and interfaces.
type (
	// AddNode makes a namespace and sets its lo up.
	AddNode struct {
		Node string `json:"node"`
		// Host is the node that a pod runs on, and empty for any other node. Only a runtime with real pods looks at it.
		Host string `json:"host,omitzero"`
		// Namespace is the file of a network namespace to take in place of a new one. Compile never sets it: a runtime
		// does, whose nodes are there before the plan is carried out.
		Namespace string `json:"namespace,omitzero"`
	}

	// AddVeth makes a veth pair with both ends in place. MTU 0 keeps the kernel's default.
	AddVeth struct {
		A   End `json:"a"`
		B   End `json:"b"`
		MTU int `json:"mtu,omitzero"`
	}

	// AddBridge makes a bridge, with forward delay 0 and without STP.
	AddBridge struct {
		End
		VLANFiltering bool `json:"vlanFiltering,omitzero"`
	}

	// AddVLAN makes an 802.1Q sub-interface of Parent.
	AddVLAN struct {
		End
		Parent string `json:"parent"`
		ID     int    `json:"id"`
	}

	// AddMacvlan makes a macvlan of Parent, which may be on another node.
	AddMacvlan struct {
		End
		Parent End    `json:"parent"`
		Mode   string `json:"mode"` // bridge, private, vepa, passthru
	}

	// AddDummy makes a dummy interface.
	AddDummy struct{ End }

	// AddVXLAN makes a VXLAN tunnel end. Zero Local, Remote and an empty Parent are left out.
	AddVXLAN struct {
		End
		ID     int        `json:"id"`
		Local  netip.Addr `json:"local,omitzero"`
		Remote netip.Addr `json:"remote,omitzero"`
		Port   int        `json:"port,omitzero"`
		Parent string     `json:"parent,omitzero"`
	}

	// AddIPIP makes an IPv4-in-IPv4 tunnel end. A zero Remote means any.
	AddIPIP struct {
		End
		Local  netip.Addr `json:"local,omitzero"`
		Remote netip.Addr `json:"remote,omitzero"`
	}
)

// The steps that set up interfaces.
type (
	// SetMTU sets an interface's MTU in bytes.
	SetMTU struct {
		End
		MTU int `json:"mtu"`
	}

	// SetMAC sets an interface's MAC address.
	SetMAC struct {
		End
		MAC string `json:"mac"`
	}

	// SetMaster makes an interface a port of a bridge of the same node.
	SetMaster struct {
		End
		Master string `json:"master"`
	}

	// SetHairpin lets a bridge port send a frame back out by itself.
	SetHairpin struct {
		End
		On bool `json:"on,omitzero"`
	}

	// AddBridgeVLAN adds a VLAN to a bridge port, or to the bridge itself with Self.
	AddBridgeVLAN struct {
		End
		VID      int  `json:"vid"`
		PVID     bool `json:"pvid,omitzero"`
		Untagged bool `json:"untagged,omitzero"`
		Self     bool `json:"self,omitzero"`
	}

	// DelBridgeVLAN takes a VLAN off a bridge port, or the bridge itself with Self.
	DelBridgeVLAN struct {
		End
		VID  int  `json:"vid"`
		Self bool `json:"self,omitzero"`
	}

	// SetUp sets an interface up.
	SetUp struct{ End }

	// AddAddress gives an interface an address. An IPv4 address of a prefix up to 30 bits has the broadcast address of
	// its subnet; IPv6 addresses skip duplicate address detection.
	AddAddress struct {
		End
		Address netip.Prefix `json:"address"`
	}
)

// The steps that set up a node's forwarding.
type (
	// SetSysctl writes a sysctl, Name in the dotted form of sysctl(8): a dot inside an interface's name is written as a
	// slash, net.ipv4.conf.eth0/100.proxy_arp.
	SetSysctl struct {
		Node  string `json:"node"`
		Name  string `json:"name"`
		Value string `json:"value"`
	}

	// AddRoute adds a route. A zero To with bits 0 is the default route of its family.
	AddRoute struct {
		Node   string       `json:"node"`
		To     netip.Prefix `json:"to"`
		Via    netip.Addr   `json:"via,omitzero"`
		Dev    string       `json:"dev,omitzero"`
		Src    netip.Addr   `json:"src,omitzero"`
		Type   string       `json:"type,omitzero"`  // empty: unicast
		Table  int          `json:"table,omitzero"` // 0: main
		Metric int          `json:"metric,omitzero"`
		OnLink bool         `json:"onlink,omitzero"`
	}

	// AddRule adds a routing policy rule. Mask 0 with a Mark means all bits.
	AddRule struct {
		Node     string       `json:"node"`
		Priority int          `json:"priority"`
		From     netip.Prefix `json:"from,omitzero"`
		To       netip.Prefix `json:"to,omitzero"`
		IIF      string       `json:"iif,omitzero"`
		OIF      string       `json:"oif,omitzero"`
		Mark     uint32       `json:"mark,omitzero"`
		Mask     uint32       `json:"mask,omitzero"`
		Table    int          `json:"table"`
		IPv6     bool         `json:"ipv6,omitzero"`
	}

	// AddNeighbour adds a permanent neighbour entry, or a proxy entry.
	AddNeighbour struct {
		End
		Address netip.Addr `json:"address"`
		MAC     string     `json:"mac,omitzero"`
		Proxy   bool       `json:"proxy,omitzero"`
	}

	// AddXfrmState adds a tunnel-mode ESP state with AES-GCM (rfc4106(gcm(aes)), 128 bit ICV).
	AddXfrmState struct {
		Node     string     `json:"node"`
		Src      netip.Addr `json:"src"`
		Dst      netip.Addr `json:"dst"`
		SPI      uint32     `json:"spi"`
		ReqID    int        `json:"reqid"`
		Key      string     `json:"key"`               // hexadecimal: key and salt, 20 bytes
		UDPEncap bool       `json:"udpEncap,omitzero"` // ESP in UDP, ports 4500
	}

	// AddXfrmPolicy adds a policy whose template is a tunnel-mode ESP state.
	AddXfrmPolicy struct {
		Node    string       `json:"node"`
		Dir     string       `json:"dir"` // in, out, fwd
		Src     netip.Prefix `json:"src"`
		Dst     netip.Prefix `json:"dst"`
		TmplSrc netip.Addr   `json:"tmplSrc"`
		TmplDst netip.Addr   `json:"tmplDst"`
		ReqID   int          `json:"reqid"`
	}

	// LoadRuleset gives Text to a rule tool, as people do: nft -f -, iptables-restore --noflush.
	LoadRuleset struct {
		Node string `json:"node"`
		Tool string `json:"tool"` // nft, iptables-nft, iptables-legacy, ip6tables-nft, ip6tables-legacy
		Text string `json:"text"`
	}
)

// The steps that start processes.
type (
	// Serve starts an echo server that answers with Node's name and the source address it sees, and waits until it
	// listens.
	Serve struct {
		Node string   `json:"node"`
		TCP  []uint16 `json:"tcp,omitzero"`
		UDP  []uint16 `json:"udp,omitzero"`
	}

	// StartProcess starts Cmd and waits for a line of its output that has Ready in it, if Ready is not empty.
	StartProcess struct {
		Node  string   `json:"node"`
		Name  string   `json:"name"`
		Cmd   []string `json:"cmd"`
		Ready string   `json:"ready,omitzero"`
	}

	// ServeAPI makes the cluster's objects available to the kube-proxies of the lab, by list and watch.
	ServeAPI struct {
		Nodes    []ClusterNode `json:"nodes"`
		Services []Service     `json:"services,omitzero"`
	}

	// SetService replaces a Service of a running lab, or adds one, and waits until every kube-proxy has it in the
	// kernel.
	SetService struct {
		Service Service `json:"service"`
	}

	// StartKubeProxy starts kube-proxy, in place of the one that runs on Node if there is one, and waits until the
	// lab's Services are in the kernel.
	StartKubeProxy struct {
		Node        string     `json:"node"`
		Address     netip.Addr `json:"address"` // of the node
		Version     string     `json:"version"`
		Mode        string     `json:"mode"` // iptables, ipvs, nftables
		ClusterCIDR string     `json:"clusterCIDR,omitzero"`
		ServiceCIDR string     `json:"serviceCIDR,omitzero"`
		Flags       []string   `json:"flags,omitzero"`
	}
)

// ClusterNode is a node that runs kube-proxy, as the API shows it.
type ClusterNode struct {
	Name      string       `json:"name"`
	Addresses []netip.Addr `json:"addresses,omitzero"`
}

// Service is a Service and its endpoints, names resolved.
type Service struct {
	Name      string        `json:"name"`
	ClusterIP netip.Addr    `json:"clusterIP"`
	NodePort  bool          `json:"nodePort,omitzero"` // type NodePort
	Ports     []ServicePort `json:"ports"`
	Backends  []Backend     `json:"backends,omitzero"`
}

// ServicePort is a port of a Service.
type ServicePort struct {
	Name       string `json:"name,omitzero"`
	Port       uint16 `json:"port"`
	TargetPort uint16 `json:"targetPort"`
	NodePort   uint16 `json:"nodePort,omitzero"`
	Protocol   string `json:"protocol"` // TCP, UDP
}

// Backend is an endpoint of a Service.
type Backend struct {
	Name    string     `json:"name"` // the pod
	Address netip.Addr `json:"address"`
	Node    string     `json:"node,omitzero"` // the ClusterNode it runs on; may be empty
}
