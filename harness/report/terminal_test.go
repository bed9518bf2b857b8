package report

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// tellAll is what a Terminal writes of events and of the trial that they came from.
func tellAll(x verdict.Trial, events ...harness.Event) string {
	var b bytes.Buffer
	term := NewTerminal(&b, Options{})
	for _, e := range events {
		term.Tell(e)
	}
	term.Close(New(x, maker), "")
	return b.String()
}

func TestTerminalTellsAnInterruptInAWord(t *testing.T) {
	x := green()
	x.Cancelled, x.Took = true, 14100*time.Millisecond
	x.Phases = append(x.Phases, verdict.Phase{Name: "build a lab with iptables-mode"}, verdict.Phase{Name: "fix iptables-mode"})
	for _, f := range []*verdict.Tried{&x.Fixes[1], &x.Fixes[2], &x.Inert[0]} {
		f.Seen, f.Judgement = nil, verdict.JudgeCancelled()
	}
	want := `    0.0 s  fix iptables-mode
           interrupted after 2.0 s
         iptables-mode: NotTried - the trial was cancelled

  fault  host to the Service  Reproduced
  fix    policy               Fixed
  fix    iptables-mode        NotTried
  fix    nftables-mode        NotTried
  inert  wrong-direction      NotTried

invented on 5.10.0-28-cloud-amd64 [vm/tcg]: interrupted after 14.1 s, during fix iptables-mode; NOT VERIFIED: iptables-mode, nftables-mode, wrong-direction
`
	got := tellAll(x,
		harness.Event{Time: began, Kind: harness.Began, Text: "fix iptables-mode"},
		harness.Event{Time: began, Kind: harness.Ended, Text: "fix iptables-mode", Took: 2 * time.Second, Err: "wait for kube-proxy: context canceled\nI0101 a log", Cancelled: true},
		harness.Event{Time: began, Kind: harness.Judged, Text: "iptables-mode", Judged: &x.Fixes[1].Judgement},
	)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	top := "# invented: interrupted\n\nA client times out on a Service.\n\n**Interrupted after 14.1 s, during fix iptables-mode; NOT VERIFIED: "
	if text := string(Markdown(New(x, maker))); !strings.HasPrefix(text, top) {
		t.Errorf("report.md begins with %s", text[:200])
	}
}

func TestTerminalTellsAReasonOnce(t *testing.T) {
	const why = "runtime netns: unsupported here:\n  - ip_vs"
	x := green()
	x.Fault, x.Judgement = nil, verdict.Judgement{Verdict: verdict.Unsupported, Why: why}
	untried(&x, verdict.JudgeNotTried(x.Judgement))
	want := `    0.0 s  find a place
    0.0 s    ask the kernel
             failed after 1.0 s: runtime netns: unsupported here:
                 - ip_vs
           failed after 2.0 s
         the fault: Unsupported - for the reason above

  fault  host to the Service  Unsupported  not verified
  fix    policy               NotTried
  fix    iptables-mode        NotTried
  fix    nftables-mode        NotTried
  inert  wrong-direction      NotTried

invented on 5.10.0-28-cloud-amd64 [vm/tcg], in 1 min 23 s: the verdict on the fault is Unsupported, so no fix was tried
`
	got := tellAll(x,
		harness.Event{Time: began, Kind: harness.Began, Text: "find a place"},
		harness.Event{Time: began, Kind: harness.Began, Text: "ask the kernel"},
		harness.Event{Time: began, Kind: harness.Ended, Text: "ask the kernel", Took: time.Second, Err: why},
		harness.Event{Time: began, Kind: harness.Ended, Text: "find a place", Took: 2 * time.Second, Err: why},
		harness.Event{Time: began, Kind: harness.Judged, Text: "the fault", Judged: &x.Judgement},
	)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAPlaceOfWhichTheKernelIsNotKnown(t *testing.T) {
	if got := where(Report{Runtime: "vm"}); got != " on [vm]" {
		t.Errorf("got %q", got)
	}
}

// A guest's console is long: the reason stands before it and after it, and its middle is left out where it scrolls by.
func TestAnErrorWithAConsole(t *testing.T) {
	why := "boot a guest: it did not come up\nits console ends:\n" + strings.Repeat("a line\n", 78) + "the end"
	x := green()
	x.Fault, x.Judgement = nil, verdict.JudgeBroken(why)
	untried(&x, verdict.JudgeNotTried(x.Judgement))
	tell := []harness.Event{
		{Time: began, Kind: harness.Began, Text: "build the lab"},
		{Time: began, Kind: harness.Ended, Text: "build the lab", Err: why},
		{Time: began, Kind: harness.Judged, Text: "the fault", Judged: &x.Judgement},
	}
	got := tellAll(x, tell...)
	lines := strings.Split(strings.TrimSpace(got), "\n")
	if last := lines[len(lines)-1]; !strings.HasSuffix(last, "so no fix was tried: boot a guest: it did not come up") {
		t.Errorf("the last line is %s", last)
	}
	if !strings.Contains(lines[1], "boot a guest: it did not come up") || strings.Count(got, "a line") != 13 ||
		!strings.Contains(got, "... 65 lines, which journal.jsonl has ...") || !strings.Contains(got, "  the end\n") {
		t.Errorf("got %s", got)
	}
	var all bytes.Buffer
	verbose := NewTerminal(&all, Options{Verbose: true})
	for _, e := range tell {
		verbose.Tell(e)
	}
	if n := strings.Count(all.String(), "a line"); n != 78 {
		t.Errorf("with all: %d lines", n)
	}
	if text := string(Markdown(New(x, maker))); !strings.Contains(text, "\nBrokenLab: boot a guest: it did not come up\n") || strings.Count(text, "    a line\n") != 78 {
		t.Errorf("report.md has %s", text)
	}
}
