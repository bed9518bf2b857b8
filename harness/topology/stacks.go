package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// parent checks an interface's parent on the same node and returns whether it may be looked at further.
func (c *checker) parent(x *nodeIndex, path, name, child string) bool {
	switch {
	case !slices.Contains(x.names, name):
		c.unknown(path, "interface", name, without(x.names, child, "lo"))
	case name == child:
		c.Errorf(path, "", "interface %q is its own parent", name)
	case name == "lo" || x.byName[name] != nil && x.byName[name].IPIP != nil:
		c.Errorf(path, "", "interface %q has no Ethernet to stand on", name)
	default:
		return true
	}
	return false
}

func without(names []string, drop ...string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return slices.Contains(drop, n) })
}

func (c *checker) vlan(x *nodeIndex, at string, f *Interface, keys map[string]string) {
	if f.VLAN == nil {
		return
	}
	at += ".vlan"
	c.within(at+".id", "VLAN", f.VLAN.ID, 1, 4094)
	if c.parent(x, at+".parent", f.VLAN.Parent, f.Name) {
		c.once(at+".id", keys, fmt.Sprintf("vlan %s %d", f.VLAN.Parent, f.VLAN.ID),
			"VLAN %d of %s has an interface already", f.VLAN.ID, f.VLAN.Parent)
		c.fits(at, f, x, f.VLAN.Parent)
	}
}

// macvlan checks a macvlan, whose parent may be on another node.
func (c *checker) macvlan(x *nodeIndex, at string, f *Interface) {
	if f.Macvlan == nil {
		return
	}
	at += ".macvlan"
	c.enum(at+".mode", "mode", f.Macvlan.Mode, macvlanModes)
	on, name, child := x, f.Macvlan.Parent, f.Name
	if node, other, ok := strings.Cut(name, ":"); ok {
		name = other
		if on = c.nodes[node]; on == nil {
			c.unknown(at+".parent", "node", node, c.t.names(false))
			return
		}
		if on != x {
			child = ""
		}
	}
	if !c.parent(on, at+".parent", name, child) {
		return
	}
	if p := on.byName[name]; p != nil && p.Master != "" {
		// One receive handler to a device: netdev_rx_handler_register in net/core/dev.c.
		c.Errorf(at+".parent", "", "interface %q is a port of bridge %q, it cannot have a macvlan too", name, p.Master)
	}
	c.fits(at, f, on, name)
}

// fits checks that f's MTU is no larger than that of the interface below it, as the kernel wants it.
func (c *checker) fits(at string, f *Interface, on *nodeIndex, parent string) {
	if room := on.mtu(parent); f.MTU > room {
		c.Errorf(strings.TrimSuffix(strings.TrimSuffix(at, ".vlan"), ".macvlan")+".mtu",
			fmt.Sprintf("write %d or less, or give %s a larger one", room, parent), "MTU %d is larger than the %d of %s", f.MTU, room, parent)
	}
}

// mtu returns the MTU that an interface gets.
func (x *nodeIndex) mtu(name string) int {
	if f := x.byName[name]; f != nil && f.MTU != 0 {
		return f.MTU
	}
	if l := x.linked[name]; l != nil && l.MTU != 0 {
		return l.MTU
	}
	return 1500
}

func (c *checker) vxlan(x *nodeIndex, at string, f *Interface, keys map[string]string) {
	v := f.VXLAN
	if v == nil {
		return
	}
	at += ".vxlan"
	c.within(at+".id", "VNI", v.ID, 1, 1<<24-1)
	c.within(at+".port", "port", v.Port, 1, 65535)
	c.once(at+".id", keys, fmt.Sprintf("vxlan %d %d", v.ID, v.Port), "VNI %d on port %d has an interface already", v.ID, v.Port)
	if v.Parent != "" {
		c.parent(x, at+".parent", v.Parent, f.Name)
	}
	if v.Local.IsValid() {
		c.own(x, at+".local", v.Local)
	}
	c.ends(at, v.Local, v.Remote)
}

func (c *checker) ipip(x *nodeIndex, at string, f *Interface, keys map[string]string) {
	v := f.IPIP
	if v == nil {
		return
	}
	at += ".ipip"
	switch {
	case !v.Local.IsValid():
		c.missing(at + ".local")
	case !v.Local.Is4():
		c.Errorf(at+".local", "", "an IPIP tunnel stands on IPv4, %s is IPv6", v.Local)
	default:
		c.own(x, at+".local", v.Local)
	}
	c.ends(at, v.Local, v.Remote)
	c.once(at+".local", keys, fmt.Sprintf("ipip %s %s", v.Local, v.Remote), "there is a tunnel with these ends already")
}

// ends checks the outer addresses of a tunnel against each other.
func (c *checker) ends(at string, local, remote netip.Addr) {
	if !local.IsValid() || !remote.IsValid() {
		return
	}
	if local.Is4() != remote.Is4() {
		c.Errorf(at+".remote", "", "%s is %s, but local %s is %s", remote, family(remote), local, family(local))
	} else if local == remote {
		c.Errorf(at+".remote", "", "local and remote are the same")
	}
}

// own checks that an address is one of the node's.
func (c *checker) own(x *nodeIndex, path string, a netip.Addr) {
	if x.brokenNets {
		return
	}
	addresses := x.addresses()
	if slices.Contains(addresses, a) || a.IsLoopback() {
		return
	}
	var list []string
	for _, o := range addresses {
		list = append(list, o.String())
	}
	hint := "node " + x.Name + " has no address"
	if len(list) > 0 {
		hint = "it has " + strings.Join(list, ", ")
	}
	c.Errorf(path, hint, "%s is not an address of node %q", a, x.Name)
}

func (n *Node) addresses() []netip.Addr {
	var list []netip.Addr
	for _, f := range n.Interfaces {
		for _, p := range f.Addresses {
			list = append(list, p.Addr())
		}
	}
	return list
}

// below returns the node and name of the interface that f stands on, if it stands on one.
func (c *checker) below(x *nodeIndex, f *Interface) (*nodeIndex, *Interface) {
	switch {
	case f.VLAN != nil:
		return x, x.byName[f.VLAN.Parent]
	case f.VXLAN != nil && f.VXLAN.Parent != "":
		return x, x.byName[f.VXLAN.Parent]
	case f.Macvlan != nil:
		if node, name, ok := strings.Cut(f.Macvlan.Parent, ":"); ok {
			if on := c.nodes[node]; on != nil {
				return on, on.byName[name]
			}
			return nil, nil
		}
		return x, x.byName[f.Macvlan.Parent]
	}
	return nil, nil
}

// cycle reports an interface that stands on itself by way of others: there is no order in which to make them.
func (c *checker) cycle(x *nodeIndex, at string, f *Interface) {
	seen := map[*Interface]bool{}
	way := []string{f.Name}
	for on, p := c.below(x, f); p != nil; on, p = c.below(on, p) {
		way = append(way, p.Name)
		if p == f && len(way) > 2 { // being its own parent is reported there
			c.Errorf(at, "", "interface %q stands on itself: %s", f.Name, strings.Join(way, " on "))
		}
		if p == f || seen[p] {
			return
		}
		seen[p] = true
	}
}
