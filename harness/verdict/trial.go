package verdict

import (
	"fmt"
	"slices"

	"github.com/faultline-lab/faultline/harness/scenario"
)

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

// JudgeCancelled is the judgement on what an interrupt kept from being seen to its end.
func JudgeCancelled() Judgement { return Judgement{NotTried, false, "the trial was cancelled"} }

// Expected says whether everything came out as the scenario documents it. A trial in which something was never looked
// at, or in which nothing was verified, is not as expected, whatever the rest says.
func (t Trial) Expected() bool {
	return t.Judgement.Verdict == Reproduced && t.Judgement.Expected && !t.Cancelled && t.complete() == "" &&
		t.asDocumented() && t.verified()
}

// asDocumented says whether nothing came out in another way than documented.
func (t Trial) asDocumented() bool {
	for _, f := range slices.Concat(t.Fixes, t.Inert) {
		if !f.Judgement.Expected {
			return false
		}
	}
	for _, m := range t.Matrix {
		if !m.Expected {
			return false
		}
	}
	return true
}

// Verified says whether f was tried and came out as documented.
func (f Tried) Verified() bool { return f.Judgement.Expected && !f.untried() }

func (f Tried) untried() bool {
	return f.Judgement.Verdict == Unsupported || f.Judgement.Verdict == NotTried
}

// leftOut says whether the person did not ask for f.
func (f Tried) leftOut() bool { return f.Judgement.Verdict == NotTried && f.Judgement.Expected }

// verified says whether at least one fix and at least one inert fix was verified: a fault without a proven fix may have
// any cause, and where nothing was seen not to help, anything may. Of what a filter left out nothing is asked, but of
// what it chose.
func (t Trial) verified() bool {
	asked := false
	for _, list := range [][]Tried{t.Fixes, t.Inert} {
		chosen := slices.DeleteFunc(slices.Clone(list), Tried.leftOut)
		if len(chosen) > 0 && !slices.ContainsFunc(chosen, Tried.Verified) {
			return false
		}
		asked = asked || len(chosen) > 0
	}
	return asked
}

// NotVerified names the fixes and inert fixes of which the trial says nothing: they were left out, the place cannot carry
// them, or there was no fault to try them on.
func (t Trial) NotVerified() []string {
	names := []string{}
	for _, f := range slices.Concat(t.Fixes, t.Inert) {
		if f.untried() {
			names = append(names, f.Fix.Name)
		}
	}
	return names
}

// complete names a part of the scenario that has no result, or one of something else; or nothing.
func (t Trial) complete() string {
	if t.Fault == nil {
		return "nothing was seen of the fault"
	}
	if why := unlike(t.Scenario, *t.Fault); why != "" {
		return why
	}
	if why := triedUnlike(t.Scenario, "fixes", t.Scenario.Fixes, t.Fixes); why != "" {
		return why
	}
	if why := triedUnlike(t.Scenario, "inert fixes", t.Scenario.Inert, t.Inert); why != "" {
		return why
	}
	return matrixUnlike(t.Scenario.Matrix, t.Matrix)
}

// triedUnlike compares fixes that were tried with those that the scenario has.
func triedUnlike(s scenario.Scenario, what string, wanted []scenario.Fix, tried []Tried) string {
	if len(wanted) == 0 || len(tried) != len(wanted) {
		return fmt.Sprintf("%d of %d %s have a verdict", len(tried), len(wanted), what)
	}
	for i, f := range wanted {
		got := tried[i]
		switch {
		case got.Fix.Name != f.Name:
			return fmt.Sprintf("the verdict on %q stands where that on %q is wanted", got.Fix.Name, f.Name)
		case !got.Verified():
		case got.Seen == nil:
			return fmt.Sprintf("nothing was seen of %q", f.Name)
		default:
			if why := unlikeFix(s, f, *got.Seen); why != "" {
				return fmt.Sprintf("%q: %s", f.Name, why)
			}
		}
	}
	return ""
}

// The exit codes of a trial. 2 is for bad usage and bad files, which never get as far as a trial.
const (
	ExitExpected    = 0   // every verdict as expected
	ExitUnexpected  = 1   // a verdict is not
	ExitUnsupported = 3   // this machine or kernel cannot carry the scenario, or a fix that does not say so, or so many that nothing was verified
	ExitBroken      = 4   // the lab broke
	ExitInterrupted = 130 // the person interrupted it, whatever was seen until then
)

// ExitCode is the exit code for the whole trial. The fault decides where it was not reproduced: its fixes were not
// tried then. Otherwise a lab that broke outweighs a verdict that is not as expected, and that outweighs a fix that is
// unsupported.
func (t Trial) ExitCode() int {
	if t.Cancelled {
		return ExitInterrupted
	}
	if t.Expected() {
		return ExitExpected
	}
	if t.Judgement.Verdict != Reproduced {
		return exitCode(t.Judgement.Verdict)
	}
	code := 0
	for _, f := range slices.Concat(t.Fixes, t.Inert) {
		if !f.Judgement.Expected {
			code = Worse(code, exitCode(f.Judgement.Verdict))
		}
	}
	switch {
	case code != 0:
		return code
	case t.complete() != "" || !t.asDocumented(): // every verdict was expected, but there are not enough, or the matrix was not
		return ExitUnexpected
	}
	return ExitUnsupported // nothing was verified
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

// Worse is the worse of two exit codes, which it orders by weight: 0, 3, 1, 4, 130.
func Worse(a, b int) int {
	weight := map[int]int{ExitExpected: 0, ExitUnsupported: 1, ExitUnexpected: 2, ExitBroken: 3, ExitInterrupted: 4}
	if weight[a] >= weight[b] {
		return a
	}
	return b
}
