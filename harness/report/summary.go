package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// Close ends the story with a table of all verdicts. dir is where the reports are; empty if there are none.
func (t *Terminal) Close(r Report, dir string) {
	t.order.flush(t.tell)
	rows := [][3]string{{"fault", r.Fault.Probe.Name, string(r.Verdict)}}
	expected, broke := []bool{r.Verdict == verdict.Reproduced}, [][]string{nil}
	for _, list := range []struct {
		what  string
		fixes []Fix
	}{{"fix", r.Fixes}, {"inert", r.Inert}} {
		for _, f := range list.fixes {
			rows = append(rows, [3]string{list.what, f.Name, string(f.Verdict)})
			expected, broke = append(expected, f.Expected), append(broke, f.Broke)
		}
	}
	wide := [2]int{}
	for _, row := range rows {
		for i := range wide {
			wide[i] = max(wide[i], utf8.RuneCountInString(row[i]))
		}
	}
	t.line("")
	for i, row := range rows {
		t.line("  %s  %s  %s%s", pad(row[0], wide[0]), pad(row[1], wide[1]), t.style.verdict(Verdict(row[2]), expected[i]), t.remark(Verdict(row[2]), expected[i], broke[i]))
	}
	t.matrix(r.Matrix)
	t.line("")
	for _, line := range r.LeftOut {
		t.line("%s", t.style.yellow("evidence left out: "+oneLine(line)))
	}
	t.line("%s", t.style.outcome(r))
	if dir != "" {
		t.line("report: %s", strings.TrimSuffix(dir, "/")+"/report.md")
	}
}

// outcome says in a line where the trial ran and what it comes to.
func (s style) outcome(r Report) string {
	colour := s.red
	switch {
	case r.Expected && len(r.NotVerified)+len(r.LeftOut) == 0:
		colour = s.green
	case r.Expected, undisputed(r):
		colour = s.yellow
	}
	took := ", in " + seconds(r.Durations.Total)
	if r.ExitCode == verdict.ExitInterrupted {
		took = "" // the conclusion says it
	}
	return s.bold(r.name()) + where(r) + took + ": " + colour(conclusion(r))
}

// remark says of a verdict what its word does not.
func (t *Terminal) remark(v Verdict, expected bool, broke []string) string {
	breaks := ""
	if len(broke) > 0 {
		breaks = "; breaks " + oneLine(strings.Join(broke, ", "))
	}
	switch {
	case !expected && v == verdict.NotTried: // for want of the fault, or of time: the last line says it
		return ""
	case !expected && v == verdict.Unsupported:
		return t.style.red("  not verified")
	case !expected:
		return t.style.red("  not as documented" + breaks)
	case v == verdict.Unsupported, v == verdict.NotTried:
		return t.style.yellow("  not verified")
	case v == verdict.WrongReason, v == verdict.SideEffect, v == verdict.Hidden:
		return "  as documented" + breaks
	}
	return ""
}

// conclusion says in a line what the whole trial comes to.
func conclusion(r Report) string {
	unverified := "; NOT VERIFIED: " + strings.Join(r.NotVerified, ", ")
	switch {
	case r.ExitCode == verdict.ExitInterrupted:
		return interrupted(r) + either(len(r.NotVerified) > 0, unverified, "")
	case r.Expected && len(r.NotVerified)+len(r.LeftOut) == 0:
		return "everything is as documented"
	case r.Expected && len(r.NotVerified) == 0:
		return fmt.Sprintf("as documented as far as it was asked; evidence left out: %d", len(r.LeftOut))
	case r.Expected:
		return "as documented as far as it was tried" + unverified
	case r.Verdict == verdict.BrokenLab:
		return "the verdict on the fault is " + string(r.Verdict) + ", so no fix was tried: " + reason(r.Why)
	case r.Verdict != verdict.Reproduced:
		return "the verdict on the fault is " + string(r.Verdict) + ", so no fix was tried"
	case undisputed(r):
		return "nothing is against what is documented, but too little was tried to say more" + unverified
	case len(r.NotVerified) > 0:
		return "not everything is as documented" + unverified
	}
	return "not everything is as documented"
}

// interrupted says when the person ended the trial, and in which of its parts.
func interrupted(r Report) string {
	during := ""
	if n := len(r.Durations.Phases); n > 0 {
		during = ", during " + oneLine(r.Durations.Phases[n-1].Name) // of the last part that had begun
	}
	return "interrupted after " + seconds(r.Durations.Total) + during
}

// undisputed says whether a report that is not as expected has nothing in it that is against the documentation.
func undisputed(r Report) bool {
	return r.ExitCode == verdict.ExitUnsupported && r.Verdict == verdict.Reproduced &&
		!slices.ContainsFunc(slices.Concat(r.Fixes, r.Inert), func(f Fix) bool { return !f.Expected })
}

// where names the kernel and what it ran in.
func where(r Report) string {
	if r.Runtime == "" {
		return ""
	}
	place := r.Runtime
	if r.Accelerator != "" {
		place += "/" + r.Accelerator
	}
	return " on " + r.Kernel + either(r.Kernel != "", " ", "") + "[" + place + "]"
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0))
}
