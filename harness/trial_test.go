package harness_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
	"github.com/faultline-lab/faultline/harness/verdict"
)

const pair = `topology: pair
nodes:
  - {name: a, role: host, interfaces: [{name: eth0, addresses: [10.0.0.1/24]}], sysctls: {net.ipv4.tcp_ecn: 0}}
  - {name: b, role: host, interfaces: [{name: eth0, addresses: [10.0.0.2/24]}], servers: [{tcp: [80, 81]}]}
links: [{a: "a:eth0", b: "b:eth0"}]
`

// head is a scenario without its fixes.
const head = `scenario: invented
title: a cannot ask b on port 81
topology: ./pair.yaml
controls: [{name: control, from: a, to: "b:80", want: delivered, peer: b, source: a}]
fault:
  probe: {name: fault, from: a, to: "b:81", want: timeout}
  mended: {want: delivered, peer: b}
  evidence: [{name: drops, on: a, xfrm: XfrmInNoPols, grows: true}]
`

func cmd(name, run, undo string) string {
	s := fmt.Sprintf("  - name: %s\n    run: [{on: a, cmd: [%s]}]\n", name, run)
	if undo != "" {
		return s + fmt.Sprintf("    undo: [{on: a, cmd: [%s]}]\n", undo)
	}
	return s + "    noUndo: it is for good\n"
}

var (
	good  = cmd("good", "mend", "unmend")
	idle  = cmd("idle", "nothing", "nothing")
	again = cmd("again", "mend", "unmend")
	set   = "  - {name: set, set: {nodes.a.sysctls.net.ipv4.tcp_ecn: 1}}\n"
	asked = "  - {name: asked, probe: {name: other way, from: b, to: \"b:81\", want: delivered, peer: b}}\n"
)

// trialOf is a trial of a scenario with those fixes on a runtime in memory.
func trialOf(t *testing.T, fixes, inert string) (*harness.Trial, *fakeRuntime) {
	t.Helper()
	s, err := scenario.Parse("s.yaml", []byte(head+"fixes:\n"+fixes+"inert:\n"+inert))
	if err != nil {
		t.Fatal(err)
	}
	rt := &fakeRuntime{}
	return &harness.Trial{
		Scenario: s,
		Runtime:  rt,
		Topology: func(set map[string]string) (*topology.Topology, error) {
			return topology.Parse("pair.yaml", []byte(pair), set)
		},
	}, rt
}

// told is the verdicts of a trial in a line: "Reproduced; good Fixed; idle Inert".
func told(out verdict.Trial) string {
	list := []string{string(out.Judgement.Verdict)}
	for _, f := range append(out.Fixes, out.Inert...) {
		list = append(list, f.Fix.Name+" "+string(f.Judgement.Verdict))
	}
	return strings.Join(list, "; ")
}

// A fault, an inert fix or a broken control that a longer wait would have answered is none: a short timeout is for showing
// again what was shown.
func TestAnswersAreWaitedFor(t *testing.T) {
	const breaks = "    expect: SideEffect\n    breaks: [control]\n"
	x, rt := trialOf(t, good, idle+cmd("breaks", "disturb", "nothing")+breaks)
	x.Scenario.Controls[0].Timeout, x.Scenario.Fault.Probe.Timeout = time.Second, time.Second
	if _, err := x.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"control 4s", "fault 4s",
		"control 4s", "fault 4s", "control 4s", "fault 1s", // good, and undone
		"control 4s", "fault 4s", "control 4s", "fault 1s", // idle
		"control 4s", "fault 4s", "control 4s", "fault 1s", // breaks
	}
	if d := cmp.Diff(want, rt.waits); d != "" {
		t.Error(d)
	}
}

