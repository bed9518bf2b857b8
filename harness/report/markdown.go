package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// Markdown is the report as a person reads it in an issue.
func Markdown(r Report) []byte {
	var m markdown
	m.line("# %s: %s", r.name(), r.Verdict)
	m.line("%s.", md(strings.TrimSuffix(r.Title, ".")))
	m.line("**%s.**", md(capital(conclusion(r))))
	m.place(r)
	m.line("## The fault")
	m.line("%s: %s", r.Verdict, md(r.Why))
	m.table("Probe | From | To | Wanted | Seen", probeRows(r.Fault.Probe)...)
	m.evidence(r.Fault.Evidence)
	m.line("## Controls")
	m.controls(r.Controls)
	m.line("## Fixes")
	m.fixes(r.Fixes)
	m.line("## What must not help")
	m.fixes(r.Inert)
	m.matrix(r.Matrix)
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
	rows := [][]string{{"runtime", r.Runtime + either(r.Accelerator != "", " ("+r.Accelerator+")", "")}, {"kernel", r.Kernel}}
	if r.Place != "" {
		rows = append(rows, []string{"", r.Place})
	}
	if r.KubeProxy.Version != "" {
		rows = append(rows, []string{"kube-proxy", r.KubeProxy.Version + ", mode " + r.KubeProxy.Mode})
	}
	if r.System != "" {
		rows = append(rows, []string{"seen in", r.System})
	}
	for _, ref := range r.Refs {
		rows = append(rows, []string{"reported in", ref})
	}
	rows = append(rows, []string{"started", r.Started.UTC().Format("2006-01-02 15:04:05 MST")}, []string{"took", seconds(r.Durations.Total)})
	m.table("Where | ", rows...)
}

func probeRows(list ...Probe) [][]string {
	var rows [][]string
	for _, p := range list {
		rows = append(rows, []string{p.Name, p.From, p.To, p.Wanted, p.saw()})
	}
	return rows
}

func (m *markdown) evidence(list []Evidence) {
	var rows [][]string
	for _, e := range list {
		rows = append(rows, []string{e.Name, e.On, e.Want, e.Before, e.After, either(e.OK, "yes", "no")})
	}
	m.table("Evidence | On | Wanted | Before | After | There", rows...)
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

func (m *markdown) controls(list []Control) {
	var rows [][]string
	for _, c := range list {
		rows = append(rows, []string{c.Name, c.Phase, c.Wanted, c.saw(), either(c.OK, "yes", "NO")})
	}
	m.table("Control | Phase | Wanted | Seen | Holds", rows...)
}

func (m *markdown) fixes(list []Fix) {
	var rows [][]string
	for _, f := range list {
		rows = append(rows, []string{f.Name, string(f.Verdict), either(f.Expected, "yes", "NO"), f.Why, undone(f.Undone), seconds(f.Took)})
	}
	m.table("Fix | Verdict | As documented | Why | After the undo | Took", rows...)
	for _, f := range list {
		if f.Probe == nil {
			continue
		}
		m.line("### %s", md(f.Name))
		if f.Says != "" {
			m.line("%s.", md(strings.TrimSuffix(f.Says, ".")))
		}
		m.table("Probe | From | To | Wanted | Seen", probeRows(*f.Probe)...)
		if len(f.Broke) > 0 {
			m.line("Controls that broke: %s.", md(strings.Join(f.Broke, ", ")))
		}
		m.evidence(slices.Concat(f.Evidence, f.Own))
	}
}

// capital is a sentence that begins with a capital letter.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func undone(v *verdict.Verdict) string {
	if v == nil {
		return ""
	}
	return string(*v)
}

func (m *markdown) durations(d Durations) {
	var rows [][]string
	for _, p := range d.Phases {
		rows = append(rows, []string{p.Name, seconds(p.Took)})
	}
	m.table("Phase | Took", append(rows, []string{"the whole trial", seconds(d.Total)})...)
}
