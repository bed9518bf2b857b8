package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"testing"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/golden"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// measured is the invented trial with a matrix: one cell differs from its claim and one from what the scenario states,
// and a phase was not asked.
func measured() verdict.Trial {
	t := trial()
	m := &scenario.Matrix{
		Says: "The invented document's table", To: []string{"pod", "Service | of it"},
		From: []scenario.MatrixRow{
			{Name: "host", Node: "cloud", To: []string{"edge-pod:8080", "web:80"}, Claims: []scenario.Claim{scenario.Works, scenario.OnceFixed}},
			{Name: "pod", Node: "cloud-pod", To: []string{"edge-pod:8080", "web:80"}, Claims: []scenario.Claim{scenario.Works, scenario.Works}},
		},
		Before: [][]probe.Outcome{{probe.Delivered, probe.Timeout}, {probe.Delivered, probe.Delivered}},
		After:  []scenario.MatrixAfter{{Fix: "policy"}, {Fix: "nftables-mode"}},
	}
	t.Scenario.Matrix = m
	before := verdict.JudgeMatrix(*m, scenario.Before, false, [][]probe.Observation{{answered, silence}, {answered, silence}})
	before.Cells[1][1].Evidence = []evidence.Finding{findings(t.Scenario, 2, "SRC_NAT")[0]}
	t.Matrix = []verdict.Table{
		before,
		verdict.JudgeMatrix(*m, "policy", true, [][]probe.Observation{{answered, answered}, {answered, answered}}),
		verdict.NotAsked("nftables-mode", t.Fixes[2].Judgement),
	}
	return t
}

func TestReportsOfAMatrix(t *testing.T) {
	r := New(measured(), maker)
	golden.Check(t, "testdata/matrix.json", JSON(r))
	golden.Check(t, "testdata/matrix.md", Markdown(r))
	var b bytes.Buffer
	term := NewTerminal(&b, Options{})
	for _, table := range measured().Matrix {
		term.Tell(harness.Event{Time: began, Kind: harness.Measured, Text: table.Phase, Table: &table, OK: table.Expected})
	}
	term.Close(r, "")
	golden.Check(t, "testdata/matrix.txt", b.Bytes())
}

func TestMatrixListsAreNeverNull(t *testing.T) {
	x := measured()
	x.Matrix = []verdict.Table{{Phase: scenario.Before}}
	var r struct {
		Matrix struct {
			From, To []json.RawMessage
			Phases   []struct{ Cells []json.RawMessage }
		}
	}
	if err := json.Unmarshal(JSON(New(x, maker)), &r); err != nil {
		t.Fatal(err)
	}
	if r.Matrix.From == nil || r.Matrix.To == nil || len(r.Matrix.Phases) != 1 || r.Matrix.Phases[0].Cells == nil {
		t.Errorf("null in %+v", r)
	}
}

func TestJUnitOfAMatrix(t *testing.T) {
	var got testSuites
	if err := xml.Unmarshal(JUnit(New(measured(), maker)), &got); err != nil {
		t.Fatal(err)
	}
	cases := got.Suite.Cases[len(got.Suite.Cases)-3:]
	if cases[0].Failure == nil || cases[1].Failure != nil || cases[2].Skipped == nil {
		t.Errorf("%+v", cases)
	}
}
