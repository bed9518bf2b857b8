package topology

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// interfaces checks the interfaces of a node, one by one and as stacks.
func (c *checker) interfaces(x *nodeIndex) {
	names, keys := map[string]string{}, map[string]string{}
	for i := range x.Interfaces {
		f := &x.Interfaces[i]
		at := fmt.Sprintf("%s.interfaces[%d]", x.path, i)
		c.interfaceName(at+".name", f.Name)
		c.once(at+".name", names, f.Name, "interface %q stands on this node twice", f.Name)
		c.kind(x, at, f)
		c.addresses(at, f)
		if f.MTU != 0 {
			c.mtu(at+".mtu", f.MTU)
		}
		c.mac(x, at, f)
		c.master(x, at, f)
		c.portSettings(x, at, f)
		c.vlan(x, at, f, keys)
		c.macvlan(x, at, f)
		c.vxlan(x, at, f, keys)
		c.ipip(x, at, f, keys)
		c.cycle(x, at, f)
	}
}

// interfaceName checks what the kernel takes for a name (dev_valid_name in net/core/dev.c), and that the language can
// write it in an endpoint.
func (c *checker) interfaceName(path, name string) {
	switch {
	case name == "" && !c.Has(path):
		c.missing(path)
	case len(name) > 15:
		c.Errorf(path, "the kernel takes 15 characters", "interface name %q has %d characters", name, len(name))
	case name == "" || name == "." || name == ".." || name == "all" || name == "default" || strings.ContainsAny(name, "/:@ \t\n%"):
		c.Errorf(path, "", "%q is not a name for an interface", name)
	case name == "tunl0" || name == "sit0" || name == "ip6tnl0" || name == "gre0":
		c.Errorf(path, "choose another name", "the kernel makes %s itself in every namespace", name)
	}
}

// kinds lists the kinds that f sets.
func (f *Interface) kinds() []string {
	var kinds []string
	for _, k := range []struct {
		name string
		set  bool
	}{
		{"bridge", f.Bridge != nil}, {"vlan", f.VLAN != nil}, {"macvlan", f.Macvlan != nil},
		{"dummy", f.Dummy != nil}, {"vxlan", f.VXLAN != nil}, {"ipip", f.IPIP != nil},
	} {
		if k.set {
			kinds = append(kinds, k.name)
		}
	}
	return kinds
}

func (c *checker) kind(x *nodeIndex, at string, f *Interface) {
	kinds := f.kinds()
	switch {
	case f.Name == "lo" && len(kinds) > 0:
		c.KeyErrorf(at+"."+kinds[0], "take it out", "lo is there already, it cannot be a %s", kinds[0])
	case len(kinds) > 1:
		c.KeyErrorf(at+"."+kinds[1], "keep one of them", "interface %q has %d kinds: %s", f.Name, len(kinds), strings.Join(kinds, ", "))
	case len(kinds) == 1 && x.linked[f.Name] != nil:
		c.KeyErrorf(at+"."+kinds[0], "take it out, or take the link out", "interface %q is the end of a link, it cannot be a %s", f.Name, kinds[0])
	case len(kinds) == 0 && f.Name != "lo" && x.linked[f.Name] == nil && f.Name != "" && !c.Broken(at):
		c.Errorf(at, "make it the end of a link, or give it bridge, vlan, macvlan, dummy, vxlan or ipip",
			"interface %q has neither a link nor a kind", f.Name)
	}
}

func (c *checker) addresses(at string, f *Interface) {
	for i, p := range f.Addresses {
		path := fmt.Sprintf("%s.addresses[%d]", at, i)
		if !p.IsValid() {
			continue
		}
		c.address(path, p)
		a := p.Addr()
		if p.Addr().Is6() && f.MTU != 0 && f.MTU < 1280 {
			c.Errorf(path, "IPv6 needs an MTU of 1280", "interface %q has an IPv6 address and MTU %d", f.Name, f.MTU)
		}
		if a.IsLoopback() || a.IsLinkLocalUnicast() && a.Is6() {
			continue // each node may have them
		}
		if before, twice := c.owner[a]; twice {
			c.Errorf(path, c.firstIs(before), "address %s stands in this topology twice", a)
			continue
		}
		c.owner[a] = path
	}
}

