package netns

import (
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/plan"
)

// byIndex is an interface of which only the index is known, which is all that changing one takes.
func byIndex(index int) netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: index}}
}

// undumped calls f again as long as the kernel says that what it dumped changed meanwhile (NLM_F_DUMP_INTR), or a
// signal came. Everything that may dump goes through here; looking up an interface by name does on old kernels.
func undumped[T any](f func() (T, error)) (T, error) {
	for {
		v, err := f()
		if !errors.Is(err, netlink.ErrDumpInterrupted) && !errors.Is(err, unix.EINTR) {
			return v, err
		}
	}
}

// index returns the index of an interface.
func (n *node) index(name string) (int, error) {
	if i, ok := n.indexes[name]; ok {
		return i, nil
	}
	link, err := undumped(func() (netlink.Link, error) { return n.handle.LinkByName(name) })
	if err != nil {
		return 0, fmt.Errorf("find interface %s: %w", name, err)
	}
	n.indexes[name] = link.Attrs().Index
	return link.Attrs().Index, nil
}

// attrs are the attributes of an interface to make. NewLinkAttrs leaves the queue length to the kernel; 0 would set it.
func attrs(name string) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name = name
	return a
}

// addLink makes an interface in n.
func (n *node) addLink(link netlink.Link) error {
	a := link.Attrs()
	if err := n.handle.LinkAdd(link); err != nil {
		return fmt.Errorf("add %s %s: %w", link.Type(), a.Name, err)
	}
	if a.Index != 0 && a.Namespace == nil { // LinkAdd looks it up
		n.indexes[a.Name] = a.Index
	}
	return nil
}

// addVeth makes both ends in place, so that neither passes through another namespace under a name of another's.
func (l *innerLab) addVeth(s plan.AddVeth) error {
	b, err := l.node(s.B.Node)
	if err != nil {
		return err
	}
	return on(l, s.A.Node, s, func(a *node, s plan.AddVeth) error {
		veth := netlink.NewVeth(attrs(s.A.Interface))
		veth.MTU = s.MTU // the peer takes it too
		veth.PeerName = s.B.Interface
		veth.PeerNamespace = netlink.NsFd(b.fd())
		return a.addLink(veth)
	})
}

// addBridge makes a bridge with one message of our own: v1.3.1's Bridge has neither forward delay nor STP state, and a
// bridge that is made before they are set has other values meanwhile.
func (n *node) addBridge(s plan.AddBridge) error {
	socket, err := nl.GetNetlinkSocketAt(vnetns.NsHandle(n.fd()), vnetns.None(), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("add bridge %s: open rtnetlink: %w", s.Interface, err)
	}
	defer socket.Close()
	req := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	req.Sockets = map[int]*nl.SocketHandle{unix.NETLINK_ROUTE: {Socket: socket}}
	req.AddData(nl.NewIfInfomsg(unix.AF_UNSPEC))
	req.AddData(nl.NewRtAttr(unix.IFLA_IFNAME, nl.ZeroTerminated(s.Interface)))
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	data.AddRtAttr(nl.IFLA_BR_FORWARD_DELAY, nl.Uint32Attr(0))
	data.AddRtAttr(nl.IFLA_BR_STP_STATE, nl.Uint32Attr(0))
	if s.VLANFiltering {
		data.AddRtAttr(nl.IFLA_BR_VLAN_FILTERING, nl.Uint8Attr(1))
	}
	req.AddData(info)
	if _, err := req.Execute(unix.NETLINK_ROUTE, 0); err != nil {
		return fmt.Errorf("add bridge %s: %w", s.Interface, err)
	}
	return nil
}

func (n *node) addVLAN(s plan.AddVLAN) error {
	parent, err := n.index(s.Parent)
	if err != nil {
		return err
	}
	vlan := &netlink.Vlan{LinkAttrs: attrs(s.Interface), VlanId: s.ID, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}
	vlan.ParentIndex = parent
	return n.addLink(vlan)
}

var macvlanModes = map[string]netlink.MacvlanMode{
	"bridge":   netlink.MACVLAN_MODE_BRIDGE,
	"private":  netlink.MACVLAN_MODE_PRIVATE,
	"vepa":     netlink.MACVLAN_MODE_VEPA,
	"passthru": netlink.MACVLAN_MODE_PASSTHRU,
}

// addMacvlan asks the parent's namespace, which knows the parent, for an interface in the node's, where it gets its name.
func (l *innerLab) addMacvlan(s plan.AddMacvlan) error {
	child, err := l.node(s.Node)
	if err != nil {
		return err
	}
	return on(l, s.Parent.Node, s, func(parent *node, s plan.AddMacvlan) error {
		mode, ok := macvlanModes[s.Mode]
		if !ok {
			return fmt.Errorf("add macvlan %s: no mode %q", s.Interface, s.Mode)
		}
		macvlan := &netlink.Macvlan{LinkAttrs: attrs(s.Interface), Mode: mode}
		if macvlan.ParentIndex, err = parent.index(s.Parent.Interface); err != nil {
			return err
		}
		if child == parent {
			return parent.addLink(macvlan)
		}
		macvlan.Name, macvlan.Namespace = plan.Passing, netlink.NsFd(child.fd())
		if err := parent.addLink(macvlan); err != nil {
			return err
		}
		return child.rename(plan.Passing, s.Interface)
	})
}

// rename gives an interface its name. It must be down.
func (n *node) rename(from, to string) error {
	index, err := n.index(from)
	if err != nil {
		return err
	}
	if err := n.handle.LinkSetName(byIndex(index), to); err != nil {
		return fmt.Errorf("call interface %s %s: %w", from, to, err)
	}
	delete(n.indexes, from)
	n.indexes[to] = index
	return nil
}

func (n *node) addDummy(s plan.AddDummy) error {
	return n.addLink(&netlink.Dummy{LinkAttrs: attrs(s.Interface)})
}

// addVXLAN makes a tunnel end as ip does: learning, which v1.3.1 would turn off.
func (n *node) addVXLAN(s plan.AddVXLAN) error {
	vxlan := &netlink.Vxlan{LinkAttrs: attrs(s.Interface), VxlanId: s.ID, Learning: true, Port: s.Port, SrcAddr: ip(s.Local), Group: ip(s.Remote)}
	if s.Parent != "" {
		parent, err := n.index(s.Parent)
		if err != nil {
			return err
		}
		vxlan.VtepDevIndex = parent
	}
	return n.addLink(vxlan)
}

// addIPIP makes a tunnel end as ip does: with path MTU discovery, which v1.3.1 would turn off.
func (n *node) addIPIP(s plan.AddIPIP) error {
	return n.addLink(&netlink.Iptun{LinkAttrs: attrs(s.Interface), Local: ip(s.Local), Remote: ip(s.Remote), PMtuDisc: 1})
}

// ip is a in the form that netlink takes; nil for the zero Addr.
func ip(a netip.Addr) net.IP { return a.AsSlice() }

// ipNet is p in the form that netlink takes; nil for the zero Prefix.
func ipNet(p netip.Prefix) *net.IPNet {
	if !p.IsValid() {
		return nil
	}
	return &net.IPNet{IP: ip(p.Addr()), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}
