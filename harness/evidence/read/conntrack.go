package read

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// flows reads the conntrack entry of the probe's flow.
type flows struct {
	old map[flowKey]bool // entries to the destination from before the probe
}

// flowKey tells one entry from another that has its five-tuple at another time.
type flowKey struct {
	id   uint32
	zone uint16
	from netip.AddrPort
}

func (f entry) key() flowKey { return flowKey{f.id, f.zone, f.original.from} }

// before remembers the entries that are there. None of them is the probe's, so the reading has nothing.
func (f *flows) before(s evidence.Spec) (evidence.Reading, error) {
	found, err := findFlows(*s.Conntrack)
	if err != nil {
		return evidence.Reading{}, err
	}
	f.old = map[flowKey]bool{}
	for _, e := range found {
		f.old[e.key()] = true
	}
	return evidence.Reading{}, nil
}

func (f *flows) after(s evidence.Spec) (evidence.Reading, error) {
	found, err := findFlows(*s.Conntrack)
	if err != nil {
		return evidence.Reading{}, err
	}
	var own []entry
	for _, e := range found {
		if !f.old[e.key()] {
			own = append(own, e)
		}
	}
	return flowReading(own)
}

func (*flows) close() error { return nil }

// flowReading is the reading for the probe's flow. Two entries cannot be told apart, so they are an error.
func flowReading(own []entry) (evidence.Reading, error) {
	switch len(own) {
	case 0:
		return evidence.Reading{}, nil
	case 1:
		e := own[0]
		r := evidence.Reading{Exists: true, Count: 1, Value: e.summary(), Text: e.String(), Words: evidence.StatusWords(e.status)}
		if e.state != "" {
			r.Words = append([]string{e.state}, r.Words...)
		}
		return r, nil
	}
	var lines []string
	for _, e := range own {
		lines = append(lines, e.String())
	}
	return evidence.Reading{}, fmt.Errorf("%d conntrack entries could be the probe's flow: %s", len(own), strings.Join(lines, "; "))
}

// findFlows lists the entries whose original destination, protocol, reply tuple and, where known, source are those of q.
func findFlows(q evidence.Conntrack) ([]entry, error) {
	to, err := netip.ParseAddrPort(q.To)
	if err != nil {
		return nil, fmt.Errorf("parse original destination: %w", err)
	}
	replyFrom, err := evidence.ParseEnds(q.ReplyFrom)
	if err != nil {
		return nil, fmt.Errorf("parse source of replies: %w", err)
	}
	replyTo, err := evidence.ParseEnds(q.ReplyTo)
	if err != nil {
		return nil, fmt.Errorf("parse destination of replies: %w", err)
	}
	proto := protoTCP
	if q.Proto == "udp" {
		proto = protoUDP
	}
	all, err := dumpConntrack(to.Addr().Is6())
	if err != nil {
		return nil, err
	}
	var found []entry
	for _, e := range all {
		if e.proto == proto && e.original.to == to && evidence.HasEnd(replyFrom, e.reply.from) && evidence.HasEnd(replyTo, e.reply.to) && isSource(q.From, e.original.from) {
			found = append(found, e)
		}
	}
	return found, nil
}

// isSource compares a source with the probe's, as far as that is known.
func isSource(known, source netip.AddrPort) bool {
	return (known.Port() == 0 || known.Port() == source.Port()) &&
		(!known.Addr().IsValid() || known.Addr().IsUnspecified() || known.Addr().Unmap().WithZone("") == source.Addr())
}

// tuple is one direction of an entry.
type tuple struct{ from, to netip.AddrPort }

func (t tuple) String() string {
	return fmt.Sprintf("src=%s dst=%s sport=%d dport=%d", t.from.Addr(), t.to.Addr(), t.from.Port(), t.to.Port())
}

// entry is one conntrack entry.
type entry struct {
	proto           uint8
	original, reply tuple
	status          uint32
	state           string // of TCP
	timeout         uint32 // seconds until it goes
	id              uint32
	zone            uint16
}

// String is the entry as `conntrack -L` prints it, and the status that conntrack does not print.
func (e entry) String() string {
	name := "udp"
	if e.proto == protoTCP {
		name = "tcp"
	}
	words := []string{name, fmt.Sprint(e.proto), fmt.Sprint(e.timeout)}
	if e.state != "" {
		words = append(words, e.state)
	}
	words = append(words, e.original.String())
	if e.status&statusSeenReply == 0 {
		words = append(words, "[UNREPLIED]")
	}
	words = append(words, e.reply.String())
	if e.status&statusAssured != 0 {
		words = append(words, "[ASSURED]")
	}
	if e.zone != 0 {
		words = append(words, fmt.Sprintf("zone=%d", e.zone))
	}
	return strings.Join(words, " ") + " " + e.statusText()
}

// summary is the entry in a line for reports: the flow, the state and the status.
func (e entry) summary() string {
	s := fmt.Sprintf("%s -> %s, replies %s -> %s", e.original.from, e.original.to, e.reply.from, e.reply.to)
	if e.state != "" {
		s += " " + e.state
	}
	return s + " " + e.statusText()
}

func (e entry) statusText() string {
	return fmt.Sprintf("[%s] status %#x", strings.Join(evidence.StatusWords(e.status), " "), e.status)
}