// address checks that p can be an interface's address in its subnet.
func (c *checker) address(path string, p netip.Prefix) {
	a := p.Addr()
	switch {
	case a.Is4In6():
		c.Errorf(path, "write "+a.Unmap().String(), "%s is an IPv4 address written as IPv6", a)
	case a.IsMulticast() || a.IsUnspecified() || a == netip.AddrFrom4([4]byte{255, 255, 255, 255}):
		c.Errorf(path, "", "%s cannot be the address of an interface", a)
	case a.Is4() && p.Bits() < 31 && p.Masked().Addr() == a:
		c.Errorf(path, "write an address in it, as "+a.Next().String()+fmt.Sprintf("/%d", p.Bits()), "%s is the subnet itself, not an address in it", p)
	case a.Is4() && p.Bits() < 31 && !p.Contains(a.Next()):
		c.Errorf(path, "", "%s is the broadcast address of its subnet", p)
	}
}

func (c *checker) mtu(path string, mtu int) { c.within(path, "MTU", mtu, 68, 65535) }

// macSyntax reports whether s is a MAC address that an interface can have.
func (c *checker) macSyntax(path, s string) {
	mac, err := net.ParseMAC(s)
	switch {
	case err != nil || len(mac) != 6:
		c.Errorf(path, `write six bytes, "02:00:00:00:00:01"`, "%q is not a MAC address", s)
	case mac[0]&1 != 0:
		c.Errorf(path, "the first byte must be even: 02 is free for own use", "%q is a multicast address", s)
	case mac.String() == "00:00:00:00:00:00":
		c.Errorf(path, "", "%q is no address", s)
	}
}

func (c *checker) mac(x *nodeIndex, at string, f *Interface) {
	switch {
	case f.MAC == "":
	case f.Name == "lo" || f.IPIP != nil:
		c.Errorf(at+".mac", "take it out", "interface %q has no MAC address", f.Name)
	default:
		c.macSyntax(at+".mac", f.MAC)
	}
}

func (c *checker) master(x *nodeIndex, at string, f *Interface) {
	if f.Master == "" {
		return
	}
	path := at + ".master"
	m := x.byName[f.Master]
	switch {
	case f.Name == "lo" || f.IPIP != nil || f.Bridge != nil:
		what := map[bool]string{true: "a bridge", false: "an interface without Ethernet"}[f.Bridge != nil]
		c.Errorf(path, "take it out", "%s cannot be the port of a bridge", what)
	case m == nil && x.linked[f.Master] == nil:
		c.unknown(path, "interface", f.Master, x.bridges())
	case m == nil || m.Bridge == nil:
		c.Errorf(path, "give it bridge: {}", "interface %q is not a bridge", f.Master)
	}
}

func (x *nodeIndex) bridges() []string {
	var names []string
	for _, f := range x.Interfaces {
		if f.Bridge != nil {
			names = append(names, f.Name)
		}
	}
	return names
}

func (c *checker) portSettings(x *nodeIndex, at string, f *Interface) {
	if f.Port == nil {
		return
	}
	at += ".port"
	bridge := f
	if f.Bridge == nil {
		if f.Master == "" {
			c.KeyErrorf(at, "give it a master", "interface %q is neither a bridge nor the port of one", f.Name)
			return
		}
		bridge = x.byName[f.Master]
	} else if f.Port.Hairpin {
		c.Errorf(at+".hairpin", "set it on a port", "a bridge itself has no hairpin mode")
	}
	if len(f.Port.VLANs) > 0 && bridge != nil && bridge.Bridge != nil && !bridge.Bridge.VLANFiltering {
		c.KeyErrorf(at+".vlans", "give it bridge: {vlanFiltering: true}", "bridge %q does not filter VLANs", bridge.Name)
	}
	seen, pvid := map[string]string{}, map[string]string{}
	for i, v := range f.Port.VLANs {
		path := fmt.Sprintf("%s.vlans[%d]", at, i)
		c.within(path+".vid", "VLAN", v.VID, 1, 4094)
		c.once(path+".vid", seen, fmt.Sprint(v.VID), "VLAN %d stands on this port twice", v.VID)
		if v.PVID {
			c.once(path+".pvid", pvid, "pvid", "the port has two VLANs for untagged frames")
		}
	}
}
