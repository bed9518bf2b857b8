package report

import (
	"encoding/xml"
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// refusal is a control that does not hold.
var refusal = probe.Observation{Outcome: probe.Refused, Detail: "connect: connection refused"}

// green is an invented trial in which everything came out as documented: one fix breaks the control, as its price.
func green() verdict.Trial {
	s := experiment()
	s.Fixes[1].Expect, s.Fixes[1].Breaks = string(verdict.SideEffect), []string{"host to pod IP"}
	s.Inert = s.Inert[:1]
	t := trial()
	t.Scenario = s
	for i := range t.Fixes {
		t.Fixes[i].Fix = s.Fixes[i]
	}
	t.Inert = t.Inert[:1]
	judge(&t)
	return t
}

// judge judges anew all that was seen.
func judge(t *verdict.Trial) {
	if t.Fault != nil {
		t.Judgement = verdict.JudgeFault(t.Scenario, *t.Fault)
	}
	for i, f := range t.Fixes {
		if f.Seen != nil {
			t.Fixes[i].Judgement = verdict.JudgeFix(t.Scenario, f.Fix, *f.Seen)
		}
	}
	for i, f := range t.Inert {
		if f.Seen != nil {
			t.Inert[i].Judgement = verdict.JudgeInert(t.Scenario, f.Fix, *f.Seen)
		}
	}
}

func untried(t *verdict.Trial, j verdict.Judgement) {
	for _, list := range [][]verdict.Tried{t.Fixes, t.Inert} {
		for i := range list {
			list[i].Seen, list[i].Judgement = nil, j
		}
	}
}

// JUnit is red if and only if the exit code is, but for what is unsupported here: that is skipped.
func TestJUnitIsGreenExactlyWithTheExitCode(t *testing.T) {
	for _, row := range []struct {
		name string
		lie  func(*verdict.Trial)
		code int
		bad  string // name of the test cases that fail
	}{
		{"everything as documented, a fix with its price", func(*verdict.Trial) {}, 0, ""},
		{"a fix left out", func(x *verdict.Trial) { x.Fixes[0].Seen, x.Fixes[0].Judgement = nil, verdict.JudgeLeftOut() }, 0, ""},
		{"a control that breaks under a fix without a price", func(x *verdict.Trial) {
			x.Fixes[0].Seen.Controls = controls(x.Scenario, refusal)
		}, 1, "control host to pod IP (fix policy), fix policy"},
		{"a price that is not paid", func(x *verdict.Trial) {
			x.Fixes[1].Seen.Controls = controls(x.Scenario, answered)
		}, 1, "fix iptables-mode"},
		{"a control that breaks under a look-alike", func(x *verdict.Trial) {
			x.Inert[0].Seen.Controls = controls(x.Scenario, refusal)
		}, 1, "control host to pod IP (inert wrong-direction), inert wrong-direction"},
		{"a look-alike that helps", func(x *verdict.Trial) {
			x.Inert[0].Seen = underFix(x.Scenario, answered, findings(x.Scenario, 0, "SRC_NAT"), fault(x.Scenario))
		}, 1, "inert wrong-direction"},
		{"a fix that does not mend", func(x *verdict.Trial) {
			x.Fixes[0].Seen = underFix(x.Scenario, silence, findings(x.Scenario, 3, "SRC_NAT"), fault(x.Scenario))
		}, 1, "fix policy"},
		{"a lab that broke under a fix", func(x *verdict.Trial) {
			x.Fixes[0].Seen, x.Fixes[0].Judgement = nil, verdict.JudgeBroken("the guest died")
		}, 4, "fix policy"},
		{"a fix that the place cannot carry, which it does not say", func(x *verdict.Trial) {
			x.Fixes[0].Seen, x.Fixes[0].Judgement = nil, verdict.JudgeUnsupported(x.Fixes[0].Fix, x.Place, "no xfrm")
		}, 3, ""},
		{"a place that cannot carry the lab", func(x *verdict.Trial) {
			x.Fault, x.Judgement = nil, verdict.Judgement{Verdict: verdict.Unsupported, Why: "no ip_vs"}
			untried(x, verdict.JudgeNotTried(x.Judgement))
		}, 3, ""},
		{"a control that does not hold before anything is changed", func(x *verdict.Trial) {
			x.Fault.Controls = controls(x.Scenario, refusal)
			untried(x, verdict.JudgeNotTried(verdict.JudgeFault(x.Scenario, *x.Fault)))
		}, 4, "control host to pod IP (before), fault host to the Service"},
		{"a fault that does not show", func(x *verdict.Trial) {
			x.Fault.Probe.Seen = answered
			untried(x, verdict.JudgeNotTried(verdict.JudgeFault(x.Scenario, *x.Fault)))
		}, 1, "fault host to the Service"},
		{"a fault without its evidence", func(x *verdict.Trial) {
			x.Fault.Evidence = findings(x.Scenario, 0, "SRC_NAT")
			untried(x, verdict.JudgeNotTried(verdict.JudgeFault(x.Scenario, *x.Fault)))
		}, 1, "fault host to the Service"},
		{"an interrupt", func(x *verdict.Trial) {
			x.Cancelled = true
			x.Inert[0].Seen, x.Inert[0].Judgement = nil, verdict.JudgeCancelled()
		}, 130, "the whole trial"},
		{"an interrupt after all was seen", func(x *verdict.Trial) { x.Cancelled = true }, 130, "the whole trial"},
		{"nothing was verified", func(x *verdict.Trial) { untried(x, verdict.JudgeLeftOut()) }, 3, ""},
		{"a fix without a verdict", func(x *verdict.Trial) { x.Fixes = x.Fixes[1:] }, 1, "the whole trial"},
		{"evidence that was not taken", func(x *verdict.Trial) { x.Fixes[0].Seen.Evidence = []evidence.Finding{} }, 4, "fix policy"},
		{"a trial of nothing", func(x *verdict.Trial) { *x = verdict.Trial{Scenario: scenario.Scenario{Name: "x"}} }, 1, "fault "},
	} {
		t.Run(row.name, func(t *testing.T) {
			x := green()
			row.lie(&x)
			judge(&x)
			r := New(x, maker)
			var got testSuites
			if err := xml.Unmarshal(JUnit(r), &got); err != nil {
				t.Fatal(err)
			}
			var bad []string
			for _, c := range got.Suite.Cases {
				if c.Failure != nil || c.Error != nil {
					bad = append(bad, c.Name)
				}
			}
			if r.ExitCode != row.code || strings.Join(bad, ", ") != row.bad {
				t.Errorf("exit code %d, bad %q; want %d, %q", r.ExitCode, bad, row.code, row.bad)
			}
			if n := got.Suite.Failures + got.Suite.Errors; n != len(bad) || (n == 0) != (r.ExitCode == verdict.ExitExpected || r.ExitCode == verdict.ExitUnsupported) {
				t.Errorf("exit code %d, %d failures and errors", r.ExitCode, n)
			}
		})
	}
}

// What the place cannot carry is skipped, and says why.
func TestUnsupportedIsSkipped(t *testing.T) {
	x := green()
	x.Fault, x.Judgement = nil, verdict.Judgement{Verdict: verdict.Unsupported, Why: "no ip_vs"}
	untried(&x, verdict.JudgeNotTried(x.Judgement))
	var got testSuites
	if err := xml.Unmarshal(JUnit(New(x, maker)), &got); err != nil {
		t.Fatal(err)
	}
	if s := got.Suite; s.Skipped != s.Tests || s.Cases[0].Skipped == nil || s.Cases[0].Skipped.Message != "Unsupported: no ip_vs" {
		t.Errorf("%+v", s)
	}
}

func TestABreakThatIsDocumentedSaysSo(t *testing.T) {
	r := New(green(), maker)
	if want := "<system-out>broken, as documented: refused"; !strings.Contains(string(JUnit(r)), want) {
		t.Errorf("junit.xml lacks %q", want)
	}
	if want := "| NO, as documented |"; !strings.Contains(string(Markdown(r)), want) {
		t.Errorf("report.md lacks %q", want)
	}
}
