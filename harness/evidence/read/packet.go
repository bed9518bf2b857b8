package read

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// snapLength is how much of a packet is kept: link header, VLAN tags, IPv6 with some extension headers, transport.
const snapLength = 256

// packet is what evidence asks of a packet's headers.
type packet struct {
	from, to netip.AddrPort // the port is 0 where there is none
	proto    uint8          // of the transport
	ports    bool
	flags    uint8  // of TCP
	note     string // what stands in a line in place of TCP's flags
	vlan     int    // of the outer tag; 0 without one
}

// String is the packet's line: "SRC:PORT>DST:PORT FLAGS", and "vlan 178" behind it where the frame has a tag.
func (p packet) String() string {
	line := p.untagged()
	if p.vlan != 0 {
		line += fmt.Sprintf(" vlan %d", p.vlan)
	}
	return line
}

func (p packet) untagged() string {
	what := p.note
	if p.proto == unix.IPPROTO_TCP && p.ports {
		what = evidence.FlagWords(p.flags)
	}
	if p.ports {
		return fmt.Sprintf("%s>%s %s", p.from, p.to, what)
	}
	return fmt.Sprintf("%s>%s %s", p.from.Addr(), p.to.Addr(), what)
}

// parseFrame parses a frame with an Ethernet header, VLAN tags included. It reports false for what is not IP.
func parseFrame(b []byte) (packet, bool) {
	const header, tag = 14, 4
	if len(b) < header {
		return packet{}, false
	}
	kind, rest, vlan := binary.BigEndian.Uint16(b[12:]), b[header:], 0
	for kind == unix.ETH_P_8021Q || kind == unix.ETH_P_8021AD {
		if len(rest) < tag {
			return packet{}, false
		}
		if vlan == 0 {
			vlan = vlanOf(binary.BigEndian.Uint16(rest))
		}
		kind, rest = binary.BigEndian.Uint16(rest[2:]), rest[tag:]
	}
	if kind != unix.ETH_P_IP && kind != unix.ETH_P_IPV6 {
		return packet{}, false
	}
	p, ok := parseIP(rest)
	p.vlan = vlan
	return p, ok
}

// vlanOf is the VLAN in a tag's control information, whose upper bits are a priority.
func vlanOf(tci uint16) int { return int(tci & 0x0fff) }

// parseIP parses a packet from its IP header on.
func parseIP(b []byte) (packet, bool) {
	if len(b) == 0 {
		return packet{}, false
	}
	switch b[0] >> 4 {
	case 4:
		return parseIPv4(b)
	case 6:
		return parseIPv6(b)
	}
	return packet{}, false
}

func parseIPv4(b []byte) (packet, bool) {
	length := int(b[0]&0x0f) * 4
	if length < 20 || len(b) < length {
		return packet{}, false
	}
	from, to := netip.AddrFrom4([4]byte(b[12:16])), netip.AddrFrom4([4]byte(b[16:20]))
	p := packet{from: netip.AddrPortFrom(from, 0), to: netip.AddrPortFrom(to, 0), proto: b[9]}
	if binary.BigEndian.Uint16(b[6:])&0x1fff != 0 {
		p.note = "fragment"
		return p, true
	}
	p.parseTransport(b[length:])
	return p, true
}

func parseIPv6(b []byte) (packet, bool) {
	const header = 40
	if len(b) < header {
		return packet{}, false
	}
	from, to := netip.AddrFrom16([16]byte(b[8:24])), netip.AddrFrom16([16]byte(b[24:40]))
	p := packet{from: netip.AddrPortFrom(from, 0), to: netip.AddrPortFrom(to, 0), proto: b[6]}
	rest := b[header:]
	for len(rest) >= 8 {
		length := 8
		switch p.proto {
		case unix.IPPROTO_HOPOPTS, unix.IPPROTO_ROUTING, unix.IPPROTO_DSTOPTS:
			length = (int(rest[1]) + 1) * 8
		case unix.IPPROTO_FRAGMENT:
			if binary.BigEndian.Uint16(rest[2:])&0xfff8 != 0 {
				p.proto, p.note = rest[0], "fragment"
				return p, true
			}
		default:
			p.parseTransport(rest)
			return p, true
		}
		if len(rest) < length {
			break
		}
		p.proto, rest = rest[0], rest[length:]
	}
	p.parseTransport(rest)
	return p, true
}

// parseTransport reads what it needs of the transport's header. One that is cut short has no ports.
func (p *packet) parseTransport(b []byte) {
	ports := func() {
		p.ports = true
		p.from = netip.AddrPortFrom(p.from.Addr(), binary.BigEndian.Uint16(b[0:]))
		p.to = netip.AddrPortFrom(p.to.Addr(), binary.BigEndian.Uint16(b[2:]))
	}
	p.note = fmt.Sprintf("proto-%d", p.proto)
	switch {
	case p.proto == unix.IPPROTO_TCP && len(b) >= 20:
		ports()
		p.flags = b[13]
	case p.proto == unix.IPPROTO_UDP && len(b) >= 8:
		ports()
		p.note = "udp"
	case isICMP(p.proto) && len(b) >= 4:
		p.note = fmt.Sprintf("icmp %d/%d", b[0], b[1])
	case p.proto == unix.IPPROTO_ESP && len(b) >= 4:
		p.note = fmt.Sprintf("esp %#08x", binary.BigEndian.Uint32(b))
	}
}

func isICMP(proto uint8) bool { return proto == unix.IPPROTO_ICMP || proto == unix.IPPROTO_ICMPV6 }

// filter is a Packets query in numbers.
type filter struct {
	from, to []netip.AddrPort
	proto    string
	flags    uint8
	anyFlags bool
	vlan     int
}

func newFilter(q evidence.Packets) (filter, error) {
	f := filter{proto: q.Proto, anyFlags: q.Flags == "", vlan: q.VLAN}
	var err error
	if f.from, err = evidence.ParseEnds(q.From); err != nil {
		return f, fmt.Errorf("parse from: %w", err)
	}
	if f.to, err = evidence.ParseEnds(q.To); err != nil {
		return f, fmt.Errorf("parse to: %w", err)
	}
	if !f.anyFlags {
		f.flags, err = evidence.ParseFlags(q.Flags)
	}
	return f, err
}

func (f filter) match(p packet) bool {
	if !matchEnd(f.from, p.from) || !matchEnd(f.to, p.to) || f.vlan != 0 && f.vlan != p.vlan {
		return false
	}
	ok := true
	switch f.proto {
	case "tcp":
		ok = p.proto == unix.IPPROTO_TCP
	case "udp":
		ok = p.proto == unix.IPPROTO_UDP
	case "icmp":
		ok = isICMP(p.proto)
	case "esp":
		ok = p.proto == unix.IPPROTO_ESP
	}
	return ok && (f.anyFlags || p.proto == unix.IPPROTO_TCP && p.ports && p.flags == f.flags)
}

// matchEnd reports whether a packet's end is one of ends; none stands for any.
func matchEnd(ends []netip.AddrPort, end netip.AddrPort) bool {
	for _, e := range ends {
		if e.Addr() == end.Addr() && (e.Port() == 0 || e.Port() == end.Port()) {
			return true
		}
	}
	return len(ends) == 0
}
