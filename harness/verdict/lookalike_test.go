package verdict

import (
	"testing"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// TestJudgeLookAlike judges an inert fix that documents another failure with a symptom of its own: refused.
func TestJudgeLookAlike(t *testing.T) {
	f := scenario.Fix{
		Name: "look-alike", Run: []scenario.Action{{On: "cloud", Cmd: []string{"true"}}}, Evidence: []evidence.Spec{ruleHit},
		Expect: "WrongReason", Symptom: &scenario.Expectation{Want: probe.Refused},
	}
	see := func(o probe.Observation) func(*FixSeen) {
		return func(s *FixSeen) { s.Probe.Seen, s.Symptom.Seen = o, o }
	}
	for _, row := range []struct {
		name string
		lie  func(*FixSeen)
		want Judgement
	}{
		{"the other failure, with its evidence", func(*FixSeen) {},
			Judgement{WrongReason, true, "another failure, with a symptom of its own: refused, with the evidence: rule-hit: there"}},
		{"the other failure without its evidence", func(s *FixSeen) { s.Own[0] = found(ruleHit, false) },
			Judgement{WrongReason, false, "another failure, with a symptom of its own: refused; the evidence that it is documented with is not there: rule-hit: not there"}},
		{"neither the one nor the other", see(probe.Observation{Outcome: probe.Reset}),
			Judgement{Helped, false, "the symptom is not as it was: wanted timeout; saw reset; documented is WrongReason"}},
		{"it mends", see(delivered),
			Judgement{Helped, false, "the symptom is not as it was: wanted timeout; saw delivered by edge-pod from 10.0.0.2; documented is WrongReason"}},
		{"the fault itself", see(lost),
			Judgement{WrongReason, false, "the symptom is as it was, its evidence is not: drops: not there; missing-nat: not there; documented is the symptom \"refused\""}},
		{"the other failure, and a control", func(s *FixSeen) { s.Controls[1].Seen = refused },
			Judgement{WrongReason, false, "another failure, with a symptom of its own: refused, with the evidence: rule-hit: there; " +
				`control "from a pod" broke: wanted delivered by edge-pod; saw refused; documented is that it breaks nothing, it broke "from a pod"`}},
	} {
		t.Run(row.name, func(t *testing.T) {
			seen := FixSeen{
				Controls: controls(),
				Probe:    probed(invented.Fault.Probe, mended, refused),
				Symptom:  probed(invented.Fault.Probe, symptom, refused),
				Evidence: []evidence.Finding{found(drops, false), found(missingNAT, false)},
				Own:      []evidence.Finding{found(ruleHit, true)},
			}
			row.lie(&seen)
			if got := JudgeInert(invented, f, seen); got != row.want {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
}
