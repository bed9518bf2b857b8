package evidence

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Packets asks for packets seen at an interface while the probe ran. The count is their number, the words are one line
// for each as "SRC:PORT>DST:PORT FLAGS", with "vlan 178" behind it where the frame has a tag. A segment that the kernel
// has not cut yet (GSO) is one packet.
type Packets struct {
	Interface string `yaml:"interface" json:"interface"`
	From      string `yaml:"from,omitempty" json:"from,omitempty"`   // node or "node:port"; empty: any
	To        string `yaml:"to,omitempty" json:"to,omitempty"`       // node, service or "name:port"; empty: any
	Proto     string `yaml:"proto,omitempty" json:"proto,omitempty"` // "tcp", "udp", "icmp", "esp"; empty: any
	Flags     string `yaml:"flags,omitempty" json:"flags,omitempty"` // exactly these TCP flags: "syn", "syn-ack", "rst", "fin-ack"; empty: any
	VLAN      int    `yaml:"vlan,omitempty" json:"vlan,omitempty"`   // the VLAN of the frame's (outer) tag; 0: any, or no tag
	// Own leaves only packets of the probe's own five-tuple as the client's side sees it before any NAT: of its
	// protocol, from or to its source port, and its source address where that is known. Only on the client's node or
	// its host: elsewhere NAT may have changed both, and the flow would be missed.
	Own bool `yaml:"own,omitempty" json:"own,omitempty"`
	// Local is the probe's source; the trial fills it in after the probe for Own.
	Local netip.AddrPort `yaml:"-" json:"local,omitzero"`
}

// maxVLAN is the highest VLAN there is: 4095 is reserved.
const maxVLAN = 4094

var packetProtos = []string{"tcp", "udp", "icmp", "esp"}

type flagBit struct {
	name string
	bit  uint8
}

// flagBits are the TCP flags in the order in which FlagWords puts them.
var flagBits = []flagBit{{"syn", 0x02}, {"fin", 0x01}, {"rst", 0x04}, {"psh", 0x08}, {"ack", 0x10}, {"urg", 0x20}, {"ece", 0x40}, {"cwr", 0x80}}

// FlagWords names TCP flags: "syn-ack"; "none" where no flag is set.
func FlagWords(flags uint8) string {
	var words []string
	for _, f := range flagBits {
		if flags&f.bit != 0 {
			words = append(words, f.name)
		}
	}
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, "-")
}

// ParseFlags is the inverse of FlagWords, in any order of the words.
func ParseFlags(s string) (uint8, error) {
	var flags uint8
	if s == "none" {
		return 0, nil
	}
	for word := range strings.SplitSeq(s, "-") {
		i := slices.IndexFunc(flagBits, func(f flagBit) bool { return f.name == word })
		if i < 0 {
			return 0, fmt.Errorf("unknown TCP flag %q", word)
		}
		flags |= flagBits[i].bit
	}
	return flags, nil
}

func (Packets) kind() string    { return "packets" }
func (Packets) wants() []string { return []string{"grows", "count", "seen", "has", "lacks"} }

func (Packets) show(r Reading) string { return fmt.Sprint(r.Count) }

func (q Packets) subject() string {
	s := "packets at " + q.Interface
	if q.Own {
		s = "own " + s
	}
	for _, part := range [][2]string{{"from", q.From}, {"to", q.To}, {"", q.Proto}, {"", q.Flags}} {
		if part[1] != "" {
			s += " " + strings.TrimSpace(part[0]+" "+part[1])
		}
	}
	if q.VLAN != 0 {
		s += fmt.Sprintf(" vlan %d", q.VLAN)
	}
	return s
}

func (q Packets) check() []Problem {
	var ps []Problem
	if q.Interface == "" {
		ps = append(ps, Problem{"interface", "names no interface", "the name that the node has for it, eth0"})
	}
	if q.Proto != "" && !slices.Contains(packetProtos, q.Proto) {
		ps = append(ps, Problem{"proto", fmt.Sprintf("unknown protocol %q", q.Proto), strings.Join(packetProtos, ", ")})
	}
	for _, end := range [][2]string{{"from", q.From}, {"to", q.To}} {
		ps = append(ps, checkEnd(end[0], end[1])...)
	}
	if q.VLAN < 0 || q.VLAN > maxVLAN {
		ps = append(ps, Problem{"vlan", fmt.Sprintf("%d is not a VLAN", q.VLAN), fmt.Sprintf("1 to %d", maxVLAN)})
	}
	if q.Own && q.Proto != "" && q.Proto != "tcp" && q.Proto != "udp" {
		ps = append(ps, Problem{"own", "a packet of " + q.Proto + " has no port to know it by", "leave own out, or proto"})
	}
	if q.Flags == "" {
		return ps
	}
	if _, err := ParseFlags(q.Flags); err != nil {
		ps = append(ps, Problem{"flags", err.Error(), `syn, fin, rst, psh, ack, urg, ece, cwr, joined by "-"; "none" for no flag`})
	}
	if q.Proto != "" && q.Proto != "tcp" {
		ps = append(ps, Problem{"flags", "only TCP has flags", "leave flags out, or proto"})
	}
	return ps
}

func (q Packets) resolve(s *Spec, n names) (err error) {
	if q.From, err = n.ends(q.From); err != nil {
		return fmt.Errorf("packets.from: %w", err)
	}
	if q.To, err = n.ends(q.To); err != nil {
		return fmt.Errorf("packets.to: %w", err)
	}
	s.Packets = &q
	return nil
}
