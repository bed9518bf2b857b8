package netns

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/plan"
)

// addAddress adds an address as ip does: with the broadcast address of an IPv4 subnet that has one (AddrAdd computes
// it), and scope host for 127.0.0.0/8. IPv6 addresses are usable at once, without duplicate address detection.
func (n *node) addAddress(s plan.AddAddress) error {
	addr := &netlink.Addr{IPNet: ipNet(s.Address)}
	switch a := s.Address.Addr(); {
	case a.Is6():
		addr.Flags = unix.IFA_F_NODAD
	case a.IsLoopback():
		addr.Scope = unix.RT_SCOPE_HOST
	}
	return n.change(s.Interface, fmt.Sprintf("add address %s to %s", s.Address, s.Interface), func(l netlink.Link) error {
		return n.handle.AddrAdd(l, addr)
	})
}

// addNeighbour adds a permanent entry, or has the node answer for the address. A proxy entry has no MAC.
func (n *node) addNeighbour(s plan.AddNeighbour) error {
	what := fmt.Sprintf("add neighbour %s to %s", s.Address, s.Interface)
	neigh := &netlink.Neigh{IP: ip(s.Address), State: netlink.NUD_PERMANENT}
	if s.Proxy {
		neigh.Flags = netlink.NTF_PROXY
	} else {
		mac, err := net.ParseMAC(s.MAC)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		neigh.HardwareAddr = mac
	}
	return n.change(s.Interface, what, func(l netlink.Link) error {
		neigh.LinkIndex = l.Attrs().Index
		return n.handle.NeighAdd(neigh)
	})
}
