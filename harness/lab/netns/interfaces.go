package netns

import (
	"fmt"
	"net"

	"github.com/vishvananda/netlink"

	"github.com/faultline-lab/faultline/harness/plan"
)

// change does something to an interface; what names it in an error.
func (n *node) change(name, what string, do func(netlink.Link) error) error {
	index, err := n.index(name)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := do(byIndex(index)); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

func (n *node) setMTU(s plan.SetMTU) error {
	return n.change(s.Interface, fmt.Sprintf("set mtu of %s to %d", s.Interface, s.MTU), func(l netlink.Link) error {
		return n.handle.LinkSetMTU(l, s.MTU)
	})
}

func (n *node) setMAC(s plan.SetMAC) error {
	mac, err := net.ParseMAC(s.MAC)
	if err != nil {
		return fmt.Errorf("set mac of %s: %w", s.Interface, err)
	}
	return n.change(s.Interface, fmt.Sprintf("set mac of %s to %s", s.Interface, mac), func(l netlink.Link) error {
		return n.handle.LinkSetHardwareAddr(l, mac)
	})
}

func (n *node) setMaster(s plan.SetMaster) error {
	master, err := n.index(s.Master)
	if err != nil {
		return fmt.Errorf("set master of %s: %w", s.Interface, err)
	}
	return n.change(s.Interface, fmt.Sprintf("set master of %s to %s", s.Interface, s.Master), func(l netlink.Link) error {
		return n.handle.LinkSetMasterByIndex(l, master)
	})
}

func (n *node) setHairpin(s plan.SetHairpin) error {
	return n.change(s.Interface, fmt.Sprintf("set hairpin of %s", s.Interface), func(l netlink.Link) error {
		return n.handle.LinkSetHairpin(l, s.On)
	})
}

// addBridgeVLAN gives neither self nor master for a port, as bridge(8) does: the kernel then asks the port's bridge.
func (n *node) addBridgeVLAN(s plan.AddBridgeVLAN) error {
	return n.change(s.Interface, fmt.Sprintf("add vlan %d to %s", s.VID, s.Interface), func(l netlink.Link) error {
		return n.handle.BridgeVlanAdd(l, uint16(s.VID), s.PVID, s.Untagged, s.Self, false)
	})
}

func (n *node) delBridgeVLAN(s plan.DelBridgeVLAN) error {
	return n.change(s.Interface, fmt.Sprintf("take vlan %d off %s", s.VID, s.Interface), func(l netlink.Link) error {
		return n.handle.BridgeVlanDel(l, uint16(s.VID), false, false, s.Self, false)
	})
}

func (n *node) setUp(s plan.SetUp) error {
	return n.change(s.Interface, "set "+s.Interface+" up", n.handle.LinkSetUp)
}
