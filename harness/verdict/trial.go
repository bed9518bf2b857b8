package verdict

import "github.com/faultline-lab/faultline/harness/scenario"

// JudgeUnsupported is the judgement on a fix that the place cannot carry; why says what is missing. It is expected only
// where the fix itself says that it needs more than this place has.
func JudgeUnsupported(f scenario.Fix, place Place, why string) Judgement {
	return Judgement{Unsupported, f.Needs.Missing(place.Kernel) != "", why}
}

// JudgeTooOld is the judgement on a fix that says that it needs a newer kube-proxy than the trial has.
func JudgeTooOld(missing string) Judgement { return Judgement{Unsupported, true, missing} }

// JudgeBroken is the judgement where the harness could not do its job; why is the error.
func JudgeBroken(why string) Judgement { return Judgement{BrokenLab, false, why} }

// JudgeLeftOut is the judgement on a fix that the person did not ask for.
func JudgeLeftOut() Judgement { return Judgement{NotTried, true, "left out by the filter on fixes"} }

// JudgeNotTried is the judgement on a fix for which there was no fault to mend.
func JudgeNotTried(fault Judgement) Judgement {
	return Judgement{NotTried, false, "the verdict on the fault is " + string(fault.Verdict)}
}

// Expected says whether everything came out as the scenario documents it. A trial in which something was never looked
// at is not as expected, whatever the rest says.
func (t Trial) Expected() bool {
	if t.Judgement.Verdict != Reproduced || !t.Judgement.Expected || !t.complete() {
		return false
	}
	for _, list := range [][]Tried{t.Fixes, t.Inert} {
		for _, f := range list {
			if !f.Judgement.Expected {
				return false
			}
		}
	}
	for _, m := range t.Matrix {
		if !m.Expected {
			return false
		}
	}
	return true
}

// complete says whether every part of the scenario has its result.
func (t Trial) complete() bool {
	return t.Fault != nil &&
		len(t.Scenario.Controls) > 0 && len(t.Fault.Controls) == len(t.Scenario.Controls) &&
		len(t.Scenario.Fault.Evidence) > 0 && len(t.Fault.Evidence) == len(t.Scenario.Fault.Evidence) &&
		len(t.Fixes) == len(t.Scenario.Fixes) && len(t.Inert) == len(t.Scenario.Inert) &&
		len(t.Matrix) == len(t.Scenario.Matrix.Phases())
}

// The exit codes of a trial. 2 is for bad usage and bad files, which never get as far as a trial.
const (
	ExitExpected    = 0 // every verdict as expected
	ExitUnexpected  = 1 // a verdict is not
	ExitUnsupported = 3 // this machine or kernel cannot carry the scenario, or a fix that does not say so
	ExitBroken      = 4 // the lab broke
)

// ExitCode is the exit code for the whole trial. The fault decides where it was not reproduced: its fixes were not
// tried then. Otherwise a lab that broke outweighs a verdict that is not as expected, and that outweighs a fix that is
// unsupported.
func (t Trial) ExitCode() int {
	if t.Expected() {
		return ExitExpected
	}
	if t.Judgement.Verdict != Reproduced {
		return exitCode(t.Judgement.Verdict)
	}
	code := 0
	for _, list := range [][]Tried{t.Fixes, t.Inert} {
		for _, f := range list {
			if !f.Judgement.Expected {
				code = Worse(code, exitCode(f.Judgement.Verdict))
			}
		}
	}
	if code == 0 { // every verdict there is was expected, but there are not enough of them
		return ExitUnexpected
	}
	return code
}

func exitCode(v Verdict) int {
	switch v {
	case Unsupported:
		return ExitUnsupported
	case BrokenLab:
		return ExitBroken
	default:
		return ExitUnexpected
	}
}

// Worse is the worse of two exit codes, which it orders by weight: 0, 3, 1, 4.
func Worse(a, b int) int {
	weight := map[int]int{ExitExpected: 0, ExitUnsupported: 1, ExitUnexpected: 2, ExitBroken: 3}
	if weight[a] >= weight[b] {
		return a
	}
	return b
}
