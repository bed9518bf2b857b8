package verdict

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// twoByTwo is a matrix in which b reaches c only once it is fixed.
func twoByTwo() scenario.Matrix {
	return scenario.Matrix{
		To: []string{"c", "d"},
		From: []scenario.MatrixRow{
			{Name: "a", Node: "a", To: []string{"c:80", "d:80"}, Claims: []scenario.Claim{scenario.Works, scenario.Works}},
			{Name: "b", Node: "b", To: []string{"c:80", "d:80"}, Claims: []scenario.Claim{scenario.OnceFixed, scenario.Fails}},
		},
		Before: [][]probe.Outcome{{probe.Delivered, probe.Delivered}, {probe.Timeout, probe.Refused}},
		After:  []scenario.MatrixAfter{{Fix: "fix"}},
	}
}

func TestJudgeMatrix(t *testing.T) {
	for _, row := range []struct {
		name     string
		phase    string
		fixed    bool
		lie      func([][]probe.Observation)
		holds    [2][2]bool
		expected bool
		why      string
	}{
		{"everything as claimed and stated", scenario.Before, false, func([][]probe.Observation) {},
			[2][2]bool{{true, true}, {true, true}}, true, "0 of 4 cells differ from the document"},
		{"a path that is claimed and does not work", scenario.Before, false, func(s [][]probe.Observation) { s[0][1] = lost },
			[2][2]bool{{true, false}, {true, true}}, false, `"a to d" is stated as delivered; saw timeout (dial: i/o timeout)`},
		{"a path that works before it is fixed", scenario.Before, false, func(s [][]probe.Observation) { s[1][0] = delivered },
			[2][2]bool{{true, true}, {false, true}}, false, `"b to c" is stated as timeout; saw delivered by edge-pod from 10.0.0.2`},
		{"another outcome than stated, as claimed all the same", scenario.Before, false, func(s [][]probe.Observation) { s[1][1] = lost },
			[2][2]bool{{true, true}, {true, true}}, false, `"b to d" is stated as refused; saw timeout (dial: i/o timeout)`},
		{"a cell that was not asked", scenario.Before, false, func(s [][]probe.Observation) { s[0] = s[0][:1] },
			[2][2]bool{{true, false}, {true, true}}, false, `"a to d" was not asked`},
		{"a fix must make the way free", "fix", true, func([][]probe.Observation) {},
			[2][2]bool{{true, true}, {false, true}}, true, "1 of 4 cells differ from the document"},
		{"an inert fix must not", "fix", false, func([][]probe.Observation) {},
			[2][2]bool{{true, true}, {true, true}}, true, "0 of 4 cells differ from the document"},
	} {
		t.Run(row.name, func(t *testing.T) {
			seen := [][]probe.Observation{{delivered, delivered}, {lost, refused}}
			row.lie(seen)
			got := JudgeMatrix(twoByTwo(), row.phase, row.fixed, seen)
			var holds [2][2]bool
			for i, cells := range got.Cells {
				for k, c := range cells {
					holds[i][k] = c.Holds
				}
			}
			if diff := cmp.Diff(row.holds, holds); diff != "" {
				t.Error(diff)
			}
			if got.Expected != row.expected || got.Why != row.why {
				t.Errorf("got %v %q, want %v %q", got.Expected, got.Why, row.expected, row.why)
			}
		})
	}
}

func TestJudgeTogether(t *testing.T) {
	f := scenario.Fix{Name: "whole", Together: []string{"one", "two"}}
	fixed := Judgement{Fixed, true, "delivered"}
	parts := func(one, two Verdict) []Tried {
		return []Tried{
			{Fix: scenario.Fix{Name: "one"}, Judgement: Judgement{Verdict: one, Expected: true}},
			{Fix: scenario.Fix{Name: "two"}, Judgement: Judgement{Verdict: two, Expected: true}},
		}
	}
	for _, row := range []struct {
		name  string
		j     Judgement
		parts []Tried
		want  Judgement
	}{
		{"each part is inert alone", fixed, parts(Inert, Inert), Judgement{Fixed, true, "delivered; alone, each part is inert"}},
		{"a part helped", fixed, parts(Inert, Helped), Judgement{Fixed, false, "delivered, but it was not shown that two is inert alone: Helped"}},
		{"a part was not tried", fixed, parts(NotTried, Inert), Judgement{Fixed, false, "delivered, but it was not shown that one is inert alone: NotTried"}},
		{"a part is missing", fixed, parts(Inert, Inert)[:1], Judgement{Fixed, false, "delivered, but it was not shown that two is inert alone: NotTried"}},
		{"it does not mend", Judgement{NotFixed, false, "timeout"}, parts(Inert, Inert), Judgement{NotFixed, false, "timeout"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := JudgeTogether(f, row.j, row.parts); got != row.want {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
}

func TestATrialOwesItsMatrix(t *testing.T) {
	for _, row := range []struct {
		name string
		lie  func(*Trial)
		want int
	}{
		{"as stated", func(*Trial) {}, 0},
		{"a phase not as stated", func(x *Trial) { x.Matrix[1].Expected = false }, 1},
		{"a phase is missing", func(x *Trial) { x.Matrix = x.Matrix[:1] }, 1},
		{"a phase left out by a filter", func(x *Trial) { x.Matrix[1] = NotAsked("fix", JudgeLeftOut()) }, 0},
		{"a phase that nobody asked", func(x *Trial) { x.Matrix[1] = NotAsked("fix", Judgement{Fixed, true, ""}) }, 1},
		{"another phase than is wanted", func(x *Trial) { x.Matrix[1].Phase = "other" }, 1},
		{"a row that was not asked", func(x *Trial) { x.Matrix[0].Cells = x.Matrix[0].Cells[:1] }, 1},
		{"a cell that was not asked", func(x *Trial) { x.Matrix[0].Cells[1] = x.Matrix[0].Cells[1][:1] }, 1},
		{"a cell that was asked twice", func(x *Trial) { x.Matrix[0].Cells[1][1] = x.Matrix[0].Cells[1][0] }, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			x := wholeTrial()
			m := twoByTwo()
			x.Scenario.Matrix = &m
			seen := [][]probe.Observation{{delivered, delivered}, {lost, refused}}
			x.Matrix = []Table{JudgeMatrix(m, scenario.Before, false, seen), JudgeMatrix(m, "fix", true, seen)}
			row.lie(&x)
			if got := x.ExitCode(); got != row.want {
				t.Errorf("exit code %d, want %d", got, row.want)
			}
		})
	}
}
