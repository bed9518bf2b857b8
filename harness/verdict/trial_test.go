package verdict

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// wholeTrial is a trial in which everything came out as documented.
func wholeTrial() Trial {
	s := invented
	s.Fixes = []scenario.Fix{{Name: "fix"}, {Name: "other", Needs: scenario.Needs{Kernel: "5.13"}}}
	s.Inert = []scenario.Fix{{Name: "inert"}}
	seen := faultSeen()
	fixed, same := fixSeen(s.Fixes[0]), fixSeen(s.Inert[0])
	same.Probe.Seen, same.Symptom.Seen = lost, lost
	same.Evidence = []evidence.Finding{found(drops, true), found(missingNAT, true)}
	return Trial{
		Scenario:  s,
		Place:     Place{Kernel: "6.12.5-amd64"},
		Fault:     &seen,
		Judgement: JudgeFault(s, seen),
		Fixes: []Tried{
			{Fix: s.Fixes[0], Seen: &fixed, Judgement: JudgeFix(s, s.Fixes[0], fixed)},
			{Fix: s.Fixes[1], Seen: &fixed, Judgement: JudgeFix(s, s.Fixes[1], fixed)},
		},
		Inert: []Tried{{Fix: s.Inert[0], Seen: &same, Judgement: JudgeInert(s, s.Inert[0], same)}},
	}
}

