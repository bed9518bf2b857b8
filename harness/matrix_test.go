package harness_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// matrixOf is a matrix of a's ways to b: by the port of the control and by that of the fault.
func matrixOf(t *testing.T, claims, before, after string) *scenario.Matrix {
	t.Helper()
	text := head + "fixes:\n" + good + set + "inert:\n" + idle + fmt.Sprintf(`matrix:
  to: [control, fault]
  from: [{name: a, node: a, to: ["b:80", "b:81"], claims: [%s]}]
  before: [[%s]]
  after: [{fix: good, measured: [[%s]]}, {fix: set}]
  evidence: [{name: drops, on: a, xfrm: XfrmInNoPols, grows: true}]
`, claims, before, after)
	s, err := scenario.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s.Matrix
}

// cells is a table in a line: "before: delivered, timeout! (drops)".
func cells(table verdict.Table) string {
	var list []string
	for _, row := range table.Cells {
		for _, c := range row {
			text := string(c.Seen.Outcome)
			if !c.Holds {
				text += "!"
			}
			for _, e := range c.Evidence {
				text += fmt.Sprintf(" (%s %v)", e.Spec.Name, e.OK)
			}
			list = append(list, text)
		}
	}
	return table.Phase + ": " + strings.Join(append(list, table.Why), ", ")
}

// What the document claims to work is given the time to: a short timeout is for asking once more what was in vain.
func TestAnswersOfTheMatrixAreWaitedFor(t *testing.T) {
	x, rt := trialOf(t, good+set, idle)
	x.Scenario.Matrix = matrixOf(t, "works, works", "delivered, timeout", "delivered, delivered")
	x.Scenario.Matrix.Timeout = time.Second
	if _, err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := slices.Sorted(slices.Values(rt.waits[2:5])) // both cells at once, and one alone
	if d := cmp.Diff([]string{"control 4s", "fault 1s", "fault 4s"}, got); d != "" {
		t.Error(d)
	}
	if rt.waits[4] != "fault 1s" {
		t.Errorf("asked once more: %s", rt.waits[4])
	}
}

func TestMatrix(t *testing.T) {
	for _, row := range []struct {
		name                  string
		claims, before, after string
		only                  []string
		want                  []string
		code                  int
	}{
		{"as claimed and as stated", "works, once-fixed", "delivered, timeout", "delivered, delivered", nil, []string{
			"before: delivered, timeout, 0 of 2 cells differ from the document",
			"good: delivered, delivered, 0 of 2 cells differ from the document",
			"set: delivered, delivered, 0 of 2 cells differ from the document",
		}, 0},
		{"a claim that does not hold is a finding, with its evidence", "fails, works", "delivered, timeout", "delivered, delivered", nil, []string{
			"before: delivered! (drops false), timeout! (drops true), 2 of 2 cells differ from the document",
			"good: delivered! (drops false), delivered, 1 of 2 cells differ from the document",
			"set: delivered! (drops false), delivered, 1 of 2 cells differ from the document",
		}, 0},
		{"what the file states and the lab does not show is not as documented", "works, once-fixed", "delivered, delivered", "delivered, delivered", nil, []string{
			`before: delivered, timeout, "a to fault" is stated as delivered; saw timeout`,
			"good: delivered, delivered, 0 of 2 cells differ from the document",
			"set: delivered, delivered, 0 of 2 cells differ from the document",
		}, 1},
		{"under the fixes that are asked for", "works, once-fixed", "delivered, timeout", "delivered, delivered", []string{"good"}, []string{
			"before: not asked: NotTried: left out by the filter on fixes",
			"good: delivered, delivered, 0 of 2 cells differ from the document",
			"set: not asked: NotTried: left out by the filter on fixes",
		}, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, _ := trialOf(t, good+set, idle)
			x.Scenario.Matrix = matrixOf(t, row.claims, row.before, row.after)
			x.Only = row.only
			out, err := x.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, table := range out.Matrix {
				got = append(got, cells(table))
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
			if out.ExitCode() != row.code {
				t.Errorf("exit code %d, want %d", out.ExitCode(), row.code)
			}
		})
	}
}

func TestMatrixOfAFaultThatIsNotThere(t *testing.T) {
	x, _ := trialOf(t, good+set, idle)
	x.Scenario.Matrix = matrixOf(t, "works, once-fixed", "delivered, timeout", "delivered, delivered")
	x.Set = map[string]string{"nodes.a.sysctls.net.ipv4.tcp_ecn": "1"}
	out, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Matrix) != 3 || out.Matrix[0].Cells != nil || !strings.HasPrefix(out.Matrix[0].Why, "not asked: NotReproduced: ") || out.Matrix[0].Expected {
		t.Errorf("%+v", out.Matrix)
	}
}
