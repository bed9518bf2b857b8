package report

import (
	"fmt"
	"slices"
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

// shown is how many lines of an error are shown at each of its ends.
const shown = 8

// brief is text of many lines, such as an error with a console, without its middle.
func brief(s string) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	left := len(lines) - 2*shown
	if left <= 1 {
		return s
	}
	all := slices.Concat(lines[:shown], []string{fmt.Sprintf("... %d lines, which journal.jsonl has ...", left)}, lines[len(lines)-shown:])
	return strings.Join(all, "\n")
}

// reason is the first line of an error, which says why; what follows shows more of it.
func reason(s string) string {
	first, _, _ := strings.Cut(s, "\n")
	return oneLine(first)
}

// oneLine is printable text on a single line.
func oneLine(s string) string { return strings.Join(strings.Fields(printable(s)), " ") }
