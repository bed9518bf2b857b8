package probe

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// listenUDP returns nil without an error where the kernel has no such family. The socket tells the destination address
// of each datagram: the answer must come from there, and not from the address that routing would choose.
func listenUDP(network string, port uint16) (*net.UDPConn, error) {
	c, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(anyAddr(network, port)))
	if absent(network, err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	level, option := unix.IPPROTO_IP, unix.IP_PKTINFO
	if network == "udp6" {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO
	}
	raw, err := c.SyscallConn()
	if err == nil {
		e := raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), level, option, 1) })
		err = errors.Join(err, e)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask for destination addresses: %w", err), c.Close())
	}
	return c, nil
}

func (s Server) answerUDP(c *net.UDPConn, v6 bool) error {
	buf, oob := make([]byte, maxDatagram), make([]byte, 256)
	for {
		n, oobn, _, client, err := c.ReadMsgUDPAddrPort(buf, oob)
		if err != nil {
			return err
		}
		line, payload, found := bytes.Cut(buf[:n], []byte("\n"))
		token, size, err := parseGreeting(line)
		if !found || err != nil || size != len(payload) {
			continue // not a greeting of ours
		}
		from, err := sentTo(oob[:oobn])
		if err != nil {
			return err
		}
		client = netip.AddrPortFrom(client.Addr().Unmap(), client.Port())
		a := answer{Token: token, Peer: s.Name, Source: client, Payload: len(payload)}
		// An answer that cannot be sent is one that the network did not take: the client sees that.
		_, _, _ = c.WriteMsgUDPAddrPort(a.line(), sendFrom(from, v6), client)
	}
}

// packetInfo is where a datagram was sent to: address, and the interface it came in by.
type packetInfo struct {
	addr    netip.Addr
	ifindex uint32
}

// sentTo finds the packet info among the control messages of a datagram.
func sentTo(oob []byte) (packetInfo, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return packetInfo{}, fmt.Errorf("parse control messages: %w", err)
	}
	for _, m := range messages {
		switch {
		case m.Header.Level == unix.IPPROTO_IP && m.Header.Type == unix.IP_PKTINFO && len(m.Data) >= unix.SizeofInet4Pktinfo:
			info := (*unix.Inet4Pktinfo)(unsafe.Pointer(&m.Data[0]))
			return packetInfo{addr: netip.AddrFrom4(info.Addr), ifindex: uint32(info.Ifindex)}, nil
		case m.Header.Level == unix.IPPROTO_IPV6 && m.Header.Type == unix.IPV6_PKTINFO && len(m.Data) >= unix.SizeofInet6Pktinfo:
			info := (*unix.Inet6Pktinfo)(unsafe.Pointer(&m.Data[0]))
			return packetInfo{addr: netip.AddrFrom16(info.Addr), ifindex: info.Ifindex}, nil
		}
	}
	return packetInfo{}, errors.New("a datagram came without its destination address")
}

// sendFrom is the control message that sends a datagram from an address. The way out stays the routing table's, except
// for link-local addresses, which mean nothing without their interface.
func sendFrom(p packetInfo, v6 bool) []byte {
	if v6 {
		info := unix.Inet6Pktinfo{Addr: p.addr.As16()}
		if p.addr.IsLinkLocalUnicast() {
			info.Ifindex = p.ifindex
		}
		return unix.PktInfo6(&info)
	}
	return unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: p.addr.As4()})
}
