package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/probe"
)

// Matrix is a table of a document that says who reaches whom. Every cell is asked on the lab that shows the fault, and
// again while fixes are in place; what is seen stands beside the claim. A claim that does not hold is a finding, not a
// failure. What a trial is held to is Measured: an outcome that the file states and that is not seen makes the trial one
// that is not as documented.
type Matrix struct {
	Says    string            `yaml:"says,omitempty" json:"says,omitempty"`       // one sentence about where the claims stand
	Timeout time.Duration     `yaml:"timeout,omitempty" json:"timeout,omitempty"` // of each probe that was in vain before; default probe.DefaultTimeout, which is the least of any other
	To      []string          `yaml:"to" json:"to"`                               // the heads of the columns
	From    []MatrixRow       `yaml:"from" json:"from"`                           // the rows
	Before  [][]probe.Outcome `yaml:"before,omitempty" json:"before,omitempty"`   // measured without a fix, row by row; empty states nothing
	After   []MatrixAfter     `yaml:"after,omitempty" json:"after,omitempty"`     // the fixes under which it is asked again
	// Evidence is read around each cell that does not hold its claim, to say why: what holds is told.
	Evidence []evidence.Spec `yaml:"evidence,omitempty" json:"evidence,omitempty"`
}

// MatrixRow is what one source reaches.
type MatrixRow struct {
	Name   string   `yaml:"name" json:"name"`
	Node   string   `yaml:"node" json:"node"`     // that asks
	To     []string `yaml:"to" json:"to"`         // targets, one for each column: "node:port", "service:port" or "node@interface:port"
	Claims []Claim  `yaml:"claims" json:"claims"` // one for each column
}

// MatrixAfter asks for the matrix again while a fix, documented or inert, is in place.
type MatrixAfter struct {
	Fix      string            `yaml:"fix" json:"fix"`
	Measured [][]probe.Outcome `yaml:"measured,omitempty" json:"measured,omitempty"` // row by row; empty states nothing
}

// Claim is what the document says of a cell.
type Claim string

// The claims. An inert fix is none: under it a cell that works once fixed is claimed not to work.
const (
	Works     Claim = "works"
	OnceFixed Claim = "once-fixed" // works with a documented fix in place, and not without
	Fails     Claim = "fails"
)

// Claims lists every Claim.
func Claims() []Claim { return []Claim{Works, OnceFixed, Fails} }

// Holds says whether an outcome is what the document says.
func (c Claim) Holds(o probe.Outcome, fixed bool) bool {
	return (o == probe.Delivered) == (c == Works || c == OnceFixed && fixed)
}

// Before is the name of the phase in which the matrix is asked without a fix.
const Before = "before"

// Phases lists the phases in which the matrix is asked: Before, and the fixes. A nil Matrix has none.
func (m *Matrix) Phases() []string {
	if m == nil {
		return nil
	}
	phases := []string{Before}
	for _, a := range m.After {
		phases = append(phases, a.Fix)
	}
	return phases
}

// Measured is what the file states for a phase, row by row; nil where it states nothing.
func (m *Matrix) Measured(phase string) [][]probe.Outcome {
	if phase == Before {
		return m.Before
	}
	for _, a := range m.After {
		if a.Fix == phase {
			return a.Measured
		}
	}
	return nil
}

// Probe is the question of a cell.
func (m *Matrix) Probe(row, column int) Probe {
	r := m.From[row]
	return Probe{Name: r.Name + " to " + m.To[column], From: r.Node, To: r.To[column], Proto: probe.TCP, Timeout: m.Timeout}
}

func (m *Matrix) setDefaults() {
	if m != nil && m.Timeout == 0 {
		m.Timeout = probe.DefaultTimeout
	}
}

func (r rules) matrix() {
	m, at := r.s.Matrix, r.s.at("matrix")
	if m == nil || r.Broken(at) {
		return
	}
	r.timeout(at+".timeout", m.Timeout)
	r.atLeastOne(at+".to", "columns", len(m.To), "write the heads of the columns")
	r.atLeastOne(at+".from", "rows", len(m.From), "write who asks")
	for i, row := range m.From {
		r.matrixRow(fmt.Sprintf("%s.from[%d]", at, i), row, len(m.To))
	}
	r.measured(at+".before", m.Before)
	var names []string
	for _, f := range r.s.fixes() {
		if f.fix.Probe == nil { // which changes nothing for the others
			names = append(names, f.fix.Name)
		}
	}
	for i, a := range m.After {
		path := fmt.Sprintf("%s.after[%d]", at, i)
		if !slices.Contains(names, a.Fix) {
			r.Errorf(path+".fix", yamlfile.Suggest(a.Fix, names), "no fix or inert fix %q that changes the lab", a.Fix)
		}
		r.measured(path+".measured", a.Measured)
	}
}

func (r rules) matrixRow(path string, row MatrixRow, columns int) {
	r.need(path, "name", row.Name, "name the row as the document does")
	r.need(path, "node", row.Node, "name the node that asks")
	r.perColumn(path+".to", len(row.To), columns)
	r.perColumn(path+".claims", len(row.Claims), columns)
	for i, to := range row.To {
		if !isTarget(to) {
			r.Errorf(fmt.Sprintf("%s.to[%d]", path, i), `write "node:port", "service:port" or "node@interface:port"`, "%q does not name a port", to)
		}
	}
	var known []string
	for _, c := range Claims() {
		known = append(known, string(c))
	}
	for i, c := range row.Claims {
		if !slices.Contains(known, string(c)) {
			r.Errorf(fmt.Sprintf("%s.claims[%d]", path, i), yamlfile.Suggest(string(c), known), "%q is not a claim", c)
		}
	}
}

// perColumn checks a list that has something for each column.
func (r rules) perColumn(path string, n, columns int) {
	if n != columns {
		r.Errorf(path, "write one for each column", "%d of %d columns", n, columns)
	}
}

// measured checks what the file states for a phase.
func (r rules) measured(path string, rows [][]probe.Outcome) {
	if !r.Has(path) {
		return
	}
	if n := len(r.s.Matrix.From); len(rows) != n {
		r.Errorf(path, "write a list for each row", "%d of %d rows", len(rows), n)
	}
	var known []string
	for _, o := range probe.Outcomes() {
		known = append(known, string(o))
	}
	for i, row := range rows {
		path := fmt.Sprintf("%s[%d]", path, i)
		r.perColumn(path, len(row), len(r.s.Matrix.To))
		for k, o := range row {
			if !slices.Contains(known, string(o)) {
				r.Errorf(fmt.Sprintf("%s[%d]", path, k), yamlfile.Suggest(string(o), known), "%q is not an outcome", o)
			}
		}
	}
}

func (n *names) matrix(m *Matrix) {
	if m == nil {
		return
	}
	for i, row := range m.From {
		path := fmt.Sprintf("%s.from[%d]", n.s.at("matrix"), i)
		n.add(path+".node", Node, row.Node)
		for k, to := range row.To {
			n.target(fmt.Sprintf("%s.to[%d]", path, k), to, probe.TCP)
		}
	}
}
