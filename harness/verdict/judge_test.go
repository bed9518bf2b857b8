package verdict

import (
	"net/netip"
	"testing"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// The invented experiment: a client times out on a Service; drops and missing-nat are what the kernel shows.
var (
	symptom = scenario.Expectation{Want: probe.Timeout}
	mended  = scenario.Expectation{Want: probe.Delivered, Peer: "edge-pod"}
	viaPod  = scenario.Expectation{Want: probe.Delivered, Peer: "edge-pod", Source: "cloud-pod"}

	drops      = evidence.Spec{Name: "drops"}
	missingNAT = evidence.Spec{Name: "missing-nat"}
	ruleHit    = evidence.Spec{Name: "rule-hit"}

	invented = scenario.Scenario{
		Controls: []scenario.Probe{{Name: "by pod IP", Expectation: mended}, {Name: "from a pod", Expectation: mended}},
		Fault: scenario.Fault{
			Probe:    scenario.Probe{Name: "by Service", Expectation: symptom},
			Mended:   mended,
			Evidence: []evidence.Spec{drops, missingNAT},
		},
	}

	delivered = probe.Observation{Outcome: probe.Delivered, Peer: "edge-pod", Source: netip.MustParseAddrPort("10.0.0.2:4242")}
	lost      = probe.Observation{Outcome: probe.Timeout, Detail: "dial: i/o timeout"}
	refused   = probe.Observation{Outcome: probe.Refused}
)

func probed(p scenario.Probe, wanted scenario.Expectation, seen probe.Observation) Probed {
	return Probed{Probe: p, Wanted: wanted, Seen: seen}
}

func controls() []Probed {
	var list []Probed
	for _, c := range invented.Controls {
		list = append(list, probed(c, c.Expectation, delivered))
	}
	return list
}

func found(s evidence.Spec, ok bool) evidence.Finding {
	if ok {
		return evidence.Finding{Spec: s, OK: true, Why: "there"}
	}
	return evidence.Finding{Spec: s, Why: "not there"}
}

func faultSeen() FaultSeen {
	return FaultSeen{
		Controls: controls(),
		Probe:    probed(invented.Fault.Probe, symptom, lost),
		Evidence: []evidence.Finding{found(drops, true), found(missingNAT, true)},
	}
}

func TestJudgeFault(t *testing.T) {
	rows := []struct {
		name string
		lie  func(*FaultSeen) // flips one fact
		want Judgement
	}{
		{"everything as documented", func(*FaultSeen) {},
			Judgement{Reproduced, true, "timeout (dial: i/o timeout), with the evidence: drops: there; missing-nat: there"}},
		{"a control does not hold", func(f *FaultSeen) { f.Controls[1].Seen = lost },
			Judgement{BrokenLab, false, `control "from a pod" does not hold: wanted delivered by edge-pod; saw timeout (dial: i/o timeout)`}},
		{"a control is answered by another backend", func(f *FaultSeen) { f.Controls[0].Seen.Peer = "wan" },
			Judgement{BrokenLab, false, `control "by pod IP" does not hold: wanted delivered by edge-pod; saw delivered by wan from 10.0.0.2`}},
		{"a control was not made", func(f *FaultSeen) { f.Controls[0].Seen = probe.Observation{} },
			Judgement{BrokenLab, false, `control "by pod IP" was not made`}},
		{"no control", func(f *FaultSeen) { f.Controls = nil },
			Judgement{BrokenLab, false, "0 of 2 controls were probed"}},
		{"a control was left out", func(f *FaultSeen) { f.Controls = f.Controls[:1] },
			Judgement{BrokenLab, false, "1 of 2 controls were probed"}},
		{"a control twice, another never", func(f *FaultSeen) { f.Controls[1] = f.Controls[0] },
			Judgement{BrokenLab, false, `control "from a pod" was to be "from a pod", not "by pod IP"`}},
		{"a control that holds because something else was wanted", func(f *FaultSeen) { f.Controls[1].Wanted, f.Controls[1].Seen = symptom, lost },
			Judgement{BrokenLab, false, `control "from a pod" was to be judged by "delivered by edge-pod", not by "timeout"`}},
		{"a control that asks elsewhere", func(f *FaultSeen) { f.Controls[1].Probe.To = "wan:80" },
			Judgement{BrokenLab, false, `control "from a pod" is not the scenario's, though it has its name`}},
		{"another probe", func(f *FaultSeen) { f.Probe.Probe.Name = "by pod IP" },
			Judgement{BrokenLab, false, `the fault's probe was to be "by Service", not "by pod IP"`}},
		{"a symptom that is not the scenario's", func(f *FaultSeen) { f.Probe.Wanted, f.Probe.Seen = mended, delivered },
			Judgement{BrokenLab, false, `the fault's probe was to be judged by "timeout", not by "delivered by edge-pod"`}},
		{"one piece of evidence was not taken", func(f *FaultSeen) { f.Evidence = f.Evidence[:1] },
			Judgement{BrokenLab, false, "1 of 2 pieces of the fault's evidence were taken"}},
		{"one piece of evidence twice, another never", func(f *FaultSeen) { f.Evidence[1] = f.Evidence[0] },
			Judgement{BrokenLab, false, `evidence "drops" was taken where "missing-nat" is wanted`}},
		{"evidence from another node", func(f *FaultSeen) { f.Evidence[1].Spec.On = "wan" },
			Judgement{BrokenLab, false, `evidence "missing-nat" is not the scenario's, though it has its name`}},
		{"the probe was not made", func(f *FaultSeen) { f.Probe.Seen = probe.Observation{} },
			Judgement{BrokenLab, false, "the fault's probe was not made"}},
		{"the path works", func(f *FaultSeen) { f.Probe.Seen = delivered },
			Judgement{NotReproduced, false, "the symptom is not there: wanted timeout; saw delivered by edge-pod from 10.0.0.2"}},
		{"another failure than documented", func(f *FaultSeen) { f.Probe.Seen = refused },
			Judgement{NotReproduced, false, "the symptom is not there: wanted timeout; saw refused"}},
		{"one piece of evidence missing", func(f *FaultSeen) { f.Evidence[1] = found(missingNAT, false) },
			Judgement{WrongReason, false, "the symptom is there, its evidence is not: missing-nat: not there"}},
		{"all evidence missing", func(f *FaultSeen) { f.Evidence = []evidence.Finding{found(drops, false), found(missingNAT, false)} },
			Judgement{WrongReason, false, "the symptom is there, its evidence is not: drops: not there; missing-nat: not there"}},
		{"no evidence taken", func(f *FaultSeen) { f.Evidence = nil },
			Judgement{BrokenLab, false, "0 of 2 pieces of the fault's evidence were taken"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			seen := faultSeen()
			row.lie(&seen)
			if got := JudgeFault(invented, seen); got != row.want {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
}

// fixSeen is what a fix that works shows: mended, evidence gone, controls as they were, the fault back after the undo.
func fixSeen(f scenario.Fix) FixSeen {
	seen := FixSeen{
		Controls: controls(),
		Probe:    probed(invented.Fault.Probe, mended, delivered),
		Symptom:  probed(invented.Fault.Probe, symptom, delivered),
		Evidence: []evidence.Finding{found(drops, false), found(missingNAT, false)},
	}
	if f.Probe != nil {
		seen.Probe = Probed{Probe: *f.Probe, Wanted: f.Probe.Expectation, Seen: delivered, Sources: []netip.Addr{delivered.Source.Addr()}}
		seen.Symptom = Probed{}
	}
	for _, e := range f.Evidence {
		seen.Own = append(seen.Own, found(e, true))
	}
	if f.Undo != nil {
		again := faultSeen()
		seen.Undone = &again
	}
	return seen
}

func TestJudgeFix(t *testing.T) {
	act := []scenario.Action{{On: "cloud", Cmd: []string{"true"}}}
	set := scenario.Fix{Name: "set", Set: map[string]string{"kubeProxy.mode": "iptables"}, Evidence: []evidence.Spec{ruleHit}}
	run := scenario.Fix{Name: "run", Run: act, Undo: act}
	forGood := scenario.Fix{Name: "for good", Run: act, NoUndo: "the old keys are gone"}
	leaves := scenario.Fix{Name: "leaves", Run: act, Leaves: []string{"missing-nat"}}
	changed := scenario.Fix{Name: "changed", Probe: &scenario.Probe{Name: "by pod network", Expectation: viaPod}}

	rows := []struct {
		name string
		fix  scenario.Fix
		lie  func(*FixSeen)
		want Judgement
	}{
		{"a setting that mends", set, func(*FixSeen) {},
			Judgement{Fixed, true, "delivered by edge-pod from 10.0.0.2"}},
		{"a command that mends", run, func(*FixSeen) {},
			Judgement{Fixed, true, "delivered by edge-pod from 10.0.0.2; undone, the fault is back"}},
		{"a command that cannot be undone", forGood, func(*FixSeen) {},
			Judgement{Fixed, true, "delivered by edge-pod from 10.0.0.2; not undone: the old keys are gone"}},
		{"a command that cannot be undone, and nothing seen", forGood, func(f *FixSeen) { f.Evidence = nil },
			Judgement{BrokenLab, false, "0 of 2 pieces of the fault's evidence were taken"}},
		{"the symptom stays", set, func(f *FixSeen) { f.Probe.Seen, f.Symptom.Seen = lost, lost },
			Judgement{NotFixed, false, "the symptom is still there: timeout (dial: i/o timeout)"}},
		{"merely another failure", set, func(f *FixSeen) { f.Probe.Seen, f.Symptom.Seen = refused, refused },
			Judgement{NotFixed, false, "not what a mended path shows: wanted delivered by edge-pod; saw refused"}},
		{"answered by another backend", set, func(f *FixSeen) { f.Probe.Seen.Peer, f.Symptom.Seen.Peer = "wan", "wan" },
			Judgement{NotFixed, false, "not what a mended path shows: wanted delivered by edge-pod; saw delivered by wan from 10.0.0.2"}},
		{"evidence stays", set, func(f *FixSeen) { f.Evidence[0] = found(drops, true) },
			Judgement{NotFixed, false, "the symptom is gone, its evidence is still there: drops: there"}},
		{"evidence was not taken", set, func(f *FixSeen) { f.Evidence = nil },
			Judgement{BrokenLab, false, "0 of 2 pieces of the fault's evidence were taken"}},
		{"other evidence was taken", set, func(f *FixSeen) { f.Evidence[0] = found(ruleHit, false) },
			Judgement{BrokenLab, false, `evidence "rule-hit" was taken where "drops" is wanted`}},
		{"own evidence is not there", set, func(f *FixSeen) { f.Own[0] = found(ruleHit, false) },
			Judgement{NotFixed, false, "the symptom is gone, the fix's own evidence is not there: rule-hit: not there"}},
		{"own evidence was not taken", set, func(f *FixSeen) { f.Own = nil },
			Judgement{BrokenLab, false, "0 of 1 pieces of the fix's own evidence were taken"}},
		{"a control broke", set, func(f *FixSeen) { f.Controls[1].Seen = refused },
			Judgement{SideEffect, false, `the symptom is gone, but control "from a pod" broke: wanted delivered by edge-pod; saw refused`}},
		{"a control broke, and evidence stays", set, func(f *FixSeen) { f.Controls[1].Seen, f.Evidence[0] = refused, found(drops, true) },
			Judgement{NotFixed, false, "the symptom is gone, its evidence is still there: drops: there"}},
		{"a control broke, and the fault does not come back", run, func(f *FixSeen) { f.Controls[1].Seen, f.Undone.Probe.Seen = refused, delivered },
			Judgement{NotFixed, false, "something else mended it, the undo did not bring the fault back: the symptom is not there: wanted timeout; saw delivered by edge-pod from 10.0.0.2"}},
		{"a control was left out", set, func(f *FixSeen) { f.Controls = f.Controls[:1] },
			Judgement{BrokenLab, false, "1 of 2 controls were probed"}},
		{"no probe", set, func(f *FixSeen) { f.Probe.Seen, f.Symptom.Seen = probe.Observation{}, probe.Observation{} },
			Judgement{BrokenLab, false, "the probe was not made"}},
		{"two different probes", set, func(f *FixSeen) { f.Symptom.Seen = refused },
			Judgement{BrokenLab, false, "symptom and mended path are not of the same probe"}},
		{"judged by the symptom", set, func(f *FixSeen) { f.Probe.Wanted = symptom },
			Judgement{BrokenLab, false, `the probe was to be judged by "delivered by edge-pod", not by "timeout"`}},
		{"a control twice, another never, under the fix", set, func(f *FixSeen) { f.Controls[1] = f.Controls[0] },
			Judgement{BrokenLab, false, `control "from a pod" was to be "from a pod", not "by pod IP"`}},
		{"a control's wanted outcome swapped", set, func(f *FixSeen) { f.Controls[1].Wanted, f.Controls[1].Seen = symptom, lost },
			Judgement{BrokenLab, false, `control "from a pod" was to be judged by "delivered by edge-pod", not by "timeout"`}},
		{"one piece of evidence was not taken after the undo", run, func(f *FixSeen) { f.Undone.Evidence = f.Undone.Evidence[:1] },
			Judgement{BrokenLab, false, "after the undo, 1 of 2 pieces of the fault's evidence were taken"}},
		{"the undo shows the path mended, and that was wanted", run, func(f *FixSeen) { f.Undone.Probe.Wanted, f.Undone.Probe.Seen = mended, delivered },
			Judgement{BrokenLab, false, `after the undo, the fault's probe was to be judged by "timeout", not by "delivered by edge-pod"`}},
		{"every control broke", set, func(f *FixSeen) { f.Controls[0].Seen, f.Controls[1].Seen = lost, refused },
			Judgement{SideEffect, false, `the symptom is gone, but control "by pod IP" broke: wanted delivered by edge-pod; saw timeout (dial: i/o timeout); control "from a pod" broke: wanted delivered by edge-pod; saw refused`}},
		{"another symptom", set, func(f *FixSeen) { f.Symptom.Wanted = mended },
			Judgement{BrokenLab, false, `the symptom was to be judged by "timeout", not by "delivered by edge-pod"`}},
		{"the fault does not come back", run, func(f *FixSeen) { f.Undone.Probe.Seen = delivered },
			Judgement{NotFixed, false, "something else mended it, the undo did not bring the fault back: the symptom is not there: wanted timeout; saw delivered by edge-pod from 10.0.0.2"}},
		{"the fault comes back without its evidence", run, func(f *FixSeen) { f.Undone.Evidence[0] = found(drops, false) },
			Judgement{NotFixed, false, "something else mended it, the undo did not bring the fault back: the symptom is there, its evidence is not: drops: not there"}},
		{"the undo breaks a control", run, func(f *FixSeen) { f.Undone.Controls[1].Seen = lost },
			Judgement{NotFixed, false, `the undo broke control "from a pod", so it takes back more than the fix: wanted delivered by edge-pod; saw timeout (dial: i/o timeout)`}},
		{"a control was left out after the undo", run, func(f *FixSeen) { f.Undone.Controls = f.Undone.Controls[1:] },
			Judgement{BrokenLab, false, "after the undo, 1 of 2 controls were probed"}},
		{"the undo was not tried", run, func(f *FixSeen) { f.Undone = nil },
			Judgement{NotFixed, false, "the undo was not tried, so something else may have mended it"}},
		{"evidence that is left stays", leaves, func(f *FixSeen) { f.Evidence[1] = found(missingNAT, true) },
			Judgement{Fixed, true, "delivered by edge-pod from 10.0.0.2"}},
		{"evidence that is left went", leaves, func(*FixSeen) {},
			Judgement{NotFixed, false, "the symptom is gone, but so is evidence that this fix leaves in place: missing-nat: not there"}},
		{"another way to ask", changed, func(*FixSeen) {},
			Judgement{Fixed, true, "delivered by edge-pod from 10.0.0.2"}},
		{"another way to ask, from an address that is not the client's", changed, func(f *FixSeen) { f.Probe.Seen.Source = netip.MustParseAddrPort("192.0.2.1:1") },
			Judgement{NotFixed, false, "not what a mended path shows: wanted delivered by edge-pod from cloud-pod (10.0.0.2); saw delivered by edge-pod from 192.0.2.1"}},
		{"another way to ask, and the evidence stays", changed, func(f *FixSeen) { f.Evidence[1] = found(missingNAT, true) },
			Judgement{NotFixed, false, "the symptom is gone, its evidence is still there: missing-nat: there"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			seen := fixSeen(row.fix)
			row.lie(&seen)
			if got := JudgeFix(invented, row.fix, seen); got != row.want {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
	t.Run("a fault without evidence", func(t *testing.T) {
		s := invented
		s.Fault.Evidence = nil
		seen := fixSeen(set)
		seen.Evidence = nil
		if got, want := JudgeFix(s, set, seen), (Judgement{BrokenLab, false, "the fault's evidence is to be nothing"}); got != want {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	})
}

func TestJudgeInert(t *testing.T) {
	fix := scenario.Fix{Name: "look-alike", Run: []scenario.Action{{On: "cloud", Cmd: []string{"true"}}}, Evidence: []evidence.Spec{ruleHit}}
	rows := []struct {
		name string
		lie  func(*FixSeen)
		want Judgement
	}{
		{"the fault shows in full", func(*FixSeen) {},
			Judgement{Inert, true, "timeout (dial: i/o timeout), with all of the evidence"}},
		{"it mends", func(f *FixSeen) { f.Probe.Seen, f.Symptom.Seen = delivered, delivered },
			Judgement{Helped, false, "the symptom is not as it was: wanted timeout; saw delivered by edge-pod from 10.0.0.2"}},
		{"it makes another failure", func(f *FixSeen) { f.Probe.Seen, f.Symptom.Seen = refused, refused },
			Judgement{Helped, false, "the symptom is not as it was: wanted timeout; saw refused"}},
		{"a control broke", func(f *FixSeen) { f.Controls[1].Seen = lost },
			Judgement{SideEffect, false, `the fault shows in full, but control "from a pod" broke: wanted delivered by edge-pod; saw timeout (dial: i/o timeout)`}},
		{"a control was left out", func(f *FixSeen) { f.Controls = nil },
			Judgement{BrokenLab, false, "0 of 2 controls were probed"}},
		{"the evidence goes, and a control broke", func(f *FixSeen) { f.Evidence[0], f.Controls[1].Seen = found(drops, false), lost },
			Judgement{WrongReason, false, `the symptom is as it was, its evidence is not: drops: not there; control "from a pod" broke: wanted delivered by edge-pod; saw timeout (dial: i/o timeout)`}},
		{"the evidence goes", func(f *FixSeen) { f.Evidence[0] = found(drops, false) },
			Judgement{WrongReason, false, "the symptom is as it was, its evidence is not: drops: not there"}},
		{"it is not in place", func(f *FixSeen) { f.Own[0] = found(ruleHit, false) },
			Judgement{WrongReason, false, "the symptom is as it was, but the inert fix's own evidence is not there: rule-hit: not there"}},
		{"no probe", func(f *FixSeen) { f.Probe.Seen, f.Symptom.Seen = probe.Observation{}, probe.Observation{} },
			Judgement{BrokenLab, false, "the probe was not made"}},
		{"evidence not taken", func(f *FixSeen) { f.Evidence = f.Evidence[:1] },
			Judgement{BrokenLab, false, "1 of 2 pieces of the fault's evidence were taken"}},
		{"its undo mends, and the evidence was gone before", func(f *FixSeen) {
			again := faultSeen()
			again.Probe.Seen, f.Undone, f.Evidence[0] = delivered, &again, found(drops, false)
		},
			Judgement{BrokenLab, false, "the undo of an inert fix changed the fault: the symptom is not there: wanted timeout; saw delivered by edge-pod from 10.0.0.2"}},
		{"its undo mends", func(f *FixSeen) { again := faultSeen(); again.Probe.Seen = delivered; f.Undone = &again },
			Judgement{BrokenLab, false, "the undo of an inert fix changed the fault: the symptom is not there: wanted timeout; saw delivered by edge-pod from 10.0.0.2"}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			seen := fixSeen(fix)
			seen.Probe.Seen, seen.Symptom.Seen = lost, lost
			seen.Evidence = []evidence.Finding{found(drops, true), found(missingNAT, true)}
			row.lie(&seen)
			if got := JudgeInert(invented, fix, seen); got != row.want {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
}

func TestADocumentedVerdict(t *testing.T) {
	act := []scenario.Action{{On: "cloud", Cmd: []string{"true"}}}
	price := scenario.Fix{Name: "price", Run: act, Undo: act, Expect: "SideEffect", Breaks: []string{"from a pod"}}
	other := scenario.Fix{Name: "other", Run: act, Undo: act, Expect: "WrongReason", Evidence: []evidence.Spec{ruleHit}}
	breaking := other
	breaking.Breaks = []string{"from a pod"}
	idle := scenario.Fix{Name: "idle", Run: act, Undo: act, Expect: "SideEffect", Breaks: []string{"from a pod", "by pod IP"}}
	broke := func(f *FixSeen) { f.Controls[1].Seen = refused }
	all := func(f *FixSeen) { f.Controls[0].Seen, f.Controls[1].Seen = refused, refused }
	mends := func(f *FixSeen) { f.Undone.Probe.Seen = delivered }
	otherwise := scenario.Probe{Name: "otherwise", From: "cloud-pod", To: "web:80", Expectation: invented.Fault.Mended}
	asked := scenario.Fix{Name: "asked", Probe: &otherwise, Evidence: []evidence.Spec{ruleHit}}
	hides := asked
	hides.Expect = "Hidden"
	const still = "delivered by edge-pod from 10.0.0.2; the fault is still there with all of its evidence: drops: there; missing-nat: there; rule-hit: there"
	stays := func(f *FixSeen) {
		if f.Probe.Probe.Name != otherwise.Name {
			f.Probe.Seen, f.Symptom.Seen = lost, lost
		}
		f.Evidence = []evidence.Finding{found(drops, true), found(missingNAT, true)}
	}
	differs := func(f *FixSeen) { stays(f); f.Evidence[0] = found(drops, false) }
	const another = "the symptom is as it was, its evidence is not: drops: not there"
	const pod = `control "from a pod" broke: wanted delivered by edge-pod; saw refused`
	const both = `control "by pod IP" broke: wanted delivered by edge-pod; saw refused; ` + pod
	rows := []struct {
		name  string
		fix   scenario.Fix
		judge func(scenario.Scenario, scenario.Fix, FixSeen) Judgement
		lies  []func(*FixSeen)
		want  Judgement
	}{
		{"a price that shows", price, JudgeFix, list(broke),
			Judgement{SideEffect, true, "the symptom is gone, but " + pod}},
		{"a higher price than documented", price, JudgeFix, list(all),
			Judgement{SideEffect, false, "the symptom is gone, but " + both + `; documented is that it breaks "from a pod", it broke "by pod IP", "from a pod"`}},
		{"a price in another coin", price, JudgeFix, list(func(f *FixSeen) { f.Controls[0].Seen = refused }),
			Judgement{SideEffect, false, `the symptom is gone, but control "by pod IP" broke: wanted delivered by edge-pod; saw refused` +
				`; documented is that it breaks "from a pod", it broke "by pod IP"`}},
		{"a price that does not show", price, JudgeFix, nil,
			Judgement{Fixed, false, "delivered by edge-pod from 10.0.0.2; undone, the fault is back; documented is SideEffect"}},
		{"a price that stays after the undo", price, JudgeFix, list(broke, func(f *FixSeen) { f.Undone.Controls[1].Seen = refused }),
			Judgement{NotFixed, false, `the undo broke control "from a pod", so it takes back more than the fix: wanted delivered by edge-pod; saw refused; documented is SideEffect`}},
		{"a price, and the fault does not come back", price, JudgeFix, list(broke, mends),
			Judgement{NotFixed, false, "something else mended it, the undo did not bring the fault back: the symptom is not there: wanted timeout; saw delivered by edge-pod from 10.0.0.2; documented is SideEffect"}},
		{"a fault that another probe hides", hides, JudgeFix, list(stays),
			Judgement{Hidden, true, still}},
		{"a hidden fault whose loss does not show", hides, JudgeFix, list(stays, func(f *FixSeen) { f.Own[0] = found(ruleHit, false) }),
			Judgement{NotFixed, false, "the symptom is gone, the fix's own evidence is not there: rule-hit: not there; documented is Hidden"}},
		{"a hidden fault that is half gone", hides, JudgeFix, list(differs),
			Judgement{NotFixed, false, "the symptom is gone, its evidence is still there: missing-nat: there; documented is Hidden"}},
		{"a fault that was to be hidden and is gone", hides, JudgeFix, list(func(f *FixSeen) { f.Evidence[1] = found(missingNAT, false) }),
			Judgement{Fixed, false, "delivered by edge-pod from 10.0.0.2; documented is Hidden"}},
		{"a fault that is hidden and was to be gone", asked, JudgeFix, list(stays),
			Judgement{Hidden, false, still}},
		{"another reason that shows", other, JudgeInert, list(differs), Judgement{WrongReason, true, another}},
		{"another reason that does not show itself", other, JudgeInert, list(differs, func(f *FixSeen) { f.Own[0] = found(ruleHit, false) }),
			Judgement{WrongReason, false, another + "; the evidence that it is documented with is not there: rule-hit: not there"}},
		{"another reason that breaks a control, which is not documented", other, JudgeInert, list(differs, broke),
			Judgement{WrongReason, false, another + "; " + pod + `; documented is that it breaks nothing, it broke "from a pod"`}},
		{"another reason that breaks a control, as documented", breaking, JudgeInert, list(differs, broke),
			Judgement{WrongReason, true, another + "; " + pod}},
		{"another reason that breaks nothing, though documented", breaking, JudgeInert, list(differs),
			Judgement{WrongReason, false, another + `; documented is that it breaks "from a pod", it broke nothing`}},
		{"another reason, whose undo mends", other, JudgeInert, list(differs, mends),
			Judgement{BrokenLab, false, "the undo of an inert fix changed the fault: the symptom is not there: wanted timeout; saw delivered by edge-pod from 10.0.0.2; documented is WrongReason"}},
		{"another reason, and the undo was not tried", other, JudgeInert, list(differs, func(f *FixSeen) { f.Undone = nil }),
			Judgement{BrokenLab, false, "the undo was not tried; documented is WrongReason"}},
		{"the documented reason after all", other, JudgeInert, list(stays),
			Judgement{Inert, false, "timeout (dial: i/o timeout), with all of the evidence; documented is WrongReason"}},
		{"it helps after all", other, JudgeInert, nil,
			Judgement{Helped, false, "the symptom is not as it was: wanted timeout; saw delivered by edge-pod from 10.0.0.2; documented is WrongReason"}},
		{"an inert fix that breaks all else, as documented", idle, JudgeInert, list(stays, all),
			Judgement{SideEffect, true, "the fault shows in full, but " + both}},
		{"an inert fix that breaks less than documented", idle, JudgeInert, list(stays, broke),
			Judgement{SideEffect, false, "the fault shows in full, but " + pod + `; documented is that it breaks "from a pod", "by pod IP", it broke "from a pod"`}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			seen := fixSeen(row.fix)
			for _, lie := range row.lies {
				lie(&seen)
			}
			if got := row.judge(invented, row.fix, seen); got != row.want {
				t.Errorf("got  %+v\nwant %+v", got, row.want)
			}
		})
	}
}

func list[T any](all ...T) []T { return all }
