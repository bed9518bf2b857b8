package scenario

import (
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// title is the name of evidence that has none in the file: the kind with its argument, and the node.
func title(e evidence.Spec) string {
	what := "evidence"
	switch {
	case e.Xfrm != "":
		what = e.Xfrm
	case e.Netstat != "":
		what = e.Netstat
	case e.Sysctl != "":
		what = e.Sysctl
	case e.Conntrack != nil:
		what = "conntrack entry to " + e.Conntrack.To
	case e.Rule != nil:
		what = "rules with " + strings.TrimSpace(e.Rule.Contains)
	case e.Packets != nil:
		what = packets(*e.Packets)
	case e.IPVS != nil:
		what = "IPVS service " + e.IPVS.Service
	}
	return what + " on " + e.On
}

func packets(p evidence.Packets) string {
	words := []string{}
	for _, w := range []string{p.Proto, p.Flags, "packets at", p.Interface} {
		if w != "" {
			words = append(words, w)
		}
	}
	if p.From != "" {
		words = append(words, "from", p.From)
	}
	if p.To != "" {
		words = append(words, "to", p.To)
	}
	return strings.Join(words, " ")
}

type problem struct{ Field, Msg, Hint string }

func validate(evidence.Spec) []problem { return nil }
