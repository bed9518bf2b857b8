package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// Options say how a Terminal writes.
type Options struct {
	Colour  bool
	Width   int  // columns of a terminal, where progress is shown in place; 0 means that the output is no terminal
	Verbose bool // readings before and after, the kernel's own words, and how long everything took
}

// Terminal tells the story of a trial to a person while it happens.
//
// It marks nothing but verdicts and failures as good or bad: under a fix, evidence that is still there is bad, under an
// inert one it is good, and only the judge knows.
type Terminal struct {
	w       io.Writer
	options Options
	style   style
	first   time.Time // of the first event; elapsed time counts from it
	depth   int       // of the phase that runs, within others
	order   order
	failed  string // the error that was told last
	passing bool   // the last line is to be replaced by the next
}

// NewTerminal returns a Terminal that writes to w. What goes wrong with w is ignored: the reports are in files.
func NewTerminal(w io.Writer, o Options) *Terminal {
	return &Terminal{w: w, options: o, style: style(o.Colour)}
}

// margin is the column with the elapsed time.
const margin = "         "

// indent is what stands before the lines of the phase that runs.
func (t *Terminal) indent() string { return margin + strings.Repeat("  ", t.depth) }

// Tell writes what e says, or keeps it until the parts before its part have been told.
func (t *Terminal) Tell(e harness.Event) {
	if t.first.IsZero() {
		t.first = e.Time
	}
	t.order.tell(e, t.tell)
}

func (t *Terminal) tell(e harness.Event) {
	switch e.Kind {
	case harness.Began:
		text := t.style.bold(oneLine(e.Text))
		if e.Says != "" {
			text += ": " + oneLine(e.Says)
		}
		t.line("%7.1f s%s%s", e.Time.Sub(t.first).Seconds(), strings.Repeat("  ", t.depth+1), text)
		t.depth++
	case harness.Progress:
		t.progress(oneLine(e.Text))
	case harness.Note:
		t.block(t.style.yellow("note: "), printable(e.Text))
	case harness.Ran:
		t.block("run       ", printable(e.Text))
	case harness.Probed:
		t.probed(e)
	case harness.Found:
		for _, f := range e.Findings {
			t.found(f)
		}
	case harness.Judged:
		t.judged(e)
	case harness.Measured:
		t.measured(e)
	case harness.Ended:
		t.ended(e)
	}
}

func (t *Terminal) probed(e harness.Event) {
	p := e.Probed
	if p == nil {
		return
	}
	text := fmt.Sprintf("%s (%s to %s): %s", p.Probe.Name, p.Probe.From, p.Probe.To, verdict.Saw(p.Seen))
	if t.options.Verbose {
		text += fmt.Sprintf(", wanted %s, took %s", p.Wanted, took(p.Seen.Took))
	}
	t.block("probe     ", printable(text))
}

func (t *Terminal) found(f evidence.Finding) {
	mark := "evidence  there: "
	if !f.OK {
		mark = "evidence  absent: "
	}
	t.block(mark, printable(fmt.Sprintf("%s: %s", f.Spec.Title(), f.Why)))
	if !t.options.Verbose {
		return
	}
	t.block("  ", printable(fmt.Sprintf("on %s: before %s, after %s, wanted: %s", f.Spec.On, f.Spec.Show(f.Before), f.Spec.Show(f.After), f.Spec.Want)))
	if f.After.Text != "" {
		t.block("  ", t.style.faint(printable(f.After.Text)))
	}
}

func (t *Terminal) judged(e harness.Event) {
	j := e.Judged
	if j == nil {
		return
	}
	why := j.Why
	if j.Verdict == verdict.Reproduced {
		why = "every control holds, and the symptom has all of the evidence" // which stands above, line by line
	}
	if why != "" && why == t.failed {
		why = "for the reason above"
	}
	t.block("", t.style.bold(oneLine(e.Text)+": ")+t.style.verdict(j.Verdict, j.Expected)+" - "+printable(t.brief(why)))
}

// brief leaves out what few want to read.
func (t *Terminal) brief(text string) string {
	if t.options.Verbose {
		return text
	}
	return brief(text)
}

func (t *Terminal) ended(e harness.Event) {
	switch {
	case e.Err == "":
		t.block("", t.style.faint("took "+took(e.Took)))
	case e.Cancelled: // whatever the error says came of it; the journal keeps it
		t.block("", t.style.yellow("interrupted after "+took(e.Took)))
	case e.Err == t.failed: // the same error, on its way out
		t.block("", t.style.red("failed after "+took(e.Took)))
	default:
		t.block(t.style.red("failed after "+took(e.Took)+": "), printable(t.brief(e.Err)))
		t.failed = e.Err
	}
	t.depth = max(t.depth-1, 0)
}

// block writes a line of the current phase; where text has several lines, all are indented.
func (t *Terminal) block(mark, text string) {
	in := t.indent()
	t.line("%s%s%s", in, mark, strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+in+"  "))
}

// progress shows a line that the next one replaces, where there is a terminal.
func (t *Terminal) progress(text string) {
	if t.options.Width == 0 {
		t.line("%s%s", t.indent(), text)
		return
	}
	text = t.indent() + text
	if room := t.options.Width - 1; utf8.RuneCountInString(text) > room {
		text = string([]rune(text)[:max(room, 0)])
	}
	t.clear()
	fmt.Fprint(t.w, t.style.faint(text))
	t.passing = true
}

func (t *Terminal) line(format string, args ...any) {
	t.clear()
	fmt.Fprintf(t.w, format+"\n", args...)
}

// clear takes the passing line away: carriage return, erase to the end of the line.
func (t *Terminal) clear() {
	if t.passing {
		fmt.Fprint(t.w, "\r\x1b[K")
	}
	t.passing = false
}
