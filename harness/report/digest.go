package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// Aside writes what belongs to no trial alone, after the elapsed time.
func Aside(w io.Writer, elapsed time.Duration, text string) {
	fmt.Fprintf(w, "%7.1f s  %s\n", elapsed.Seconds(), oneLine(text))
}

// Line writes in a line how a trial ended, after the elapsed time.
func Line(w io.Writer, o Options, elapsed time.Duration, r Report) {
	fmt.Fprintf(w, "%7.1f s  %s\n", elapsed.Seconds(), style(o.Colour).outcome(r))
}

// Sum ends a table with what several scenarios come to: how many trials are as documented, and which are not, the worst
// first.
func Sum(w io.Writer, o Options, elapsed time.Duration, reports []Report, notRun [][2]string) {
	st := style(o.Colour)
	names := map[int][]string{} // by exit codes
	var unverified, unasked []string
	for _, r := range reports {
		names[r.ExitCode] = append(names[r.ExitCode], r.name())
		if r.ExitCode == verdict.ExitExpected && len(r.NotVerified) > 0 {
			unverified = append(unverified, r.name())
		}
		if r.ExitCode == verdict.ExitExpected && len(r.LeftOut) > 0 {
			unasked = append(unasked, r.name())
		}
	}
	var parts []string
	add := func(colour func(string) string, text string, names []string) {
		if len(names) > 0 {
			parts = append(parts, colour(text+": "+strings.Join(names, ", ")))
		}
	}
	add(st.yellow, "interrupted", names[verdict.ExitInterrupted])
	add(st.red, "the lab broke", names[verdict.ExitBroken])
	add(st.red, "not as documented", names[verdict.ExitUnexpected])
	add(st.red, "unsupported here", names[verdict.ExitUnsupported])
	add(st.yellow, "not all verified", unverified)
	add(st.yellow, "evidence left out", unasked)
	if len(parts) == 0 && len(notRun) == 0 {
		parts = append(parts, st.green("everything is as documented"))
	}
	if len(notRun) > 0 {
		parts = append(parts, st.yellow(fmt.Sprintf("not run: %d of %d trials, for the reasons above", len(notRun), len(reports)+len(notRun))))
	}
	fmt.Fprintf(w, "\n%d of %d trials as documented, in %s: %s\n", len(names[verdict.ExitExpected]), len(reports), took(elapsed), strings.Join(parts, "; "))
}
