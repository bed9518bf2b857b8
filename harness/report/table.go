package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// Table writes a row for each of several reports: where it ran, the verdict on the fault, how many of the fixes, of the
// inert fixes and, where there is a matrix, of its phases came out as documented, how long it took, and what is not as
// documented. notRun are names of what was left out, with the reason.
func Table(w io.Writer, o Options, reports []Report, notRun [][2]string) {
	st := style(o.Colour)
	rows := [][]string{{"", "RUNTIME", "VERDICT", "FIXES", "INERT", "MATRIX", "TOOK"}}
	for _, r := range reports {
		rows = append(rows, []string{
			r.name(), r.runtime(), string(r.Verdict),
			asDocumented(r.Fixes), asDocumented(r.Inert), r.Matrix.asStated(), seconds(r.Durations.Total),
		})
	}
	if !slices.ContainsFunc(reports, func(r Report) bool { return r.Matrix != nil }) {
		for i := range rows {
			rows[i] = slices.Delete(rows[i], 5, 6)
		}
	}
	wide := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
		}
	}
	for _, n := range notRun {
		wide[0] = max(wide[0], utf8.RuneCountInString(n[0]))
	}
	fmt.Fprintln(w)
	for i, row := range rows {
		cells := make([]string, len(row))
		for k, cell := range row {
			cells[k] = pad(cell, wide[k])
		}
		remark := ""
		if i > 0 {
			r := reports[i-1]
			cells[2] = st.verdict(r.Verdict, r.Verdict == verdict.Reproduced) + strings.Repeat(" ", wide[2]-len(r.Verdict))
			switch {
			case r.ExitCode == verdict.ExitInterrupted:
				remark = "  " + st.yellow("interrupted")
			case r.ExitCode == verdict.ExitUnsupported:
				remark = "  " + st.yellow("not verified"+r.undocumented())
			case r.ExitCode == verdict.ExitBroken:
				remark = "  " + st.red("the lab broke"+r.undocumented())
			case !r.Expected:
				remark = "  " + st.red("not as documented"+r.undocumented())
			case len(r.NotVerified) > 0:
				remark = "  " + st.yellow("not all verified")
			case len(r.LeftOut) > 0:
				remark = "  " + st.yellow("evidence left out")
			}
		}
		fmt.Fprintln(w, strings.TrimRight("  "+strings.Join(cells, "  "), " ")+remark)
	}
	for _, n := range notRun {
		fmt.Fprintf(w, "  %s  %s\n", pad(n[0], wide[0]), st.yellow("not run: "+n[1]))
	}
}

// runtime names the runtime, of a vm with its accelerator and its kernel: "vm/tcg 6.1.0-56-cloud-amd64".
func (r Report) runtime() string {
	switch {
	case r.Runtime == "":
		return "-"
	case r.Accelerator != "":
		return r.Runtime + "/" + r.Accelerator + " " + r.Kernel
	}
	return r.Runtime
}

// undocumented names what is not as documented beside the verdict on the fault, which the table has: ": iptables-mode
// NotFixed, the matrix (before)". Without the fault nothing else was tried.
func (r Report) undocumented() string {
	var what []string
	for _, f := range slices.Concat(r.Fixes, r.Inert) {
		if !f.Expected && f.Verdict != verdict.NotTried {
			what = append(what, f.Name+" "+string(f.Verdict))
		}
	}
	if r.Matrix != nil {
		for _, p := range r.Matrix.Phases {
			if p.Asked && !p.Expected {
				what = append(what, "the matrix ("+p.Phase+")")
			}
		}
	}
	return either(len(what) > 0, ": "+oneLine(strings.Join(what, ", ")), "")
}

// Heading stands before the story of a variant.
func Heading(w io.Writer, o Options, name, says string, first bool) {
	if !first {
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "%s%s\n\n", style(o.Colour).bold("== "+name), either(says != "", ": "+oneLine(says), ""))
}

// asDocumented counts the fixes that are as documented, among all: "4/4"; "-" where none was tried.
func asDocumented(fixes []Fix) string {
	good, tried := 0, 0
	for _, f := range fixes {
		if f.tried() {
			tried++
			good += count(f.Expected)
		}
	}
	return of(good, tried, len(fixes))
}

// tried says whether anything can be said of f.
func (f Fix) tried() bool { return f.Verdict != verdict.Unsupported && f.Verdict != verdict.NotTried }

// asStated counts the phases that are as the scenario states them, among all: "3/3"; "-" where none was asked, or there is no
// matrix.
func (m *Matrix) asStated() string {
	if m == nil {
		return "-"
	}
	good, asked := 0, 0
	for _, p := range m.Phases {
		if p.Asked {
			asked++
			good += count(p.Expected)
		}
	}
	return of(good, asked, len(m.Phases))
}

func of(good, tried, all int) string { return either(tried > 0, fmt.Sprintf("%d/%d", good, all), "-") }

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}