func TestExitCode(t *testing.T) {
	rows := []struct {
		name string
		lie  func(*Trial)
		want int
	}{
		{"all as documented", func(*Trial) {}, 0},
		{"a fix left out by a filter", func(x *Trial) { x.Fixes[0].Judgement = Judgement{Verdict: NotTried, Expected: true} }, 0},
		{"every fix but one left out by a filter, and that one unsupported", func(x *Trial) {
			x.Fixes[0].Judgement, x.Inert[0].Judgement = JudgeLeftOut(), JudgeLeftOut()
			x.Fixes[1].Judgement = Judgement{Verdict: Unsupported, Expected: true}
		}, 3},
		{"every fix but one left out by a filter", func(x *Trial) {
			x.Fixes[0].Judgement, x.Inert[0].Judgement = JudgeLeftOut(), JudgeLeftOut()
		}, 0},
		{"every fix but the inert one left out by a filter", func(x *Trial) {
			x.Fixes[0].Judgement, x.Fixes[1].Judgement = JudgeLeftOut(), JudgeLeftOut()
		}, 0},
		{"everything left out", func(x *Trial) {
			x.Fixes[0].Judgement, x.Fixes[1].Judgement, x.Inert[0].Judgement = JudgeLeftOut(), JudgeLeftOut(), JudgeLeftOut()
		}, 3},
		{"no fix could be tried here, as documented", func(x *Trial) {
			x.Fixes[0].Judgement, x.Fixes[1].Judgement = Judgement{Unsupported, true, ""}, Judgement{Unsupported, true, ""}
		}, 3},
		{"no inert fix could be tried here, as documented", func(x *Trial) { x.Inert[0].Judgement = Judgement{Unsupported, true, ""} }, 3},
		{"an interrupt at the very end", func(x *Trial) { x.Cancelled = true }, 130},
		{"an interrupt that spoiled a fix", func(x *Trial) { x.Cancelled, x.Fixes[0].Judgement = true, JudgeCancelled() }, 130},
		{"an interrupt before the fault was seen", func(x *Trial) { x.Cancelled, x.Fault, x.Judgement = true, nil, JudgeCancelled() }, 130},
		{"a fix this kernel is too old for", func(x *Trial) {
			x.Fixes[1].Judgement = JudgeUnsupported(x.Fixes[1].Fix, Place{Kernel: "5.10.0-28-cloud-amd64"}, "needs kernel 5.13")
		}, 0},
		{"a fix that says it works here", func(x *Trial) {
			x.Fixes[1].Judgement = JudgeUnsupported(x.Fixes[1].Fix, x.Place, "no nft")
		}, 3},
		{"a fix that does not say what it needs", func(x *Trial) {
			x.Fixes[0].Judgement = JudgeUnsupported(x.Fixes[0].Fix, Place{Kernel: "5.10.0"}, "no nft")
		}, 3},
		{"a fix that does not fix", func(x *Trial) { x.Fixes[0].Judgement = Judgement{Verdict: NotFixed} }, 1},
		{"an inert fix that helps", func(x *Trial) { x.Inert[0].Judgement = Judgement{Verdict: Helped} }, 1},
		{"a lab that broke under a fix", func(x *Trial) { x.Fixes[0].Judgement = Judgement{Verdict: BrokenLab} }, 4},
		{"a broken lab outweighs a bad fix", func(x *Trial) {
			x.Fixes[0].Judgement = Judgement{Verdict: BrokenLab}
			x.Fixes[1].Judgement = Judgement{Verdict: NotFixed}
		}, 4},
		{"a bad fix outweighs an unsupported one", func(x *Trial) {
			x.Fixes[0].Judgement = Judgement{Verdict: Unsupported}
			x.Inert[0].Judgement = Judgement{Verdict: Helped}
		}, 1},
		{"the fault does not show", func(x *Trial) {
			x.Judgement = Judgement{Verdict: NotReproduced}
			x.Fixes[0].Judgement = Judgement{Verdict: NotTried}
		}, 1},
		{"the fault shows for another reason", func(x *Trial) { x.Judgement = Judgement{Verdict: WrongReason} }, 1},
		{"the lab cannot be had here", func(x *Trial) { x.Judgement, x.Fault = Judgement{Verdict: Unsupported}, nil }, 3},
		{"the lab broke", func(x *Trial) { x.Judgement, x.Fault = Judgement{Verdict: BrokenLab}, nil }, 4},
		{"nothing at all", func(x *Trial) { *x = Trial{} }, 1},
		{"a fix went missing", func(x *Trial) { x.Fixes = x.Fixes[:1] }, 1},
		{"no inert fix was tried", func(x *Trial) { x.Inert = nil }, 1},
		{"nothing was seen of the fault", func(x *Trial) { x.Fault = nil }, 1},
		{"a control was not made", func(x *Trial) { x.Fault.Controls = x.Fault.Controls[:1] }, 1},
		{"a piece of evidence was not taken", func(x *Trial) { x.Fault.Evidence = x.Fault.Evidence[:1] }, 1},
		{"a control twice, another never", func(x *Trial) { x.Fault.Controls[1] = x.Fault.Controls[0] }, 1},
		{"a piece of evidence twice, another never", func(x *Trial) { x.Fault.Evidence[1] = x.Fault.Evidence[0] }, 1},
		{"a verdict on another fix", func(x *Trial) { x.Fixes[1].Fix = x.Fixes[0].Fix }, 1},
		{"a fix judged that was not seen", func(x *Trial) { x.Fixes[0].Seen = nil }, 1},
		{"a control was not made under a fix", func(x *Trial) { x.Fixes[0].Seen.Controls = x.Fixes[0].Seen.Controls[:1] }, 1},
		{"a scenario without controls", func(x *Trial) { x.Scenario.Controls, x.Fault.Controls = nil, nil }, 1},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			trial := wholeTrial()
			row.lie(&trial)
			if got := trial.ExitCode(); got != row.want {
				t.Errorf("exit code %d, want %d", got, row.want)
			}
			if got := trial.Expected(); got != (row.want == 0) {
				t.Errorf("expected %v with exit code %d", got, row.want)
			}
		})
	}
}

func TestNotVerified(t *testing.T) {
	x := wholeTrial()
	if diff := cmp.Diff([]string{}, x.NotVerified()); diff != "" {
		t.Error(diff)
	}
	x.Fixes[0].Judgement, x.Fixes[1].Judgement, x.Inert[0].Judgement = Judgement{Unsupported, true, ""}, Judgement{Verdict: NotFixed}, JudgeCancelled()
	if diff := cmp.Diff([]string{"fix", "inert"}, x.NotVerified()); diff != "" {
		t.Error(diff)
	}
}
