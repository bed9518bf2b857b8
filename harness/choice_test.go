package harness_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// wires is pair with a choice: a's queue is long, else it is short.
const wires = `choices:
  - name: queue
    says: how many wait
    options:
      - {name: long, set: {nodes.a.sysctls.net.core.somaxconn: 4096}}
      - {name: short, set: {nodes.a.sysctls.net.core.somaxconn: 16}}
`

// choosing is trialOf on pair with wires. The runtime lacks what refused has an entry for, of the values of somaxconn.
func choosing(t *testing.T, inert string, refused ...string) (*harness.Trial, *fakeRuntime) {
	t.Helper()
	x, rt := trialOf(t, good+set, inert)
	x.Topology = func(set map[string]string) (*topology.Topology, error) {
		return topology.Parse("pair.yaml", []byte(pair+wires), set)
	}
	rt.checkErr = func(p *plan.Plan) error {
		for _, value := range refused {
			if queue(p) == value {
				return &lab.UnsupportedError{Runtime: "fake", Missing: []lab.Missing{{What: "room for " + value, Do: "buy some"}, {What: "time"}}}
			}
		}
		return nil
	}
	return x, rt
}

// queue is what a plan sets somaxconn to.
func queue(p *plan.Plan) string {
	for _, s := range p.Steps {
		if s, ok := s.(plan.SetSysctl); ok && s.Name == "net.core.somaxconn" {
			return s.Value
		}
	}
	return ""
}

