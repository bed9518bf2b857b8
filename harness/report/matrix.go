package report

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// Matrix is the document's table of who reaches whom, with what was measured.
type Matrix struct {
	Says   string        `json:"says,omitempty"` // one sentence about where the claims stand
	From   []string      `json:"from"`           // the heads of the rows
	To     []string      `json:"to"`             // the heads of the columns
	Phases []MatrixPhase `json:"phases"`         // "before" and the fixes under which it was asked, in the scenario's order
}

// MatrixPhase is the matrix as it was measured in one state of the lab.
type MatrixPhase struct {
	Phase    string   `json:"phase"`    // "before", or the name of the fix in place
	Asked    bool     `json:"asked"`    // cells is empty otherwise
	Expected bool     `json:"expected"` // every cell is as the scenario states it
	Why      string   `json:"why"`
	Cells    [][]Cell `json:"cells"` // row by row
}

// Cell is one question of the matrix with the answer.
type Cell struct {
	Probe               // wanted is what the scenario states, empty where it states nothing; ok that it was seen
	Claim    string     `json:"claim"`    // of the document: "works", "once-fixed" or "fails"
	Holds    bool       `json:"holds"`    // what was seen is what the document claims
	Evidence []Evidence `json:"evidence"` // around a second asking, where the claim does not hold
}

func newMatrix(t verdict.Trial) *Matrix {
	m := t.Scenario.Matrix
	if m == nil {
		return nil
	}
	out := &Matrix{Says: m.Says, From: []string{}, To: m.To, Phases: []MatrixPhase{}}
	for _, row := range m.From {
		out.From = append(out.From, row.Name)
	}
	for _, table := range t.Matrix {
		p := MatrixPhase{Phase: table.Phase, Asked: table.Cells != nil, Expected: table.Expected, Why: table.Why, Cells: [][]Cell{}}
		for _, row := range table.Cells {
			var cells []Cell
			for _, c := range row {
				cells = append(cells, newCell(c))
			}
			p.Cells = append(p.Cells, cells)
		}
		out.Phases = append(out.Phases, p)
	}
	return out
}

func newCell(c verdict.Cell) Cell {
	out := Cell{
		Probe: newProbe(verdict.Probed{Probe: c.Probe, Wanted: scenario.Expectation{Want: c.Stated}, Seen: c.Seen}),
		Claim: string(c.Claim), Holds: c.Holds, Evidence: newEvidence(c.Evidence),
	}
	out.OK = c.AsStated()
	return out
}

// mark is what stands beside an outcome in a table: "!" where the document claims something else, "?" where the scenario
// itself states something else.
func (c Cell) mark() string {
	return string(c.Outcome) + either(c.Holds, "", " !") + either(c.OK, "", " ?")
}

// rows are the matrix as a table with a line for each cell: from, to, the claim, and what was seen in each phase.
func (m Matrix) rows() (head []string, rows [][]string) {
	head = []string{"from", "to", "document"}
	for _, p := range m.Phases {
		head = append(head, p.Phase)
	}
	for i, from := range m.From {
		for k, to := range m.To {
			row := []string{from, to, ""}
			for _, p := range m.Phases {
				seen := "not asked"
				if p.Asked {
					seen, row[2] = p.Cells[i][k].mark(), p.Cells[i][k].Claim
				}
				row = append(row, seen)
			}
			rows = append(rows, row)
		}
	}
	return head, rows
}

// legend says what the marks mean, if there are any.
func (m Matrix) legend() []string {
	var differs, unstated bool
	for _, p := range m.Phases {
		for _, row := range p.Cells {
			for _, c := range row {
				differs, unstated = differs || !c.Holds, unstated || !c.OK
			}
		}
	}
	var lines []string
	if differs {
		lines = append(lines, "! not what the document claims")
	}
	if unstated {
		lines = append(lines, "? not what the scenario states")
	}
	return lines
}

// differences are the cells that do not hold their claim, with what the kernel showed.
func (p MatrixPhase) differences() []string {
	var lines []string
	for _, row := range p.Cells {
		for _, c := range row {
			if c.Holds {
				continue
			}
			line := fmt.Sprintf("%s: %s", c.Name, c.saw())
			for _, e := range c.Evidence {
				if e.OK {
					line += "; " + e.Name
				}
			}
			lines = append(lines, line)
		}
	}
	return lines
}

// measured tells how a matrix came out; the table itself stands at the end of the story.
func (t *Terminal) measured(e harness.Event) {
	if e.Table == nil {
		return
	}
	why := e.Table.Why
	if !e.Table.Expected {
		why = t.style.red(printable(why))
	}
	t.block("matrix    ", oneLine(e.Text)+": "+why)
}

// matrix writes the matrix as a table.
func (t *Terminal) matrix(m *Matrix) {
	if m == nil {
		return
	}
	head, rows := m.rows()
	wide := make([]int, len(head))
	for _, row := range append([][]string{head}, rows...) {
		for i, c := range row {
			wide[i] = max(wide[i], utf8.RuneCountInString(oneLine(c)))
		}
	}
	t.line("")
	last := ""
	for n, row := range append([][]string{head}, rows...) {
		var line strings.Builder
		for i, c := range row {
			c = oneLine(c)
			if i == 0 && c == last {
				c = ""
			}
			text := pad(c, wide[i])
			switch {
			case n == 0:
				text = t.style.bold(text)
			case strings.HasSuffix(c, "?"):
				text = t.style.red(text)
			case strings.HasSuffix(c, "!"):
				text = t.style.yellow(text)
			}
			line.WriteString("  " + text)
		}
		last = oneLine(row[0])
		t.line("%s", strings.TrimRight(line.String(), " "))
	}
	for _, l := range m.legend() {
		t.line("  %s", l)
	}
	for _, p := range m.Phases {
		if lines := p.differences(); len(lines) > 0 {
			t.line("")
			t.line("  what the document does not say, %s:", either(p.Phase == scenario.Before, p.Phase+" any fix", "with "+oneLine(p.Phase)))
			for _, l := range lines {
				t.line("    %s", oneLine(l))
			}
		}
	}
}

func (m *markdown) matrix(x *Matrix) {
	if x == nil {
		return
	}
	m.line("## Who reaches whom")
	if x.Says != "" {
		m.line("%s.", md(strings.TrimSuffix(x.Says, ".")))
	}
	head, rows := x.rows()
	for i, h := range head {
		head[i] = md(h)
	}
	m.table(strings.Join(head, " | "), rows...)
	for _, l := range x.legend() {
		m.line("`%s` %s.", l[:1], l[2:])
	}
	for _, p := range x.Phases {
		m.line("### %s", md(p.Phase))
		m.line("%s.", md(p.Why))
		for _, row := range p.Cells {
			for _, c := range row {
				if !c.Holds {
					m.line("%s: %s", md(c.Name), md(c.saw()))
					m.evidence(c.Evidence)
				}
			}
		}
	}
}

// testCase is a phase of the matrix as CI systems read it.
func (p MatrixPhase) testCase(class string) testCase {
	c := testCase{Class: class, Name: "matrix " + p.Phase, Time: junitTime(0), Out: printable(strings.Join(append([]string{p.Why}, p.differences()...), "\n"))}
	switch {
	case !p.Expected:
		c.Failure = &problem{Message: printable(p.Why), Type: "Matrix"}
	case !p.Asked:
		c.Skipped = &problem{Message: printable(p.Why)}
	}
	return c
}
