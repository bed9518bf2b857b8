package feature

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab"
)

var missingIPv6 = lab.Missing{
	What: "IPv6 in the kernel",
	Do:   "boot without ipv6.disable=1, or run with --runtime vm",
}

// esp adds the kind of state that plans have. Without ESP or the cipher the kernel names the part that it lacks only by
// the number of the error.
func esp(inUDP bool) func(context.Context, Place) error {
	what, name := "ESP with AES-GCM (XFRM)", "esp4"
	state := &netlink.XfrmState{
		Src: net.IPv4(192, 0, 2, 1), Dst: net.IPv4(192, 0, 2, 2), Proto: netlink.XFRM_PROTO_ESP, Mode: netlink.XFRM_MODE_TUNNEL,
		Spi: 0x1000, Reqid: 1,
		Aead: &netlink.XfrmStateAlgo{Name: "rfc4106(gcm(aes))", Key: make([]byte, 20), ICVLen: 128},
	}
	if inUDP {
		what = "ESP in UDP (XFRM)"
		state.Encap = &netlink.XfrmStateEncap{Type: netlink.XFRM_ENCAP_ESPINUDP, SrcPort: 4500, DstPort: 4500}
	}
	return func(_ context.Context, p Place) error {
		h, err := p.Handle(unix.NETLINK_XFRM)
		if absent(err) {
			return module(what, "xfrm_user", err.Error())
		}
		if err != nil {
			return err
		}
		defer h.Close()
		err = h.XfrmStateAdd(state)
		if err == nil && inUDP {
			err = p.Do(openESPInUDP)
		}
		if absent(err) {
			return module(what, name, err.Error())
		}
		return err
	}
}

// openESPInUDP asks a socket to take ESP in UDP (udp(7)).
func openESPInUDP() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open UDP socket: %w", err)
	}
	defer func() { _ = unix.Close(fd) }()
	const udpEncap, espInUDP = 100, 2 // UDP_ENCAP and UDP_ENCAP_ESPINUDP of linux/udp.h
	return unix.SetsockoptInt(fd, unix.IPPROTO_UDP, udpEncap, espInUDP)
}

// conntrack asks for the table, which is empty: nfnetlink answers EINVAL for a subsystem that it does not have.
func conntrack(_ context.Context, p Place) error {
	h, err := p.Handle(unix.NETLINK_NETFILTER)
	if absent(err) {
		return module("conntrack", "nf_conntrack_netlink", err.Error())
	}
	if err != nil {
		return err
	}
	defer h.Close()
	_, err = h.ConntrackTableList(netlink.ConntrackTable, netlink.FAMILY_V4)
	if errors.Is(err, unix.EINVAL) || absent(err) {
		return module("conntrack and its netlink interface", "nf_conntrack_netlink", err.Error())
	}
	if errors.Is(err, netlink.ErrDumpInterrupted) {
		return nil // it has one, even if it changed meanwhile
	}
	return err
}

// ipvs asks for IPVS's netlink family, and for a set of the kind that kube-proxy makes.
func ipvs(ctx context.Context, p Place) error {
	h, err := p.Handle(unix.NETLINK_GENERIC)
	if err != nil {
		return err
	}
	defer h.Close()
	if _, err := h.GenlFamilyGet("IPVS"); absent(err) {
		return module("ip_vs (kube-proxy in IPVS mode)", "ip_vs", err.Error())
	} else if err != nil {
		return err
	}
	return run(ctx, p, "ipset (kube-proxy in IPVS mode)", "", "ipset", "create", "probe", "hash:ip,port")
}
