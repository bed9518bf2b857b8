package verdict

import (
	"fmt"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// Table is the scenario's matrix as it was seen in one phase.
type Table struct {
	Phase    string   // scenario.Before, or the name of the fix in place
	Cells    [][]Cell // row by row; nil where it was not asked
	Expected bool     // every cell is as the scenario states it
	Why      string   // one line for a person
}

// Cell is one question of a matrix with the answer.
type Cell struct {
	Probe    scenario.Probe
	Claim    scenario.Claim
	Seen     probe.Observation
	Holds    bool               // what was seen is what the document claims
	Stated   probe.Outcome      // what the scenario says is seen; empty where it says nothing
	Evidence []evidence.Finding // around a second asking, where the claim does not hold
}

// AsStated says whether the cell is as the scenario states it, if it does.
func (c Cell) AsStated() bool { return c.Stated == "" || c.Stated == c.Seen.Outcome }

// JudgeMatrix judges a matrix by what was seen in a phase. fixed says that a documented fix was in place. Claims that do
// not hold are findings: the table is expected if every cell is as the scenario states it.
func JudgeMatrix(m scenario.Matrix, phase string, fixed bool, seen [][]probe.Observation) Table {
	t := Table{Phase: phase, Expected: true}
	stated := m.Measured(phase)
	all, differ := 0, 0
	for i, row := range m.From {
		var cells []Cell
		for k := range m.To {
			c := Cell{Probe: m.Probe(i, k), Claim: row.Claims[k]}
			if i < len(seen) && k < len(seen[i]) {
				c.Seen = seen[i][k]
			}
			if len(stated) > 0 {
				c.Stated = stated[i][k]
			}
			c.Holds = c.Claim.Holds(c.Seen.Outcome, fixed)
			switch {
			case c.Seen.Outcome == "":
				t.unexpected(fmt.Sprintf("%q was not asked", c.Probe.Name))
			case !c.AsStated():
				t.unexpected(fmt.Sprintf("%q is stated as %s; saw %s", c.Probe.Name, c.Stated, Saw(c.Seen)))
			}
			all++
			if !c.Holds {
				differ++
			}
			cells = append(cells, c)
		}
		t.Cells = append(t.Cells, cells)
	}
	if t.Expected {
		t.Why = fmt.Sprintf("%d of %d cells differ from the document", differ, all)
	}
	return t
}

// unexpected notes why a table is not as the scenario states it; the first reason stays.
func (t *Table) unexpected(why string) {
	if t.Expected {
		t.Expected, t.Why = false, why
	}
}

// NotAsked is the table of a phase that did not come about: j is the judgement on the fix that would have been in place,
// or on the fault. It is expected where that left nothing to ask.
func NotAsked(phase string, j Judgement) Table {
	left := j.Verdict == NotTried || j.Verdict == Unsupported
	return Table{Phase: phase, Expected: left && j.Expected, Why: fmt.Sprintf("not asked: %s: %s", j.Verdict, j.Why)}
}

// JudgeTogether holds the judgement on a fix that is made of inert ones against theirs: it is the documented one only if
// each of them was shown to be inert alone.
func JudgeTogether(f scenario.Fix, j Judgement, parts []Tried) Judgement {
	if j.Verdict != Fixed {
		return j
	}
	for _, name := range f.Together {
		alone := NotTried
		for _, p := range parts {
			if p.Fix.Name == name {
				alone = p.Judgement.Verdict
			}
		}
		if alone != Inert {
			j.Expected = false
			j.Why += fmt.Sprintf(", but it was not shown that %s is inert alone: %s", name, alone)
		}
	}
	if j.Expected {
		j.Why += "; alone, each part is inert"
	}
	return j
}
