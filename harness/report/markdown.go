package report

import (
	"fmt"
	"html"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// Markdown is the report as a person reads it in an issue.
func Markdown(r Report) []byte {
	var m markdown
	m.line("# %s: %s", r.name(), either(r.ExitCode == verdict.ExitInterrupted, "interrupted", string(r.Verdict)))
	m.line("%s.", md(strings.TrimSuffix(r.Title, ".")))
	m.line("**%s.**", md(capital(conclusion(r))))
	m.place(r)
	m.line("## The fault")
	m.why(string(r.Verdict), r.Why)
	m.table("Probe | From | To | Wanted | Seen", probeRows(r.Fault.Probe)...)
	m.evidence("Evidence", r.Fault.Evidence)
	m.line("## Controls")
	m.controls(r.Controls)
	m.line("## Fixes")
	m.fixes(r.Fixes, false)
	m.line("## What must not help")
	m.fixes(r.Inert, true)
	m.matrix(r.Matrix)
	m.documents(r.Documents)
	m.line("## Where the time went")
	m.durations(r.Durations)
	return []byte(m.String())
}

// markdown collects paragraphs, with an empty line between them.
type markdown struct{ strings.Builder }

func (m *markdown) line(format string, args ...any) {
	if m.Len() > 0 {
		m.WriteByte('\n')
	}
	fmt.Fprintf(m, format+"\n", args...)
}

// table writes a table; the header and the rows have their cells separated by " | ".
func (m *markdown) table(header string, rows ...[]string) {
	if len(rows) == 0 {
		m.line("None.")
		return
	}
	m.line("| %s |", header)
	m.WriteString(strings.Repeat("|---", strings.Count(header, " | ")+1) + "|\n")
	for _, row := range rows {
		for i, c := range row {
			row[i] = md(c)
		}
		m.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
}

// md makes text that came from elsewhere harmless in a line of Markdown and in a cell of a table.
func md(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", `\<`, "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`, "#", `\#`).Replace(oneLine(s))
}

func (m *markdown) place(r Report) {
	rows := [][]string{
		{"runtime", r.Runtime},
		{"kernel", r.Kernel},
		{either(r.Accelerator != "", "accelerator", "place"), strings.TrimPrefix(r.Accelerator+either(r.Place != "", ", "+r.Place, ""), ", ")},
		{"kube-proxy", r.KubeProxy.Version + either(r.KubeProxy.Mode != "", ", mode "+r.KubeProxy.Mode, "")},
	}
	for _, c := range r.Choices {
		rows = append(rows, []string{"choice", verdict.Choice(c).String()})
	}
	rows = append(rows, [][]string{
		{"settings given", r.Given.String()},
		{"all settings", r.Settings.String()},
		{"seen in", r.System},
	}...)
	for _, line := range r.LeftOut {
		rows = append(rows, []string{"evidence left out", line})
	}
	for _, ref := range r.Refs {
		rows = append(rows, []string{"reported in", ref})
	}
	rows = append(rows,
		[]string{"started", r.Started.UTC().Format("2006-01-02 15:04:05 MST")},
		[]string{"took", seconds(r.Durations.Total)},
		[]string{"made by", r.MadeBy},
	)
	m.table("Where | ", slices.DeleteFunc(rows, func(row []string) bool { return row[1] == "" })...)
	if r.Again != "" {
		m.line("Again with:")
		m.code(r.Again)
	}
}

// why writes a verdict with its reason; an error with a console is not for one line.
func (m *markdown) why(verdict, why string) {
	if strings.Count(why, "\n") < 2*shown {
		m.line("%s: %s", verdict, md(why))
		return
	}
	m.line("%s: %s", verdict, md(reason(why)))
	m.code(why)
}

func probeRows(list ...Probe) [][]string {
	var rows [][]string
	for _, p := range list {
		rows = append(rows, []string{p.Name, p.From, p.To, p.Wanted, p.saw()})
	}
	return rows
}

// evidence writes a table of evidence that is to be there.
func (m *markdown) evidence(title string, list []Evidence) {
	m.findings(title+" | On | Wanted | Before | After | There", list, func(e Evidence) string { return either(e.OK, "yes", "NO") })
}

// findings writes a table of evidence, with a word on each in the last column.
func (m *markdown) findings(header string, list []Evidence, word func(Evidence) string) {
	var rows [][]string
	for _, e := range list {
		rows = append(rows, []string{e.Name, e.On, e.Want, e.Before, e.After, word(e)})
	}
	m.table(header, rows...)
	for _, e := range list {
		if e.Readings.After.Text != "" {
			m.line("%s, after the probe:", md(e.Name))
			m.code(e.Readings.After.Text)
		}
	}
}

// code writes the kernel's own words, as a block that nothing in them can end.
func (m *markdown) code(text string) {
	m.WriteByte('\n')
	for l := range strings.SplitSeq(strings.TrimRight(printable(text), "\n"), "\n") {
		m.WriteString("    " + l + "\n")
	}
}

// atOnce is how many lines of a document are shown without being asked for.
const atOnce = 40

// documents writes what the place showed of the lab, long texts folded.
func (m *markdown) documents(list []Document) {
	if len(list) == 0 {
		return
	}
	m.line("## What the lab stood on")
	for _, d := range list {
		title := oneLine(d.Name + ": " + d.Says)
		if strings.Count(d.Text, "\n") <= atOnce {
			m.line("%s", md(title))
			m.code(d.Text)
			continue
		}
		m.line("<details><summary>%s</summary>", html.EscapeString(title))
		m.code(d.Text)
		m.line("</details>")
	}
}

func (m *markdown) controls(list []Control) {
	var rows [][]string
	for _, c := range list {
		rows = append(rows, []string{c.Name, c.Phase, c.Wanted, c.saw(), either(c.OK, "yes", either(c.Documented, "NO, as documented", "NO"))})
	}
	m.table("Control | Phase | Wanted | Seen | Holds", rows...)
}

// capital is a sentence that begins with a capital letter.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func (m *markdown) durations(d Durations) {
	var rows [][]string
	for _, p := range d.Phases {
		rows = append(rows, []string{p.Name, seconds(p.Took)})
	}
	m.table("Phase | Took", append(rows, []string{"the whole trial", seconds(d.Total)})...)
}