func TestTrial(t *testing.T) {
	const shown = "up 1, 1 control, 1 fault"
	for _, row := range []struct {
		name         string
		fixes, inert string
		prepare      func(*harness.Trial, *fakeRuntime)
		want         string // verdicts
		trace        string
		code         int
	}{
		{"one lab while every undo brings the fault back", good, idle, nil, "Reproduced; good Fixed; idle Inert",
			shown + ", 1 mend, 1 control, 1 fault, 1 unmend, 1 control, 1 fault" +
				", 1 nothing, 1 control, 1 fault, 1 nothing, 1 control, 1 fault, close 1", 0},
		{"a fresh lab, shown anew, after a fix without undo", cmd("for-good", "mend", ""), idle, nil, "Reproduced; for-good Fixed; idle Inert",
			shown + ", 1 mend, 1 control, 1 fault, close 1" +
				", up 2, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, close 2", 0},
		{"a fresh lab where the undo does not bring the fault back", cmd("sticks", "mend", "nothing"), idle, nil, "Reproduced; sticks NotFixed; idle Inert",
			shown + ", 1 mend, 1 control, 1 fault, 1 nothing, 1 control, 1 fault, close 1" +
				", up 2, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, close 2", 1},
		{"a fresh lab where the undo brings the symptom back without its evidence", cmd("hides", "mend", "unmend]}, {on: a, cmd: [silence"), idle, nil,
			"Reproduced; hides NotFixed; idle Inert",
			shown + ", 1 mend, 1 control, 1 fault, 1 unmend, 1 silence, 1 control, 1 fault, close 1" +
				", up 2, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, close 2", 1},
		{"a fresh lab where the undo breaks a control", cmd("wrecks", "mend", "unmend]}, {on: a, cmd: [disturb"), idle, nil,
			"Reproduced; wrecks NotFixed; idle Inert",
			shown + ", 1 mend, 1 control, 1 fault, 1 unmend, 1 disturb, 1 control, 1 fault, close 1" +
				", up 2, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, close 2", 1},
		{"a lab of its own for settings, beside the one that shows the fault", set + again, idle, nil, "Reproduced; set Fixed; again Fixed; idle Inert",
			shown + ", up 2, 2 control, 2 fault, close 2, 1 mend, 1 control, 1 fault, 1 unmend, 1 control, 1 fault" +
				", 1 nothing, 1 control, 1 fault, 1 nothing, 1 control, 1 fault, close 1", 0},
		{"another way to ask leaves the lab as it was", cmd("for-good", "mend", ""), idle,
			func(x *harness.Trial, _ *fakeRuntime) {
				x.Scenario.Fixes = append(parseFixes(asked), x.Scenario.Fixes...)
			},
			"Reproduced; asked Fixed; for-good Fixed; idle Inert",
			shown + ", 1 control, 1 fault, 1 mend, 1 control, 1 fault, close 1" +
				", up 2, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, close 2", 0},
		{"only what was asked for", good + set, idle, func(x *harness.Trial, _ *fakeRuntime) { x.Only = []string{"set"} },
			"Reproduced; good NotTried; set Fixed; idle NotTried", shown + ", up 2, 2 control, 2 fault, close 2, close 1", 0},
		{"nothing is proven by the one fix that this kernel is too old for", "  - {name: new, needs: {kernel: '6.2'}, run: [{on: a, cmd: [mend]}], noUndo: it is for good}\n", idle, nil,
			"Reproduced; new Unsupported; idle Inert",
			shown + ", 1 nothing, 1 control, 1 fault, 1 nothing, 1 control, 1 fault, close 1", 3},
		{"settings that the place cannot carry", set, idle,
			func(_ *harness.Trial, rt *fakeRuntime) {
				rt.checkErr = func(p *plan.Plan) error {
					if strings.Contains(p.Script(), "tcp_ecn=1") {
						return &lab.UnsupportedError{Runtime: "fake", Missing: []lab.Missing{{What: "ECN"}}}
					}
					return nil
				}
			},
			"Reproduced; set Unsupported; idle Inert", shown + ", 1 nothing, 1 control, 1 fault, 1 nothing, 1 control, 1 fault, close 1", 3},
		{"a command that fails spoils its fix and its lab alone", cmd("fails", "fail", "unmend"), idle, nil, "Reproduced; fails BrokenLab; idle Inert",
			shown + ", 1 fail, close 1, up 2, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, close 2", 4},
		{"an undo that fails, too", cmd("fails", "mend", "fail"), idle, nil, "Reproduced; fails BrokenLab; idle Inert",
			shown + ", 1 mend, 1 control, 1 fault, 1 fail, close 1, up 2, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, close 2", 4},
		{"a lab that dies under a fix", cmd("deadly", "kill", "unmend"), idle, nil, "Reproduced; deadly BrokenLab; idle Inert",
			shown + ", 1 kill, close 1, up 2, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, 2 nothing, 2 control, 2 fault, close 2", 4},
		{"a fresh lab that does not come up", cmd("for-good", "mend", ""), idle,
			func(_ *harness.Trial, rt *fakeRuntime) { rt.upErr = second(errors.New("no memory")) },
			"Reproduced; for-good Fixed; idle BrokenLab", shown + ", 1 mend, 1 control, 1 fault, close 1, up 2", 4},
		{"an inert fix that helps", good, cmd("helps", "mend", "unmend"), nil, "Reproduced; good Fixed; helps Helped",
			shown + ", 1 mend, 1 control, 1 fault, 1 unmend, 1 control, 1 fault, 1 mend, 1 control, 1 fault, 1 unmend, 1 control, 1 fault, close 1", 1},
		{"an inert fix that breaks all else", good, cmd("disturbs", "disturb", ""), nil, "Reproduced; good Fixed; disturbs SideEffect",
			shown + ", 1 mend, 1 control, 1 fault, 1 unmend, 1 control, 1 fault, 1 disturb, 1 control, 1 fault, close 1", 1},
		{"nothing is tried without the fault", good, idle, func(x *harness.Trial, _ *fakeRuntime) {
			x.Set = map[string]string{"nodes.a.sysctls.net.ipv4.tcp_ecn": "1"}
		}, "NotReproduced; good NotTried; idle NotTried", shown + ", close 1", 1},
		{"nothing is built where the place cannot carry it", good, idle, func(_ *harness.Trial, rt *fakeRuntime) {
			rt.checkErr = func(*plan.Plan) error { return fmt.Errorf("%w: no veth", lab.ErrUnsupported) }
		}, "Unsupported; good NotTried; idle NotTried", "", 3},
		{"nothing is said where the kernel lacks what the evidence is", good, idle, func(_ *harness.Trial, rt *fakeRuntime) {
			rt.lacks = "this kernel has no nfacct"
		}, "Unsupported; good NotTried; idle NotTried", "up 1, 1 control, close 1", 3},
		{"the lab does not come up", good, idle, func(_ *harness.Trial, rt *fakeRuntime) {
			rt.upErr = func(int) error { return errors.New("no memory") }
		}, "BrokenLab; good NotTried; idle NotTried", "up 1", 4},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, rt := trialOf(t, row.fixes, row.inert)
			if row.prepare != nil {
				row.prepare(x, rt)
			}
			out, err := x.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, told(out)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(strings.ReplaceAll(row.trace, ", ", "\n"), strings.Join(rt.trace, "\n")); diff != "" {
				t.Error(diff)
			}
			if out.ExitCode() != row.code {
				t.Errorf("exit code %d, want %d", out.ExitCode(), row.code)
			}
			if len(rt.open) > 0 {
				t.Errorf("labs left open: %v", rt.open)
			}
		})
	}
}

