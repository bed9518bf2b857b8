package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/faultline-lab/faultline/harness/probe"
)

func either(yes bool, a, b string) string {
	if yes {
		return a
	}
	return b
}

// name is the scenario's, with that of the variant: "nftables-snat/globalnet".
func (r Report) name() string {
	if r.Variant == "" {
		return r.Scenario
	}
	return r.Scenario + "/" + r.Variant
}

// seconds prints milliseconds for a person.
func seconds(ms int64) string { return took(time.Duration(ms) * time.Millisecond) }

func took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

// saw says what a probe saw, as verdict.Saw does.
func (p Probe) saw() string {
	if p.Outcome == "" {
		return "not asked"
	}
	s := string(p.Outcome)
	if p.Peer != "" {
		s += " by " + p.Peer
	}
	if p.Source != "" {
		s += " from " + p.Source
	}
	if p.Detail != "" && p.Outcome != probe.Delivered {
		s += " (" + p.Detail + ")"
	}
	return oneLine(s)
}

// printable takes control characters out of text that came from elsewhere, a guest's console for example: they could
// steer the terminal that shows it. Lines stay lines.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case r < ' ', 0x7f <= r && r < 0xa0:
			return -1
		}
		return r
	}, s)
}

// oneLine is printable text on a single line.
func oneLine(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }
