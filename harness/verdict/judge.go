package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// JudgeFault judges a showing of the fault: on a lab as it came up, or after an undo. A control that does not hold, or
// none at all, makes the lab a broken one: nothing that it shows means anything.
func JudgeFault(seen FaultSeen) Judgement {
	if len(seen.Controls) == 0 {
		return Judgement{BrokenLab, false, "no control was probed"}
	}
	if name, why, ok := hold(seen.Controls); !ok {
		return Judgement{BrokenLab, false, fmt.Sprintf("control %q does not hold: %s", name, why)}
	}
	if seen.Probe.Seen.Outcome == "" {
		return Judgement{BrokenLab, false, "the fault's probe was not made"}
	}
	met, why := seen.Probe.Met()
	if !met {
		return Judgement{NotReproduced, false, "the symptom is not there: " + why}
	}
	if len(seen.Evidence) == 0 {
		return Judgement{WrongReason, false, "the symptom is there, no evidence was taken: " + why}
	}
	if missing := failing(seen.Evidence); len(missing) > 0 {
		return Judgement{WrongReason, false, "the symptom is there, its evidence is not: " + reasons(missing)}
	}
	return Judgement{Reproduced, true, why + ", with the evidence: " + reasons(seen.Evidence)}
}

// JudgeFix judges a documented fix of s by what was seen while it was in place.
func JudgeFix(s scenario.Scenario, f scenario.Fix, seen FixSeen) Judgement {
	return documented(f, seen, judgeFix(s, f, seen))
}

// documented says of a judgement whether it is the one that the scenario names for the fix, where it names one: the
// fix's own evidence must then be there, or the verdict came about in another way than the documented one.
func documented(f scenario.Fix, seen FixSeen, j Judgement) Judgement {
	if f.Expect != "" {
		j.Expected = j.Verdict == Verdict(f.Expect) && len(failing(seen.Own)) == 0 && (f.Symptom == nil || another(f, seen))
	}
	return j
}

func judgeFix(s scenario.Scenario, f scenario.Fix, seen FixSeen) Judgement {
	if why := incomplete(s, f, seen); why != "" {
		return Judgement{BrokenLab, false, why}
	}
	// Another probe may well show what is a symptom only of the fault's probe.
	if there, saw := seen.Symptom.Met(); there && f.Probe == nil {
		return Judgement{NotFixed, false, "the symptom is still there: " + saw}
	}
	mended, why := seen.Probe.Met()
	if !mended {
		return Judgement{NotFixed, false, "not what a mended path shows: " + why}
	}
	hidden := f.Probe != nil && len(failing(seen.Evidence)) == 0
	if still := remains(f, seen.Evidence); still != "" && !hidden {
		return Judgement{NotFixed, false, still}
	}
	if missing := failing(seen.Own); len(missing) > 0 {
		return Judgement{NotFixed, false, "the symptom is gone, the fix's own evidence is not there: " + reasons(missing)}
	}
	if why := notUndone(f, seen); why != "" {
		return Judgement{NotFixed, false, why}
	}
	if name, why, ok := hold(seen.Controls); !ok {
		return Judgement{SideEffect, false, fmt.Sprintf("the symptom is gone, but control %q broke: %s", name, why)}
	}
	if hidden {
		return Judgement{Hidden, false, why + "; the fault is still there with all of its evidence: " + reasons(append(seen.Evidence, seen.Own...))}
	}
	if seen.Undone != nil {
		why += "; undone, the fault is back"
	}
	return Judgement{Fixed, true, why}
}

// notUndone says why the undo of a fix does not show that it was the fix that mended, or nothing: where a fix can be
// taken back, the fault must come back, and nothing else may go.
func notUndone(f scenario.Fix, seen FixSeen) string {
	switch {
	case seen.Undone == nil && len(f.Undo) > 0:
		return "the undo was not tried, so something else may have mended it"
	case seen.Undone == nil:
		return ""
	}
	if name, why, ok := hold(seen.Undone.Controls); !ok {
		return fmt.Sprintf("the undo broke control %q, so it takes back more than the fix: %s", name, why)
	}
	if again := JudgeFault(*seen.Undone); again.Verdict != Reproduced {
		return "something else mended it, the undo did not bring the fault back: " + again.Why
	}
	return ""
}

// JudgeInert judges a fix of s that must not help: the fault must show in full while it is in place, and the controls
// must hold, because where nothing works any more nothing helps.
func JudgeInert(s scenario.Scenario, f scenario.Fix, seen FixSeen) Judgement {
	return documented(f, seen, judgeInert(s, f, seen))
}

func judgeInert(s scenario.Scenario, f scenario.Fix, seen FixSeen) Judgement {
	if why := incomplete(s, f, seen); why != "" {
		return Judgement{BrokenLab, false, why}
	}
	there, why := seen.Symptom.Met()
	if !there {
		if another(f, seen) {
			return Judgement{WrongReason, false, "another failure, with a symptom of its own: " + Saw(seen.Symptom.Seen) + ownWords(seen)}
		}
		return Judgement{Helped, false, "the symptom is not as it was: " + why}
	}
	if missing := failing(seen.Evidence); len(missing) > 0 {
		return Judgement{WrongReason, false, "the symptom is as it was, its evidence is not: " + reasons(missing)}
	}
	if missing := failing(seen.Own); len(missing) > 0 {
		return Judgement{WrongReason, false, "the symptom is as it was, but the inert fix's own evidence is not there: " + reasons(missing)}
	}
	if name, why, ok := hold(seen.Controls); !ok {
		return Judgement{SideEffect, false, fmt.Sprintf("the fault shows in full, but control %q broke: %s", name, why)}
	}
	if seen.Undone != nil {
		if again := JudgeFault(*seen.Undone); again.Verdict != Reproduced {
			return Judgement{BrokenLab, false, "the undo of an inert fix changed the fault: " + again.Why}
		}
	}
	return Judgement{Inert, true, why + ", with all of the evidence"}
}

// another says whether what was seen is the other failure that a look-alike documents.
func another(f scenario.Fix, seen FixSeen) bool {
	if f.Symptom == nil {
		return false
	}
	other := seen.Symptom
	other.Wanted, other.Sources = *f.Symptom, nil
	met, _ := other.Met()
	return met
}

// ownWords says what shows the reason of a look-alike.
func ownWords(seen FixSeen) string {
	if len(seen.Own) == 0 {
		return ""
	}
	return ", with the evidence: " + reasons(seen.Own)
}

// incomplete names what was not done of what a judgement rests on, or was done for something else, so that a check
// which did not run never passes.
func incomplete(s scenario.Scenario, f scenario.Fix, seen FixSeen) string {
	wanted := s.Fault.Mended
	if f.Probe != nil {
		wanted = f.Probe.Expectation
	}
	switch {
	case seen.Probe.Seen.Outcome == "":
		return "the probe was not made"
	case seen.Probe.Wanted != wanted:
		return fmt.Sprintf("the probe was to be judged by %q, not by %q", wanted, seen.Probe.Wanted)
	case f.Probe == nil && seen.Symptom.Seen != seen.Probe.Seen:
		return "symptom and mended path are not of the same probe"
	case f.Probe == nil && seen.Symptom.Wanted != s.Fault.Probe.Expectation:
		return fmt.Sprintf("the symptom is %q, not %q", s.Fault.Probe.Expectation, seen.Symptom.Wanted)
	case len(s.Fault.Evidence) == 0:
		return "the fault has no evidence to look for"
	case len(seen.Controls) != len(s.Controls):
		return fmt.Sprintf("%d of %d controls were probed", len(seen.Controls), len(s.Controls))
	case seen.Undone != nil && len(seen.Undone.Controls) != len(s.Controls):
		return fmt.Sprintf("%d of %d controls were probed after the undo", len(seen.Undone.Controls), len(s.Controls))
	}
	if why := notTaken("the fault's", s.Fault.Evidence, seen.Evidence); why != "" {
		return why
	}
	return notTaken("the fix's own", f.Evidence, seen.Own)
}

// notTaken compares the evidence that was wanted with what was looked at.
func notTaken(whose string, wanted []evidence.Spec, found []evidence.Finding) string {
	if len(found) != len(wanted) {
		return fmt.Sprintf("%d of %d pieces of %s evidence were taken", len(found), len(wanted), whose)
	}
	for i, w := range wanted {
		if found[i].Spec.Name != w.Name {
			return fmt.Sprintf("evidence %q was taken where %q is wanted", found[i].Spec.Name, w.Name)
		}
	}
	return ""
}

// remains says which evidence of the fault is not as a fix should leave it, or nothing.
func remains(f scenario.Fix, found []evidence.Finding) string {
	for _, e := range found {
		leaves := slices.Contains(f.Leaves, e.Spec.Name)
		if e.OK && !leaves {
			return "the symptom is gone, its evidence is still there: " + reason(e)
		}
		if !e.OK && leaves {
			return "the symptom is gone, but so is evidence that this fix leaves in place: " + reason(e)
		}
	}
	return ""
}

// hold returns the first control that does not hold, and why.
func hold(controls []Probed) (name, why string, ok bool) {
	for _, c := range controls {
		if ok, why := c.Met(); !ok {
			return c.Probe.Name, why, false
		}
	}
	return "", "", true
}

func failing(found []evidence.Finding) []evidence.Finding {
	var list []evidence.Finding
	for _, f := range found {
		if !f.OK {
			list = append(list, f)
		}
	}
	return list
}

func reasons(found []evidence.Finding) string {
	list := make([]string, len(found))
	for i, f := range found {
		list[i] = reason(f)
	}
	return strings.Join(list, "; ")
}

func reason(f evidence.Finding) string {
	return oneLine(f.Spec.Name + ": " + f.Why)
}
