package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// JudgeFault judges a showing of the fault of s: on a lab as it came up, or after an undo. A control that does not hold,
// and anything that is not as s asks for it, makes the lab a broken one: nothing that it shows means anything.
func JudgeFault(s scenario.Scenario, seen FaultSeen) Judgement {
	if why := unlike(s, seen); why != "" {
		return Judgement{BrokenLab, false, why}
	}
	if broke := broken(seen.Controls); len(broke) > 0 {
		name, why := broke[0].why()
		return Judgement{BrokenLab, false, fmt.Sprintf("control %q does not hold: %s", name, why)}
	}
	met, why := seen.Probe.Met()
	if !met {
		return Judgement{NotReproduced, false, "the symptom is not there: " + why}
	}
	if missing := failing(seen.Evidence); len(missing) > 0 {
		return Judgement{WrongReason, false, "the symptom is there, its evidence is not: " + reasons(missing)}
	}
	return Judgement{Reproduced, true, why + ", with the evidence: " + reasons(seen.Evidence)}
}

// JudgeFix judges a documented fix of s by what was seen while it was in place.
func JudgeFix(s scenario.Scenario, f scenario.Fix, seen FixSeen) Judgement {
	return documented(f, seen, withoutUndo(f, judgeFix(s, f, seen)))
}

func judgeFix(s scenario.Scenario, f scenario.Fix, seen FixSeen) Judgement {
	if why := unlikeFix(s, f, seen); why != "" {
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
	if why := notUndone(s, f, seen); why != "" {
		return Judgement{NotFixed, false, why}
	}
	if broke := broken(seen.Controls); len(broke) > 0 {
		return Judgement{SideEffect, false, "the symptom is gone, but " + broke.String()}
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
func notUndone(s scenario.Scenario, f scenario.Fix, seen FixSeen) string {
	switch {
	case seen.Undone == nil && len(f.Undo) > 0:
		return "the undo was not tried, so something else may have mended it"
	case seen.Undone == nil:
		return ""
	}
	if broke := broken(seen.Undone.Controls); len(broke) > 0 {
		name, why := broke[0].why()
		return fmt.Sprintf("the undo broke control %q, so it takes back more than the fix: %s", name, why)
	}
	if again := JudgeFault(s, *seen.Undone); again.Verdict != Reproduced {
		return "something else mended it, the undo did not bring the fault back: " + again.Why
	}
	return ""
}

// JudgeInert judges a fix of s that must not help: the fault must show in full while it is in place, and the controls
// must hold, because where nothing works any more nothing helps. Where it is undone, the fault must be as it was.
func JudgeInert(s scenario.Scenario, f scenario.Fix, seen FixSeen) Judgement {
	return documented(f, seen, withoutUndo(f, judgeInert(s, f, seen)))
}

func judgeInert(s scenario.Scenario, f scenario.Fix, seen FixSeen) Judgement {
	if why := unlikeFix(s, f, seen); why != "" {
		return Judgement{BrokenLab, false, why}
	}
	there, why := seen.Symptom.Met()
	if !there && !another(f, seen) {
		return Judgement{Helped, false, "the symptom is not as it was: " + why}
	}
	if seen.Undone == nil && len(f.Undo) > 0 {
		return Judgement{BrokenLab, false, "the undo was not tried"}
	}
	if seen.Undone != nil {
		if again := JudgeFault(s, *seen.Undone); again.Verdict != Reproduced {
			return Judgement{BrokenLab, false, "the undo of an inert fix changed the fault: " + again.Why}
		}
	}
	broke := broken(seen.Controls)
	also := ""
	if len(broke) > 0 {
		also = "; " + broke.String()
	}
	if !there {
		return Judgement{WrongReason, false, "another failure, with a symptom of its own: " + Saw(seen.Symptom.Seen) + ownWords(seen) + also}
	}
	if missing := failing(seen.Evidence); len(missing) > 0 {
		return Judgement{WrongReason, false, "the symptom is as it was, its evidence is not: " + reasons(missing) + also}
	}
	if missing := failing(seen.Own); len(missing) > 0 {
		return Judgement{WrongReason, false, "the symptom is as it was, but the inert fix's own evidence is not there: " + reasons(missing) + also}
	}
	if len(broke) > 0 {
		return Judgement{SideEffect, false, "the fault shows in full, but " + broke.String()}
	}
	return Judgement{Inert, true, why + ", with all of the evidence"}
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