func TestTheFirstOptionThatTheRuntimeCanCarry(t *testing.T) {
	for _, row := range []struct {
		name    string
		set     map[string]string
		refused []string
		queue   string // of every lab
		want    string // the record; empty: Unsupported
		why     string
	}{
		{"the first", nil, nil, "4096", "queue (how many wait): long, the first of long, short", ""},
		{"the next", nil, []string{"4096"}, "16", "queue (how many wait): short, because with queue=long runtime fake lacks room for 4096; time", ""},
		{"the one that is given", map[string]string{"queue": "short"}, nil, "16", "queue (how many wait): short, given", ""},
		{"none but the one that is given", map[string]string{"queue": "long"}, []string{"4096"}, "", "",
			"runtime fake: unsupported here:\n  - room for 4096: buy some\n  - time"},
		{"none", nil, []string{"4096", "16"}, "", "",
			"with queue=long: runtime fake: unsupported here:\n  - room for 4096: buy some\n  - time\nwith queue=short: runtime fake: unsupported here:\n  - room for 16: buy some\n  - time"},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, rt := choosing(t, idle, row.refused...)
			x.Set = row.set
			var built, notes []string
			rt.onUp = func(p *plan.Plan) { built = append(built, queue(p)) }
			x.Tell = func(e harness.Event) {
				if e.Kind == harness.Note {
					notes = append(notes, e.Text)
				}
			}
			out, err := x.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if row.want == "" {
				if out.Judgement.Verdict != verdict.Unsupported || out.Judgement.Why != row.why || len(out.Choices) > 0 || len(built) > 0 {
					t.Errorf("%+v, choices %v, built %v", out.Judgement, out.Choices, built)
				}
				return
			}
			if diff := cmp.Diff(row.want, fmt.Sprint(out.Choices[0])); diff != "" || len(out.Choices) != 1 {
				t.Error(diff)
			}
			if diff := cmp.Diff([]string{row.want}, notes); diff != "" {
				t.Error(diff)
			}
			// The base lab, and that of the fix by settings.
			if want := []string{row.queue, row.queue}; !cmp.Equal(want, built) {
				t.Errorf("built with %v, want %v", built, want)
			}
			if got, want := told(out), "Reproduced; good Fixed; set Fixed; idle Inert"; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestAnAnswerThatIsNone(t *testing.T) {
	x, rt := choosing(t, idle)
	rt.checkErr = func(*plan.Plan) error { return fmt.Errorf("no memory") }
	out, err := x.Run(t.Context())
	if err != nil || out.Judgement.Verdict != verdict.BrokenLab || out.Judgement.Why != "no memory" {
		t.Errorf("%v, %+v: want BrokenLab, not another option", err, out.Judgement)
	}
}

// Who chooses the runtime chooses by the plans of all labs, those of fixes among them, and the trial holds to that.
func TestChoose(t *testing.T) {
	x, rt := choosing(t, "  - {name: short-queue, set: {queue: short, nodes.b.sysctls.net.ipv4.tcp_ecn: 1}}\n")
	if _, err := x.Prepare(); err != nil {
		t.Fatal(err)
	}
	var asked []string
	refuse := func(value string) func([]harness.Prepared) string {
		return func(plans []harness.Prepared) string {
			for _, p := range plans {
				asked = append(asked, p.Fix+":"+queue(p.Plan))
			}
			if value == "" || queue(plans[0].Plan) == value {
				return "no room"
			}
			return ""
		}
	}
	if got, want := x.Choose(refuse("")), "with queue=long no room; with queue=short no room"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := strings.Join(asked, " "), ":4096 set:4096 short-queue:16 :16 set:16 short-queue:16"; got != want {
		t.Errorf("asked for %s\nwant      %s", got, want)
	}
	if got := x.Choose(refuse("4096")); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
	var built []string
	rt.onUp = func(p *plan.Plan) { built = append(built, queue(p)) }
	out, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := "queue (how many wait): short, because with queue=long no room"; fmt.Sprint(out.Choices[0]) != want {
		t.Errorf("got %s, want %s", out.Choices[0], want)
	}
	if want := []string{"16", "16", "16"}; !cmp.Equal(want, built) {
		t.Errorf("built with %v, want %v", built, want)
	}
}

// A fix may be another option; it is then no change where that option is taken anyhow, so the scenario must name its own.
func TestAnOptionAsAFix(t *testing.T) {
	x, rt := choosing(t, "  - {name: short-queue, set: {queue: short}}\n")
	_, err := x.Prepare()
	if err == nil || !strings.HasPrefix(err.Error(), "with queue=short: s.yaml:15:25: the settings of fix \"short-queue\" change nothing in the lab") {
		t.Errorf("got %v", err)
	}
	// What the command line sets may be what a fix sets: then it is the trial that shows it.
	x.Set = map[string]string{"queue": "short"}
	if _, err := x.Prepare(); err != nil {
		t.Errorf("given on the command line: %v", err)
	}
	x.Set, x.Scenario.Set = nil, map[string]string{"queue": "long"}
	var built []string
	rt.onUp = func(p *plan.Plan) { built = append(built, queue(p)) }
	out, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"4096", "4096", "16"}; !cmp.Equal(want, built) {
		t.Errorf("built with %v, want %v", built, want)
	}
	if got, want := told(out), "Reproduced; good Fixed; set Fixed; short-queue Inert"; got != want || !out.Choices[0].Given {
		t.Errorf("got %s, want %s, %+v", got, want, out.Choices)
	}
}

func TestEveryAlternativeIsPrepared(t *testing.T) {
	x, _ := choosing(t, idle)
	x.Scenario = must(t, strings.ReplaceAll(head, "from: a, to: \"b:80\"", "from: a, to: \"b@dummy0:80\"")+"fixes:\n"+good+"inert:\n"+idle)
	x.Topology = func(set map[string]string) (*topology.Topology, error) {
		dummy := "nodes.b.interfaces: [{name: eth0, addresses: 10.0.0.2/24}, {name: dummy0, dummy: {}, addresses: 10.0.1.1/24}]"
		return topology.Parse("pair.yaml", []byte(pair+strings.Replace(wires, "nodes.a.sysctls.net.core.somaxconn: 4096", dummy, 1)), set)
	}
	_, err := x.Prepare()
	if err == nil || !strings.HasPrefix(err.Error(), `with queue=short: s.yaml:4:41: node "b" has no interface "dummy0"`) {
		t.Errorf("got %v", err)
	}
	x.Set = map[string]string{"queue": "long"}
	if _, err := x.Prepare(); err != nil {
		t.Errorf("with the other option only: %v", err)
	}
	x.Scenario = must(t, strings.ReplaceAll(head, "from: a, to: \"b:80\"", "from: c, to: \"b:80\"")+"fixes:\n"+good+"inert:\n"+idle)
	x.Set = nil
	if _, err := x.Prepare(); err == nil || !strings.HasPrefix(err.Error(), "s.yaml:4:34: topology pair has no node \"c\"") || strings.Count(err.Error(), "\"c\"") != 1 {
		t.Errorf("what no option changes is told once: %v", err)
	}
}

func must(t *testing.T, text string) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}
