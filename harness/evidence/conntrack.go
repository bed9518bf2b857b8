package evidence

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Conntrack asks for the conntrack entry of the probe's own flow (words: the TCP state, and the bits of the status). An
// entry whose reply tuple is not as asked for is not the one.
type Conntrack struct {
	To string `yaml:"to" json:"to"` // original destination, "web:80"
	// Proto is "tcp" (default) or "udp".
	Proto string `yaml:"proto,omitempty" json:"proto,omitempty"`
	// ReplyFrom and ReplyTo are the ends of the reply tuple, "pod:8080" or "gateway@eth0": what NAT made of the flow.
	ReplyFrom string `yaml:"replyFrom,omitempty" json:"replyFrom,omitempty"`
	ReplyTo   string `yaml:"replyTo,omitempty" json:"replyTo,omitempty"`
	// From narrows the search to the probe's own five-tuple; the trial fills it in after the probe. Its address is
	// unspecified where the probe does not know it. Where all of it stays zero, because the node sees the flow from
	// another address or port, any source will do. An entry from before the probe is never the probe's.
	From netip.AddrPort `yaml:"-" json:"from,omitzero"`
}

// statusBits names the bits of a conntrack entry's status from the lowest on: enum ip_conntrack_status in the kernel's
// include/uapi/linux/netfilter/nf_conntrack_common.h.
var statusBits = []string{
	"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED", "SRC_NAT", "DST_NAT", "SEQ_ADJUST", "SRC_NAT_DONE", "DST_NAT_DONE",
	"DYING", "FIXED_TIMEOUT", "TEMPLATE", "UNTRACKED", "HELPER", "OFFLOAD", "HW_OFFLOAD",
}

// tcpStates names the states of a TCP connection in conntrack by their number: enum tcp_conntrack in the kernel's
// include/uapi/linux/netfilter/nf_conntrack_tcp.h.
var tcpStates = []string{
	"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2",
}

// StatusWords are the words for a conntrack status, lowest bit first. A bit that has no name yet is "BIT_16".
func StatusWords(status uint32) []string {
	var words []string
	for bit := range 32 {
		switch {
		case status&(1<<bit) == 0:
		case bit < len(statusBits):
			words = append(words, statusBits[bit])
		default:
			words = append(words, fmt.Sprintf("BIT_%d", bit))
		}
	}
	return words
}

// TCPState is the word for the state of a TCP connection in conntrack; a number that has no name is "STATE_11".
func TCPState(n uint8) string {
	if int(n) < len(tcpStates) {
		return tcpStates[n]
	}
	return fmt.Sprintf("STATE_%d", n)
}

func (Conntrack) kind() string    { return "conntrack" }
func (Conntrack) wants() []string { return []string{"seen", "has", "lacks"} }
func (q Conntrack) subject() string {
	s := "conntrack to " + withProto(q.To, q.Proto)
	if q.ReplyFrom != "" {
		s += " with replies from " + q.ReplyFrom
	}
	if q.ReplyTo != "" {
		s += " with replies to " + q.ReplyTo
	}
	return s
}

func (Conntrack) show(r Reading) string {
	if !r.Exists {
		return absent
	}
	return r.Value
}

func (q Conntrack) check() []Problem {
	ps := append(checkAddrPort("to", q.To), checkProto(q.Proto)...)
	ps = append(ps, checkEnd("replyFrom", q.ReplyFrom)...)
	return append(ps, checkEnd("replyTo", q.ReplyTo)...)
}

func (Conntrack) checkWord(word string) (msg, hint string) {
	if slices.Contains(statusBits, word) || slices.Contains(tcpStates, word) {
		return "", ""
	}
	return fmt.Sprintf("conntrack has no status %q", word),
		"bits: " + strings.Join(statusBits, " ") + "; TCP states: " + strings.Join(tcpStates, " ")
}

func (q Conntrack) resolve(s *Spec, n names) (err error) {
	if q.To, err = n.addrPort(q.To); err != nil {
		return fmt.Errorf("conntrack.to: %w", err)
	}
	if q.ReplyFrom, err = n.ends(q.ReplyFrom); err != nil {
		return fmt.Errorf("conntrack.replyFrom: %w", err)
	}
	if q.ReplyTo, err = n.ends(q.ReplyTo); err != nil {
		return fmt.Errorf("conntrack.replyTo: %w", err)
	}
	s.Conntrack = &q
	return nil
}
