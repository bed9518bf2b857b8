package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// Column is what a comparison has of one runtime: reports on variants of a scenario, or on the scenario where it has none.
type Column struct {
	Runtime string // as it was asked for
	Reports []Report
	NotRun  [][2]string // names of what was left out, with the reason
}

// Compared counts verdicts of a comparison; a phase of the matrix counts as one.
type Compared struct {
	All     int
	Both    int // those that two runtimes at least have come to
	Differs int // those of Both that are not the same everywhere
}

// mark is one thing that a runtime came to, in the comparison's table.
type mark struct {
	word     string // the verdict; of the matrix: "as stated", "not as stated"
	why      string
	expected bool
	reached  bool   // there is something to compare
	lacks    bool   // the place cannot carry it, or it was not run
	matrix   []Cell // of a phase of the matrix
}

// same says whether two runtimes came to the same. In the matrix it is every answer that counts.
func (m mark) same(as mark) bool {
	return m.word == as.word && slices.EqualFunc(m.matrix, as.matrix, func(a, b Cell) bool { return a.Outcome == b.Outcome })
}

// comparedLine is a row of the comparison: one verdict in every runtime.
type comparedLine struct {
	variant, what, name string
	marks               []mark // by column
}

// reached are the marks that there are to compare.
func (l comparedLine) reached() []mark {
	return slices.DeleteFunc(slices.Clone(l.marks), func(m mark) bool { return !m.reached })
}

func (l comparedLine) differs() bool {
	all := l.reached()
	return slices.ContainsFunc(all, func(m mark) bool { return !m.same(all[0]) })
}

func (l comparedLine) title() string {
	return oneLine(l.variant + ", " + l.what + either(l.name != "", " "+l.name, ""))
}

// Compare writes a row for every verdict in each variant with a column for each runtime, marks those that differ, and says
// below why each runtime came to its own, and why something was not tried there.
func Compare(w io.Writer, o Options, columns []Column) Compared {
	st := style(o.Colour)
	lines := comparison(columns)
	var sum Compared
	for _, l := range lines {
		sum.All++
		if len(l.reached()) > 1 {
			sum.Both++
		}
		if l.differs() {
			sum.Differs++
		}
	}
	comparedTable(w, st, columns, lines)
	explained := func(title string, choose func(comparedLine, mark) bool) {
		for _, l := range lines {
			var said []string
			for i, m := range l.marks {
				if choose(l, m) {
					said = append(said, fmt.Sprintf("    %s: %s", columns[i].Runtime, oneLine(m.word+": "+m.why+l.answers(m))))
				}
			}
			if len(said) > 0 {
				fmt.Fprintf(w, "\n  %s: %s\n%s\n", title, l.title(), strings.Join(said, "\n"))
			}
		}
	}
	explained("differs", func(l comparedLine, m mark) bool { return l.differs() && m.reached })
	explained("not as documented", func(l comparedLine, m mark) bool { return !l.differs() && m.reached && !m.expected })
	explained("not compared", func(_ comparedLine, m mark) bool { return m.lacks })
	fmt.Fprintf(w, "\n%s\n", sum.conclusion(st, columns))
	return sum
}

// comparison are the lines of a comparison, in the order of the scenario's file.
func comparison(columns []Column) []comparedLine {
	var names []string
	for _, c := range columns {
		for _, r := range c.Reports {
			if !slices.Contains(names, r.name()) {
				names = append(names, r.name())
			}
		}
	}
	var lines []comparedLine
	for _, name := range names {
		reports := make([]*Report, len(columns))
		for i, c := range columns {
			if at := slices.IndexFunc(c.Reports, func(r Report) bool { return r.name() == name }); at >= 0 {
				reports[i] = &c.Reports[at]
			}
		}
		first := reports[slices.IndexFunc(reports, func(r *Report) bool { return r != nil })]
		add := func(what, of string, find func(Report) mark) {
			l := comparedLine{variant: name, what: what, name: of}
			for i, r := range reports {
				if r == nil {
					l.marks = append(l.marks, columns[i].notRun(name, what))
					continue
				}
				l.marks = append(l.marks, find(*r))
			}
			lines = append(lines, l)
		}
		add("fault", "", func(r Report) mark {
			return verdictMark(r.Verdict, r.Why, r.Verdict == verdict.Reproduced)
		})
		for i, f := range first.Fixes {
			add("fix", f.Name, func(r Report) mark { return fixMark(r.Fixes[i]) })
		}
		for i, f := range first.Inert {
			add("inert", f.Name, func(r Report) mark { return fixMark(r.Inert[i]) })
		}
		if first.Matrix != nil {
			for i, p := range first.Matrix.Phases {
				add("matrix", p.Phase, func(r Report) mark { return matrixMark(r.Matrix.Phases[i]) })
			}
		}
	}
	return lines
}

