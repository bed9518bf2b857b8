package report

import (
	"bytes"
	"slices"
	"testing"

	"github.com/faultline-lab/faultline/harness/internal/golden"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// fine is a report on a variant in which everything is as documented.
func fine(variant string) Report {
	return Report{
		Scenario: "invented", Variant: variant, Verdict: verdict.Reproduced, Why: "every control holds", Expected: true,
		Fixes: []Fix{{Name: "policy", Verdict: verdict.Fixed, Expected: true, Why: "delivered"}, {Name: "mode", Verdict: verdict.SideEffect, Expected: true, Why: "a control breaks"}},
		Inert: []Fix{{Name: "flush", Verdict: verdict.Inert, Expected: true, Why: "timeout"}},
		Matrix: &Matrix{Phases: []MatrixPhase{{Phase: "before", Asked: true, Expected: true, Why: "as stated", Cells: [][]Cell{{
			{Probe: Probe{Name: "a to b", Outcome: probe.Delivered, Peer: "b"}}, {Probe: Probe{Name: "a to c", Outcome: probe.Timeout}},
		}}}}},
	}
}

// lacking is a report on a variant that the place cannot carry.
func lacking(variant string) Report {
	r := fine(variant)
	r.Verdict, r.Why, r.Expected, r.ExitCode = verdict.Unsupported, "runtime kind: unsupported here:\n  - ip_vs in the kernel", false, verdict.ExitUnsupported
	for _, list := range [][]Fix{r.Fixes, r.Inert} {
		for i := range list {
			list[i].Verdict, list[i].Expected, list[i].Why = verdict.NotTried, false, "the verdict on the fault is Unsupported"
		}
	}
	r.Matrix.Phases[0] = MatrixPhase{Phase: "before", Why: "the verdict on the fault is Unsupported"}
	return r
}

func with(r Report, change func(*Report)) Report {
	change(&r)
	return r
}

func TestComparison(t *testing.T) {
	ipip := func() Report {
		return with(fine("ipip"), func(r *Report) {
			r.Expected, r.ExitCode = false, verdict.ExitUnexpected
			r.Fixes[0].Verdict, r.Fixes[0].Expected, r.Fixes[0].Why = verdict.NotFixed, false, "still timeout\x1b[2J"
			p := &r.Matrix.Phases[0]
			p.Expected, p.Why = false, "1 of 2 cells not as stated"
			p.Cells[0][1].Outcome, p.Cells[0][1].Peer = probe.Delivered, "c"
		})
	}
	columns := []Column{
		{Runtime: "netns", Reports: []Report{fine("plain"), fine("ipip"), fine("ipvs"), fine("alone")}},
		{Runtime: "kind", Reports: []Report{fine("plain"), ipip(), lacking("ipvs")}, NotRun: [][2]string{{"invented/alone", "its file names the runtimes netns, vm"}}},
	}
	for file, o := range map[string]Options{"testdata/compare.txt": {}, "testdata/compare_colour.txt": {Colour: true}} {
		var b bytes.Buffer
		if got, want := Compare(&b, o, columns), (Compared{All: 20, Both: 10, Differs: 2}); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
		golden.Check(t, file, b.Bytes())
	}
}

func TestWhatCountsAsADifference(t *testing.T) {
	for _, row := range []struct {
		name string
		has  Report
		want Compared
		says string
	}{
		{"the same", fine(""), Compared{5, 5, 0}, "5 of 5 verdicts compared in netns, kind: all the same"},
		{"another reason", with(fine(""), func(r *Report) { r.Fixes[0].Why = "delivered from elsewhere" }), Compared{5, 5, 0}, "all the same"},
		{"the fault", with(fine(""), func(r *Report) { r.Verdict, r.Expected, r.ExitCode = verdict.NotReproduced, false, 1 }), Compared{5, 5, 1}, "1 not the same; not as documented in kind"},
		{"an inert fix", with(fine(""), func(r *Report) { r.Inert[0].Verdict = verdict.Helped }), Compared{5, 5, 1}, "inert   flush   Inert       Helped  <- differs"},
		{"evidence left out", with(fine(""), func(r *Report) { r.LeftOut = []string{"drops: needs kernel 6.9"} }), Compared{5, 5, 0}, "all the same; evidence left out in kind\n"},
		{"a broken lab", with(fine(""), func(r *Report) { r.Fixes[1].Verdict = verdict.BrokenLab }), Compared{5, 5, 1}, "differs: invented, fix mode\n    netns: SideEffect: a control breaks\n    kind: BrokenLab: a control breaks"},
		{"one answer in the matrix", with(fine(""), func(r *Report) { r.Matrix.Phases[0].Cells[0][0].Outcome = probe.Refused }), Compared{5, 5, 1}, "kind: as stated: as stated; a to b: refused by b"},
		{"a fix that was left out", with(fine(""), func(r *Report) { r.Fixes[0].Verdict = verdict.NotTried }), Compared{5, 4, 0}, "NotTried  <- not compared"},
		{"unsupported", lacking(""), Compared{5, 0, 0}, "there is nothing to compare; unsupported here: kind"},
	} {
		t.Run(row.name, func(t *testing.T) {
			for turn := range 2 { // whichever stands first
				columns := []Column{{Runtime: "netns", Reports: []Report{fine("")}}, {Runtime: "kind", Reports: []Report{row.has}}}
				if turn == 1 {
					slices.Reverse(columns)
				}
				var b bytes.Buffer
				if got := Compare(&b, Options{}, columns); got != row.want {
					t.Errorf("%+v, want %+v:\n%s", got, row.want, b.String())
				}
				if turn == 0 && !bytes.Contains(b.Bytes(), []byte(row.says)) {
					t.Errorf("%q is not in\n%s", row.says, b.String())
				}
			}
		})
	}
}

// The reports are of the judge, not of this test: what it says is what the comparison has to say.
func TestComparisonSaysWhatTheJudgeSaw(t *testing.T) {
	s := experiment()
	judged := func(change func(*verdict.Trial)) Report {
		all := trial()
		change(&all)
		all.Judgement = verdict.JudgeFault(s, *all.Fault)
		for i, f := range all.Fixes {
			if f.Seen != nil {
				all.Fixes[i].Judgement = verdict.JudgeFix(s, f.Fix, *f.Seen)
			}
		}
		return New(all, maker)
	}
	in := func(name string, r Report) Column { return Column{Runtime: name, Reports: []Report{r}} }
	netns := judged(func(*verdict.Trial) {})
	for _, row := range []struct {
		name   string
		kind   func(*verdict.Trial)
		differ int
		says   string
	}{
		{"another count in the evidence", func(t *verdict.Trial) { t.Fault.Evidence = findings(s, 300, "SRC_NAT") }, 0, "all the same"},
		{"no count in the evidence", func(t *verdict.Trial) { t.Fault.Evidence = findings(s, 0, "SRC_NAT") }, 1,
			"  differs: invented, fault\n" +
				"    netns: Reproduced: timeout (dial tcp 10.96.0.10:80: i/o timeout), with the evidence: drop counted: XfrmInNoPols grew by 3; " +
				"SRC_NAT without DST_NAT: conntrack to web:80 has SRC_NAT, lacks DST_NAT: SYN_RECV SRC_NAT\n" +
				"    kind: WrongReason: the symptom is there, its evidence is not: drop counted: XfrmInNoPols stayed at 4 (wanted: grows)\n"},
		{"a fix that does nothing", func(t *verdict.Trial) { t.Fixes[0].Seen = underFix(s, silence, findings(s, 3, "SRC_NAT"), fault(s)) }, 1,
			"  differs: invented, fix policy\n" +
				"    netns: Fixed: delivered by edge-pod from 192.168.0.1; undone, the fault is back\n" +
				"    kind: NotFixed: the symptom is still there: timeout (dial tcp 10.96.0.10:80: i/o timeout)\n"},
		{"a fix that leaves the evidence", func(t *verdict.Trial) { t.Fixes[0].Seen = underFix(s, answered, findings(s, 3, "SRC_NAT"), fault(s)) }, 1, "kind: NotFixed: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			var b bytes.Buffer
			sum := Compare(&b, Options{}, []Column{in("netns", netns), in("kind", judged(row.kind))})
			if sum.Differs != row.differ || bytes.Count(b.Bytes(), []byte("<- differs\n")) != row.differ {
				t.Errorf("%+v, want %d that differ:\n%s", sum, row.differ, b.String())
			}
			if !bytes.Contains(b.Bytes(), []byte(row.says)) {
				t.Errorf("%q is not in\n%s", row.says, b.String())
			}
		})
	}
}
