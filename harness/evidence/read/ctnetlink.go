package read

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/evidence"
)

const (
	protoTCP uint8 = unix.IPPROTO_TCP
	protoUDP uint8 = unix.IPPROTO_UDP

	statusSeenReply = 1 << 1
	statusAssured   = 1 << 2
)

// Attributes of ctnetlink that golang.org/x/sys/unix does not have: include/uapi/linux/netfilter/nfnetlink_conntrack.h.
const (
	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaStatus     = 3
	ctaProtoinfo  = 4
	ctaTimeout    = 7
	ctaID         = 12
	ctaZone       = 18

	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaIPv4Src = 1
	ctaIPv4Dst = 2
	ctaIPv6Src = 3
	ctaIPv6Dst = 4

	ctaProtoNum     = 1
	ctaProtoSrcPort = 2
	ctaProtoDstPort = 3

	ctaProtoinfoTCP      = 1
	ctaProtoinfoTCPState = 1

	ipctnlMsgCtGet = 1
	sizeofNfgenmsg = 4
)

// dumpTries bounds how often a dump is begun anew because the table changed under it.
const dumpTries = 10

// dumpConntrack lists the TCP and UDP entries of this namespace for one family.
func dumpConntrack(v6 bool) ([]entry, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("dump conntrack: %w", err)
	}
	defer func() { _ = c.Close() }() // nothing is written
	family := uint8(unix.AF_INET)
	if v6 {
		family = unix.AF_INET6
	}
	var last error
	for range dumpTries {
		messages, err := c.Execute(netlink.Message{
			Header: netlink.Header{
				Type:  unix.NFNL_SUBSYS_CTNETLINK<<8 | ipctnlMsgCtGet,
				Flags: netlink.Request | netlink.Dump,
			},
			Data: []byte{family, unix.NFNETLINK_V0, 0, 0},
		})
		switch {
		case errors.Is(err, unix.EINTR):
			last = err
			continue
		case errors.Is(err, unix.EINVAL):
			return nil, fmt.Errorf("dump conntrack: this kernel has no ctnetlink (CONFIG_NF_CT_NETLINK, module nf_conntrack_netlink): %w", err)
		case err != nil:
			return nil, fmt.Errorf("dump conntrack: %w", err)
		}
		entries, whole, err := parseEntries(messages)
		if err != nil {
			return nil, fmt.Errorf("parse conntrack: %w", err)
		}
		if whole {
			return entries, nil
		}
		last = errors.New("the table changed during the dump")
	}
	return nil, fmt.Errorf("dump conntrack: gave up after %d times: %w", dumpTries, last)
}

// parseEntries parses a dump. It reports false where the kernel says that the dump is not consistent.
func parseEntries(messages []netlink.Message) (entries []entry, whole bool, err error) {
	for _, m := range messages {
		if m.Header.Flags&unix.NLM_F_DUMP_INTR != 0 {
			return nil, false, nil
		}
		if len(m.Data) < sizeofNfgenmsg {
			return nil, false, fmt.Errorf("message of %d bytes", len(m.Data))
		}
		e, err := parseEntry(m.Data[sizeofNfgenmsg:])
		if err != nil {
			return nil, false, err
		}
		if e.proto == protoTCP || e.proto == protoUDP {
			entries = append(entries, e)
		}
	}
	return entries, true, nil
}

// parseEntry parses the attributes of one entry.
func parseEntry(b []byte) (entry, error) {
	var e entry
	ad, err := bigEndian(b)
	if err != nil {
		return e, err
	}
	for ad.Next() {
		switch ad.Type() {
		case ctaTupleOrig:
			ad.Nested(func(nad *netlink.AttributeDecoder) error { return parseTuple(nad, &e.original, &e.proto) })
		case ctaTupleReply:
			ad.Nested(func(nad *netlink.AttributeDecoder) error { return parseTuple(nad, &e.reply, new(uint8)) })
		case ctaStatus:
			e.status = ad.Uint32()
		case ctaTimeout:
			e.timeout = ad.Uint32()
		case ctaID:
			e.id = ad.Uint32()
		case ctaZone:
			e.zone = ad.Uint16()
		case ctaProtoinfo:
			ad.Nested(func(nad *netlink.AttributeDecoder) error { return parseState(nad, &e.state) })
		}
	}
	return e, ad.Err()
}

// bigEndian decodes attributes as netfilter has them: in network byte order, on every machine.
func bigEndian(b []byte) (*netlink.AttributeDecoder, error) {
	ad, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return nil, err
	}
	ad.ByteOrder = binary.BigEndian
	return ad, nil
}

func parseTuple(ad *netlink.AttributeDecoder, t *tuple, proto *uint8) error {
	var from, to netip.Addr
	var sport, dport uint16
	for ad.Next() {
		switch ad.Type() {
		case ctaTupleIP:
			ad.Nested(func(nad *netlink.AttributeDecoder) error {
				for nad.Next() {
					switch nad.Type() {
					case ctaIPv4Src, ctaIPv6Src:
						from, _ = netip.AddrFromSlice(nad.Bytes())
					case ctaIPv4Dst, ctaIPv6Dst:
						to, _ = netip.AddrFromSlice(nad.Bytes())
					}
				}
				return nil
			})
		case ctaTupleProto:
			ad.Nested(func(nad *netlink.AttributeDecoder) error {
				for nad.Next() {
					switch nad.Type() {
					case ctaProtoNum:
						*proto = nad.Uint8()
					case ctaProtoSrcPort:
						sport = nad.Uint16()
					case ctaProtoDstPort:
						dport = nad.Uint16()
					}
				}
				return nil
			})
		}
	}
	t.from, t.to = netip.AddrPortFrom(from, sport), netip.AddrPortFrom(to, dport)
	return nil
}

func parseState(ad *netlink.AttributeDecoder, state *string) error {
	for ad.Next() {
		if ad.Type() != ctaProtoinfoTCP {
			continue
		}
		ad.Nested(func(nad *netlink.AttributeDecoder) error {
			for nad.Next() {
				if nad.Type() == ctaProtoinfoTCPState {
					*state = evidence.TCPState(nad.Uint8())
				}
			}
			return nil
		})
	}
	return nil
}