// Evidence that the place does not have is not asked for, and that is told.
func TestEvidenceLeftOut(t *testing.T) {
	x, _ := trialOf(t, good, idle)
	x.Scenario.Fault.Evidence = append(x.Scenario.Fault.Evidence,
		evidence.Spec{Name: "newer", On: "a", Xfrm: "XfrmInNoStates", Want: x.Scenario.Fault.Evidence[0].Want, Needs: evidence.Needs{Kernel: "6.2"}})
	var notes []string
	x.Tell = func(e harness.Event) {
		if e.Kind == harness.Note {
			notes = append(notes, e.Text)
		}
	}
	out, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("Reproduced; good Fixed; idle Inert", told(out)); diff != "" {
		t.Error(diff)
	}
	want := []string{"newer: needs kernel 6.2 or newer, here it is 6.1.0"}
	if diff := cmp.Diff(want, out.LeftOut); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"evidence left out: " + want[0]}, notes); diff != "" {
		t.Error(diff)
	}
	if len(out.Fault.Evidence) != 1 || !out.Expected() {
		t.Errorf("as expected: %v; evidence %+v", out.Expected(), out.Fault.Evidence)
	}
}

func second(err error) func(int) error {
	return func(n int) error {
		if n == 2 {
			return err
		}
		return nil
	}
}

func parseFixes(text string) []scenario.Fix {
	s, err := scenario.Parse("s.yaml", []byte(head+"fixes:\n"+text+"inert:\n"+idle))
	if err != nil {
		panic(err)
	}
	return s.Fixes
}

// A probe that fails under another way to ask may be the lab's end: the next fix does not get that lab.
func TestALabThatDiesUnderAProbe(t *testing.T) {
	x, rt := trialOf(t, asked+good, idle)
	rt.onControl = func(l *fakeLab, nth int) {
		if nth == 2 { // the first is the lab's own
			l.dead = true
		}
	}
	out, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("Reproduced; asked BrokenLab; good Fixed; idle Inert", told(out)); diff != "" {
		t.Error(diff)
	}
}

// What never ends on a lab ends its fix, not the trial.
func TestWhatNeverEnds(t *testing.T) {
	for _, row := range []struct{ name, run, why string }{
		{"a command", "block", "a: run block: context deadline exceeded"},
		{"a reader of evidence", "stick", `evidence before "fault": on a: ask the evidence reader: context deadline exceeded`},
	} {
		t.Run(row.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x, rt := trialOf(t, cmd("hangs", row.run, "unmend")+good, idle)
				start := time.Now()
				out, err := x.Run(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff("Reproduced; hangs BrokenLab; good Fixed; idle Inert", told(out)); diff != "" {
					t.Error(diff)
				}
				if why := out.Fixes[0].Judgement.Why; why != row.why {
					t.Errorf("got  %s\nwant %s", why, row.why)
				}
				if took := time.Since(start); took > 5*time.Minute {
					t.Errorf("it took %v", took)
				}
				if len(rt.open) > 0 {
					t.Errorf("labs left open: %v", rt.open)
				}
			})
		})
	}
}
