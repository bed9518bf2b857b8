package report

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// Close ends the story with a table of all verdicts. dir is where the reports are; empty if there are none.
func (t *Terminal) Close(r Report, dir string) {
	rows := [][3]string{{"fault", r.Fault.Probe.Name, string(r.Verdict)}}
	expected := []bool{r.Verdict == verdict.Reproduced}
	for _, list := range []struct {
		what  string
		fixes []Fix
	}{{"fix", r.Fixes}, {"inert", r.Inert}} {
		for _, f := range list.fixes {
			rows = append(rows, [3]string{list.what, f.Name, string(f.Verdict)})
			expected = append(expected, f.Expected)
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
		t.line("  %s  %s  %s%s", pad(row[0], wide[0]), pad(row[1], wide[1]), t.style.verdict(Verdict(row[2]), expected[i]), t.remark(Verdict(row[2]), expected[i]))
	}
	t.matrix(r.Matrix)
	t.line("")
	outcome := t.style.green("everything is as documented")
	switch skipped := untried(r); {
	case !r.Expected:
		outcome = t.style.red("not everything is as documented")
	case len(skipped) > 0:
		outcome = t.style.yellow("as documented as far as it was tried; NOT VERIFIED: " + strings.Join(skipped, ", "))
	}
	t.line("%s%s, in %s: %s", t.style.bold(r.name()), where(r), seconds(r.Durations.Total), outcome)
	if dir != "" {
		t.line("report: %s", strings.TrimSuffix(dir, "/")+"/report.md")
	}
}

// remark says of a verdict what its word does not.
func (t *Terminal) remark(v Verdict, expected bool) string {
	switch {
	case !expected:
		return t.style.red("  not as documented")
	case v == verdict.Unsupported, v == verdict.NotTried:
		return t.style.yellow("  not verified")
	case v == verdict.WrongReason, v == verdict.SideEffect, v == verdict.Hidden:
		return "  as documented"
	}
	return ""
}

// untried names what a report says nothing about, though nothing in it is wrong.
func untried(r Report) []string {
	var names []string
	for _, f := range slices.Concat(r.Fixes, r.Inert) {
		if f.Verdict == verdict.Unsupported || f.Verdict == verdict.NotTried {
			names = append(names, f.Name)
		}
	}
	return names
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
	return " on " + r.Kernel + " [" + place + "]"
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(width-utf8.RuneCountInString(s), 0))
}
