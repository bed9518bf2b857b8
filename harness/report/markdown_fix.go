package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// fixes writes a table of fixes, and of each what it is and what was seen.
func (m *markdown) fixes(list []Fix, inert bool) {
	var rows [][]string
	for _, f := range list {
		rows = append(rows, []string{f.Name, string(f.Verdict), f.documented(), brief(f.Why), f.undone(), either(f.tried(), seconds(f.Took), "-")})
	}
	m.table("Fix | Verdict | As documented | Why | After the undo | Took", rows...)
	for _, f := range list {
		m.line("### %s", md(f.Name))
		if f.Says != "" {
			m.line("%s.", md(strings.TrimSuffix(f.Says, ".")))
		}
		m.change(f)
		if f.Probe != nil {
			m.underFix(f, inert)
		}
	}
}

// change writes what a fix is, so that a person can do the same elsewhere.
func (m *markdown) change(f Fix) {
	m.commands("Run", f.Run)
	if len(f.Set) > 0 {
		m.line("Set, in a lab of its own:")
		m.code(strings.Join(f.Set.lines(), "\n"))
	}
	if f.Asks != "" {
		m.line("Ask instead: %s.", md(f.Asks))
	}
	m.commands("Undo", f.Undo)
	if f.NoUndo != "" {
		m.line("Undo: none, %s.", md(strings.TrimSuffix(f.NoUndo, ".")))
	}
}

func (m *markdown) commands(title string, list []Command) {
	if len(list) == 0 {
		return
	}
	lines := make([]string, len(list))
	for i, c := range list {
		if c.Restart != "" {
			lines[i] = c.On + ": restart " + c.Restart
			continue
		}
		lines[i] = c.On + "# " + plan.Shell(c.Cmd...)
		if c.Stdin != "" {
			lines[i] += " <<'EOF'\n" + strings.TrimRight(c.Stdin, "\n") + "\nEOF"
		}
	}
	m.line("%s:", title)
	m.code(strings.Join(lines, "\n"))
}

// underFix writes what was seen while a fix was in place.
func (m *markdown) underFix(f Fix, inert bool) {
	m.table("Probe | From | To | Wanted | Seen", probeRows(*f.Probe)...)
	if len(f.Broke) > 0 {
		m.line("Controls that broke: %s.", md(strings.Join(f.Broke, ", ")))
	}
	word := f.mended
	if inert {
		word = f.left
	}
	m.findings("Sign of the fault | On | Shows it | Before | After | Under this fix", f.Evidence, word)
	if len(f.Own) > 0 {
		m.evidence("Evidence of the fix", f.Own)
	}
}

// mended says what became of evidence of the fault that a fix is to take away.
func (f Fix) mended(e Evidence) string {
	leaves := slices.Contains(f.Leaves, e.Name) || f.Verdict == verdict.Hidden && f.Expected
	switch {
	case e.OK && leaves:
		return "still there, as documented (the fix leaves it)"
	case e.OK:
		return "STILL THERE"
	case leaves:
		return "GONE, though the fix is documented to leave it"
	}
	return "gone"
}

// left says what became of evidence of the fault that an inert fix is to leave.
func (f Fix) left(e Evidence) string {
	switch {
	case e.OK:
		return "still there"
	case f.Expected:
		return "gone, as documented"
	}
	return "GONE"
}

// documented says whether the verdict is the documented one; nothing where nothing was tried.
func (f Fix) documented() string {
	if !f.tried() && (f.Verdict == verdict.NotTried || !f.Expected) {
		return "-"
	}
	return either(f.Expected, "yes", "NO")
}

// undone says what there was after the undo, or why there was none.
func (f Fix) undone() string {
	switch {
	case f.Undone != nil:
		return string(*f.Undone)
	case f.Probe == nil:
		return "" // not tried
	case len(f.Set) > 0:
		return "a lab of its own"
	case f.Asks != "":
		return "nothing to undo"
	}
	return either(f.NoUndo != "", "no undo", "")
}

// lines are the settings as --set takes them, sorted by path.
func (s Settings) lines() []string {
	var list []string
	for _, path := range slices.Sorted(maps.Keys(s)) {
		list = append(list, fmt.Sprintf("%s=%s", path, s[path]))
	}
	return list
}

// String is the settings on a line.
func (s Settings) String() string { return strings.Join(s.lines(), ", ") }
