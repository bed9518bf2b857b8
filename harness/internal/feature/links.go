package feature

import (
	"context"
	"errors"
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// absent tells whether an error of the kernel says that it does not have what was asked for.
func absent(err error) bool {
	for _, e := range []error{
		unix.EOPNOTSUPP, unix.EPROTONOSUPPORT, unix.EAFNOSUPPORT, unix.ESOCKTNOSUPPORT, unix.ENOPROTOOPT, unix.ENOSYS, unix.ENOENT, unix.ENODEV,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func attrs(name string, parent int) netlink.LinkAttrs {
	a := netlink.NewLinkAttrs()
	a.Name, a.ParentIndex = name, parent
	return a
}

func veth() *netlink.Veth {
	v := netlink.NewVeth(attrs("probe0", 0))
	v.PeerName = "probe1"
	return v
}

// link makes a link of a kind, on a veth where it needs a parent.
func link(what, name string, make func(parent int) netlink.Link) func(context.Context, Place) error {
	return func(_ context.Context, p Place) error {
		h, err := p.Handle(unix.NETLINK_ROUTE)
		if err != nil {
			return err
		}
		defer h.Close()
		parent := veth()
		if err := h.LinkAdd(parent); err != nil {
			return fmt.Errorf("add veth: %w", err)
		}
		err = h.LinkAdd(make(parent.Index))
		if absent(err) {
			return module(what, name, err.Error())
		}
		return err
	}
}

// bridgeVLAN reads the setting back: a kernel that does not know an attribute may pass over it.
func bridgeVLAN(_ context.Context, p Place) error {
	const what = "bridges with VLAN filtering (CONFIG_BRIDGE_VLAN_FILTERING)"
	h, err := p.Handle(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer h.Close()
	on := true
	err = h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs("probe", 0), VlanFiltering: &on})
	if absent(err) {
		return kernelLacks(what, err.Error())
	}
	if err != nil {
		return err
	}
	l, err := h.LinkByName("probe")
	if err != nil {
		return err
	}
	if b, ok := l.(*netlink.Bridge); !ok || b.VlanFiltering == nil || !*b.VlanFiltering {
		return kernelLacks(what, "the setting has no effect")
	}
	return nil
}
