package verdict

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/probe"
)

// Met says whether exactly what was wanted was seen: the outcome, and where they are wanted the peer and the source.
// The line says what was seen, and what was wanted where that differs.
func (p Probed) Met() (bool, string) {
	saw := Saw(p.Seen)
	switch {
	case p.Seen.Outcome == "":
		return false, "no probe was made"
	case p.Wanted.Want == "":
		return false, "no outcome was wanted; saw " + saw
	case p.Wanted.Source != "" && len(p.Sources) == 0:
		return false, fmt.Sprintf("wanted %s, whose address is not known; saw %s", p.Wanted, saw)
	case p.Seen.Outcome != p.Wanted.Want,
		p.Wanted.Peer != "" && p.Seen.Peer != p.Wanted.Peer,
		p.Wanted.Source != "" && !oneOf(p.Sources, p.Seen.Source.Addr()):
		return false, fmt.Sprintf("wanted %s%s; saw %s", p.Wanted, addresses(p), saw)
	}
	return true, saw
}

// Saw says in one line what an observation was: "delivered by edge-pod from 192.168.0.1", "timeout (connect: ...)".
func Saw(o probe.Observation) string {
	var b strings.Builder
	b.WriteString(string(o.Outcome))
	if o.Peer != "" {
		b.WriteString(" by " + o.Peer)
	}
	if o.Source.IsValid() {
		b.WriteString(" from " + o.Source.Addr().Unmap().String())
	}
	if o.Detail != "" && o.Outcome != probe.Delivered {
		b.WriteString(" (" + o.Detail + ")")
	}
	return oneLine(b.String())
}

// oneOf compares addresses as a person does: an IPv4 address seen through an IPv6 socket is the same address.
func oneOf(list []netip.Addr, a netip.Addr) bool {
	return a.IsValid() && slices.ContainsFunc(list, func(b netip.Addr) bool { return a.Unmap() == b.Unmap() })
}

// addresses spells out what a wanted source stands for, where its name does not say it already.
func addresses(p Probed) string {
	if p.Wanted.Source == "" {
		return ""
	}
	list := make([]string, len(p.Sources))
	for i, a := range p.Sources {
		list[i] = a.Unmap().String()
	}
	if len(list) == 1 && list[0] == p.Wanted.Source {
		return ""
	}
	return " (" + strings.Join(list, " or ") + ")"
}

// oneLine keeps a system's own words from breaking a line of ours.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