func verdictMark(v Verdict, why string, expected bool) mark {
	tried := v != verdict.Unsupported && v != verdict.NotTried
	return mark{word: string(v), why: why, expected: expected, reached: tried, lacks: v == verdict.Unsupported}
}

func fixMark(f Fix) mark { return verdictMark(f.Verdict, f.Why, f.Expected) }

func matrixMark(p MatrixPhase) mark {
	if !p.Asked {
		return mark{word: "not asked", why: p.Why, expected: p.Expected}
	}
	return mark{
		word: either(p.Expected, "as stated", "not as stated"), why: p.Why, expected: p.Expected, reached: true,
		matrix: slices.Concat(p.Cells...),
	}
}

// notRun is the mark of a variant that has no report; the reason is given once.
func (c Column) notRun(name, what string) mark {
	m := mark{word: "not run", expected: true}
	for _, n := range c.NotRun {
		if n[0] == name && what == "fault" {
			m.why, m.lacks = n[1], true
		}
	}
	return m
}

// answers are those of m in the matrix that are not the same in every runtime.
func (l comparedLine) answers(m mark) string {
	var text string
	for i, c := range m.matrix {
		for _, other := range l.reached() {
			if i < len(other.matrix) && other.matrix[i].Outcome != c.Outcome {
				text += fmt.Sprintf("; %s: %s", c.Name, c.saw())
				break
			}
		}
	}
	return text
}

func comparedTable(w io.Writer, st style, columns []Column, lines []comparedLine) {
	rows := [][]string{{"", "", ""}}
	for _, c := range columns {
		rows[0] = append(rows[0], strings.ToUpper(c.Runtime))
	}
	for _, l := range lines {
		row := []string{oneLine(l.variant), l.what, oneLine(l.name)}
		for _, m := range l.marks {
			row = append(row, m.word)
		}
		rows = append(rows, row)
	}
	wide := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
		}
	}
	fmt.Fprintln(w)
	for n, row := range rows {
		var text strings.Builder
		for i, cell := range row {
			space := strings.Repeat(" ", wide[i]-utf8.RuneCountInString(cell))
			if n > 0 && i >= 3 {
				cell = lines[n-1].marks[i-3].coloured(st)
			}
			if n > 1 && i == 0 && cell == rows[n-1][0] {
				cell, space = "", strings.Repeat(" ", wide[0])
			}
			text.WriteString("  " + cell + space)
		}
		remark := ""
		if n > 0 {
			remark = lines[n-1].remark(st)
		}
		fmt.Fprintln(w, strings.TrimRight(text.String(), " ")+remark)
	}
}

func (m mark) coloured(st style) string {
	switch {
	case !m.reached:
		return st.yellow(m.word)
	case m.expected:
		return st.green(m.word)
	}
	return st.red(m.word)
}

func (l comparedLine) remark(st style) string {
	all := l.reached()
	switch {
	case l.differs():
		return st.red("  <- differs")
	case slices.ContainsFunc(all, func(m mark) bool { return !m.expected }):
		return st.red("  <- not as documented")
	case len(all) == 1:
		return st.yellow("  <- not compared")
	}
	return ""
}

// conclusion says in a line what the comparison comes to.
func (c Compared) conclusion(st style, columns []Column) string {
	var runtimes, unsupported, against, unasked []string
	for _, col := range columns {
		runtimes = append(runtimes, col.Runtime)
		for _, r := range col.Reports {
			name := col.Runtime + either(r.Variant != "", " ("+r.Variant+")", "")
			switch {
			case r.ExitCode == verdict.ExitUnsupported:
				unsupported = append(unsupported, name)
			case !r.Expected:
				against = append(against, name)
			}
			if len(r.LeftOut) > 0 {
				unasked = append(unasked, name)
			}
		}
	}
	same := fmt.Sprintf("%d of %d verdicts compared in %s: ", c.Both, c.All, strings.Join(runtimes, ", "))
	var parts []string
	switch {
	case c.Differs > 0:
		parts = append(parts, st.red(fmt.Sprintf("%d not the same", c.Differs)))
	case c.Both > 0:
		parts = append(parts, st.green("all the same"))
	default:
		parts = append(parts, st.yellow("there is nothing to compare"))
	}
	if len(against) > 0 {
		parts = append(parts, st.red("not as documented in "+strings.Join(against, ", ")))
	}
	if len(unsupported) > 0 {
		parts = append(parts, st.yellow("unsupported here: "+strings.Join(unsupported, ", ")))
	}
	if len(unasked) > 0 {
		parts = append(parts, st.yellow("evidence left out in "+strings.Join(unasked, ", ")))
	}
	return same + strings.Join(parts, "; ")
}
