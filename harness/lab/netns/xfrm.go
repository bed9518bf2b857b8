package netns

import (
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/plan"
)

// natTPort is the port of ESP in UDP (RFC 3948).
const natTPort = 4500

var xfrmDirs = map[string]netlink.Dir{"in": netlink.XFRM_DIR_IN, "out": netlink.XFRM_DIR_OUT, "fwd": netlink.XFRM_DIR_FWD}

// xfrm does something with a handle for the node's XFRM tables, opened for the purpose: few nodes have any.
func (n *node) xfrm(what string, do func(*netlink.Handle) error) error {
	h, err := netlink.NewHandleAt(vnetns.NsHandle(n.fd()), unix.NETLINK_XFRM)
	if err != nil {
		return fmt.Errorf("%s: open xfrm netlink: %w", what, err)
	}
	defer h.Close()
	if err := do(h); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// addXfrmState adds a state as `ip xfrm state add ... aead 'rfc4106(gcm(aes))' KEY 128` does: no limits, replay window
// 0, the inner family that of the tunnel (the kernel fills it in, xfrm_state_construct in net/xfrm/xfrm_user.c).
func (n *node) addXfrmState(s plan.AddXfrmState) error {
	what := fmt.Sprintf("add xfrm state %s to %s spi %#08x", s.Src, s.Dst, s.SPI)
	key, err := hex.DecodeString(s.Key)
	if err != nil {
		return fmt.Errorf("%s: read key: %w", what, err)
	}
	state := &netlink.XfrmState{
		Src: ip(s.Src), Dst: ip(s.Dst), Proto: netlink.XFRM_PROTO_ESP, Mode: netlink.XFRM_MODE_TUNNEL,
		Spi: int(s.SPI), Reqid: s.ReqID,
		Aead: &netlink.XfrmStateAlgo{Name: "rfc4106(gcm(aes))", Key: key, ICVLen: 128},
	}
	if s.UDPEncap {
		state.Encap = &netlink.XfrmStateEncap{Type: netlink.XFRM_ENCAP_ESPINUDP, SrcPort: natTPort, DstPort: natTPort}
		if err := n.takeESPInUDP(s.Dst); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return n.xfrm(what, func(h *netlink.Handle) error { return h.XfrmStateAdd(state) })
}

// addXfrmPolicy adds a policy to allow, of the lowest priority number, with one template that is required.
func (n *node) addXfrmPolicy(s plan.AddXfrmPolicy) error {
	what := fmt.Sprintf("add xfrm policy %s %s to %s", s.Dir, s.Src, s.Dst)
	dir, ok := xfrmDirs[s.Dir]
	if !ok {
		return fmt.Errorf("%s: no direction %q", what, s.Dir)
	}
	policy := &netlink.XfrmPolicy{
		Src: ipNet(s.Src), Dst: ipNet(s.Dst), Dir: dir,
		Tmpls: []netlink.XfrmPolicyTmpl{{
			Src: ip(s.TmplSrc), Dst: ip(s.TmplDst), Proto: netlink.XFRM_PROTO_ESP, Mode: netlink.XFRM_MODE_TUNNEL, Reqid: s.ReqID,
		}},
	}
	return n.xfrm(what, func(h *netlink.Handle) error { return h.XfrmPolicyAdd(policy) })
}

// takeESPInUDP opens the socket that an IKE daemon has: the kernel takes ESP in UDP only where a socket on the port
// asked for it (UDP_ENCAP, udp(7)), and answers with port unreachable otherwise. One for each address family serves
// all tunnels of the node.
func (n *node) takeESPInUDP(local netip.Addr) error {
	family := unix.AF_INET
	if local.Is6() {
		family = unix.AF_INET6
	}
	if n.encap[family] != nil {
		return nil
	}
	err := n.ns.Do(func(ns.NetNS) error {
		fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		f := os.NewFile(uintptr(fd), "ESP in UDP")
		if err := bindESPInUDP(fd, family); err != nil {
			f.Close()
			return err
		}
		if n.encap == nil {
			n.encap = map[int]*os.File{}
		}
		n.encap[family] = f
		return nil
	})
	if err != nil {
		return fmt.Errorf("open socket for ESP in UDP: %w", err)
	}
	return nil
}

func bindESPInUDP(fd, family int) error {
	const udpEncap, espInUDP = 100, 2 // UDP_ENCAP and UDP_ENCAP_ESPINUDP of linux/udp.h
	if err := unix.SetsockoptInt(fd, unix.IPPROTO_UDP, udpEncap, espInUDP); err != nil {
		return err
	}
	if family == unix.AF_INET6 {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrInet6{Port: natTPort})
	}
	return unix.Bind(fd, &unix.SockaddrInet4{Port: natTPort})
}
