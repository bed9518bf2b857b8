package verdict

import (
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// facts hands out the bytes of a fuzz input as facts about an experiment; past the end every fact is zero.
type facts []byte

func (f *facts) next() byte {
	if len(*f) == 0 {
		return 0
	}
	b := (*f)[0]
	*f = (*f)[1:]
	return b
}

func (f *facts) flag() bool { return f.next()%2 == 1 }

func (f *facts) observation() probe.Observation {
	outcomes := append(probe.Outcomes(), "")
	return probe.Observation{
		Outcome: outcomes[int(f.next())%len(outcomes)],
		Peer:    []string{"", "edge-pod", "wan"}[f.next()%3],
		Detail:  []string{"", "two\nlines"}[f.next()%2],
	}
}

func (f *facts) findings(specs ...evidence.Spec) []evidence.Finding {
	var list []evidence.Finding
	for _, s := range specs {
		if f.next()%8 != 7 { // now and then one was not taken
			list = append(list, found(s, f.flag()))
		}
	}
	return list
}

func (f *facts) fault() FaultSeen {
	seen := FaultSeen{Probe: probed(invented.Fault.Probe, symptom, f.observation())}
	for _, c := range invented.Controls[:f.next()%3] {
		seen.Controls = append(seen.Controls, probed(c, mended, f.observation()))
	}
	seen.Evidence = f.findings(drops, missingNAT)
	return seen
}

func (f *facts) fix() (scenario.Fix, FixSeen) {
	fix := scenario.Fix{Name: "fix", Evidence: []evidence.Spec{ruleHit}[:f.next()%2]}
	if f.flag() {
		fix.Leaves = []string{"missing-nat"}
	}
	if f.flag() {
		fix.Undo = []scenario.Action{{On: "cloud"}}
	}
	seen := FixSeen{Probe: probed(invented.Fault.Probe, mended, f.observation())}
	seen.Symptom = probed(invented.Fault.Probe, symptom, seen.Probe.Seen)
	if f.next()%8 == 7 {
		seen.Symptom.Seen = f.observation()
	}
	for _, c := range invented.Controls[:f.next()%3] {
		seen.Controls = append(seen.Controls, probed(c, mended, f.observation()))
	}
	seen.Evidence = f.findings(drops, missingNAT)
	seen.Own = f.findings(fix.Evidence...)
	if f.flag() {
		again := f.fault()
		seen.Undone = &again
	}
	return fix, seen
}

// FuzzJudge holds every judgement against what its verdict promises, said a second time and more plainly than the
// judge says it.
func FuzzJudge(f *testing.F) {
	good := "\x00\x01\x00"               // delivered by edge-pod
	lost := "\x02\x00\x00"               // timeout
	gone, here := "\x00\x00", "\x00\x01" // a piece of evidence
	for _, seed := range []string{
		lost + "\x02" + good + good + here + here + "\x00\x00\x01" + good + "\x00\x02" + good + good + gone + gone + "\x01" + lost + "\x00" + here + here,
		lost + "\x02" + good + good + here + gone + "\x01\x01\x00" + good + "\x00\x02" + good + good + gone + here + here + "\x00",
		lost + "\x00" + here + here + "\x01\x00\x00" + lost + "\x00\x00" + here + here + here + "\x00",
	} {
		f.Add([]byte(seed))
		for i := range seed { // and each fact as a lie
			lie := []byte(seed)
			lie[i] ^= 1
			f.Add(lie)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := facts(data)
		seen := in.fault()
		checkFault(t, seen, JudgeFault(invented, seen))
		fix, fixSeen := in.fix()
		checkFix(t, fix, fixSeen, JudgeFix(invented, fix, fixSeen))
		checkInert(t, fix, fixSeen, JudgeInert(invented, fix, fixSeen))
	})
}

func checkJudgement(t *testing.T, j Judgement, good Verdict, others ...Verdict) {
	t.Helper()
	if j.Expected != (j.Verdict == good) {
		t.Errorf("%s, expected %v", j.Verdict, j.Expected)
	}
	known := j.Verdict == good
	for _, v := range others {
		known = known || j.Verdict == v
	}
	if !known || j.Why == "" || strings.Contains(j.Why, "\n") {
		t.Errorf("%+v", j)
	}
}

func checkFault(t *testing.T, seen FaultSeen, j Judgement) {
	t.Helper()
	checkJudgement(t, j, Reproduced, NotReproduced, WrongReason, BrokenLab)
	held := len(seen.Controls) == 2 && allMet(seen.Controls) && len(seen.Evidence) == 2 && seen.Probe.Seen.Outcome != ""
	there := seen.Probe.Seen.Outcome == probe.Timeout
	proven := all(seen.Evidence)
	if (j.Verdict == Reproduced) != (held && there && proven) {
		t.Errorf("%+v of %+v", j, seen)
	}
	if (j.Verdict == WrongReason) != (held && there && !proven) {
		t.Errorf("%+v of %+v", j, seen)
	}
	if !held && j.Verdict != BrokenLab {
		t.Errorf("%+v of %+v", j, seen)
	}
}

func checkFix(t *testing.T, fix scenario.Fix, seen FixSeen, j Judgement) {
	t.Helper()
	checkJudgement(t, j, Fixed, NotFixed, SideEffect, Hidden, BrokenLab)
	gone := seen.Probe.Seen.Outcome == probe.Delivered && seen.Probe.Seen.Peer == "edge-pod"
	if j.Verdict == Hidden && (fix.Probe == nil || !gone || !all(seen.Evidence) || !all(seen.Own) || !allMet(seen.Controls)) {
		t.Errorf("%s: %+v", j.Verdict, seen)
	}
	if j.Verdict != Fixed && j.Verdict != SideEffect {
		return
	}
	wrong := !gone || len(seen.Controls) != 2 || allMet(seen.Controls) != (j.Verdict == Fixed) || len(seen.Evidence) != 2 ||
		len(seen.Own) != len(fix.Evidence) || !all(seen.Own) ||
		seen.Evidence[0].OK || seen.Evidence[1].OK != (len(fix.Leaves) > 0) ||
		len(fix.Undo) > 0 && seen.Undone == nil
	if seen.Undone != nil {
		wrong = wrong || len(seen.Undone.Controls) != 2 || JudgeFault(invented, *seen.Undone).Verdict != Reproduced
	}
	if wrong {
		t.Errorf("%s: %+v", j.Verdict, seen)
	}
}

func checkInert(t *testing.T, fix scenario.Fix, seen FixSeen, j Judgement) {
	t.Helper()
	checkJudgement(t, j, Inert, Helped, WrongReason, SideEffect, BrokenLab)
	there := seen.Symptom.Seen.Outcome == probe.Timeout
	if j.Verdict == Helped && there || j.Verdict == WrongReason && !there {
		t.Errorf("%+v of %+v", j, seen)
	}
	if j.Verdict == SideEffect && (!there || allMet(seen.Controls)) {
		t.Errorf("%+v of %+v", j, seen)
	}
	if j.Verdict == Inert && (!there || len(seen.Controls) != 2 || !allMet(seen.Controls) || len(seen.Evidence) != 2 || !all(seen.Evidence) || len(seen.Own) != len(fix.Evidence) || !all(seen.Own)) {
		t.Errorf("Inert: %+v", seen)
	}
}

func allMet(list []Probed) bool {
	for _, p := range list {
		if ok, _ := p.Met(); !ok {
			return false
		}
	}
	return true
}

func all(list []evidence.Finding) bool {
	for _, f := range list {
		if !f.OK {
			return false
		}
	}
	return true
}
