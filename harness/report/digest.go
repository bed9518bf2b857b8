package report

import (
	"fmt"
	"io"
	"slices"
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

// Sum ends a table with what several scenarios come to: how many trials are as documented, and which are not.
func Sum(w io.Writer, o Options, elapsed time.Duration, reports []Report, notRun [][2]string) {
	st := style(o.Colour)
	var not, unverified []string
	for _, r := range reports {
		switch {
		case !r.Expected:
			not = append(not, r.name())
		case len(r.NotVerified) > 0:
			unverified = append(unverified, r.name())
		}
	}
	good := len(reports) - len(not)
	text := st.green("everything is as documented")
	switch {
	case slices.ContainsFunc(reports, func(r Report) bool { return r.ExitCode == verdict.ExitInterrupted }):
		text = st.yellow("interrupted")
	case len(not) > 0:
		text = st.red("NOT as documented: " + strings.Join(not, ", "))
	case len(unverified) > 0:
		text = st.yellow("as documented as far as it was tried, not all verified: " + strings.Join(unverified, ", "))
	}
	if len(notRun) > 0 {
		text += st.yellow(fmt.Sprintf("; %d NOT RUN", len(notRun)))
	}
	fmt.Fprintf(w, "\n%d of %d trials as documented, in %s: %s\n", good, len(reports), took(elapsed), text)
}
