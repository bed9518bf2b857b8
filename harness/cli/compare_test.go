package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/report"
	"github.com/faultline-lab/faultline/harness/verdict"
)

const hairpin = "../../e2e/testdata/hairpin/scenario.yaml"

// hairpinIn is the hairpin in those runtimes, prepared.
func hairpinIn(t *testing.T, runtimes ...string) (*app, *shown, comparison) {
	t.Helper()
	var out shown
	a := &app{stdout: &output{w: &out}}
	c, err := a.prepareComparison(hairpin, runtimes, runFlags{report: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return a, &out, c
}

func TestExitCodeOfAComparison(t *testing.T) {
	as := func(v verdict.Verdict, expected bool, code int) ran {
		return ran{begun: true, report: report.Report{Scenario: "hairpin", Verdict: v, Expected: expected, ExitCode: code}}
	}
	fine := as(verdict.Reproduced, true, ExitOK)
	not := as(verdict.NotReproduced, false, ExitUnexpected)
	lacks := as(verdict.Unsupported, false, ExitUnsupported)
	// Of which nothing says that it is not as documented.
	other := as(verdict.WrongReason, true, ExitOK)
	unwritten := fine
	unwritten.err = errors.New("no space left on device")
	for _, row := range []struct {
		name string
		in   [3]ran
		want int
		says string
	}{
		{"equal", [3]ran{fine, fine, fine}, ExitOK, "1 of 1 verdicts compared in netns, kind, vm: all the same\n"},
		{"different", [3]ran{fine, not, fine}, ExitUnexpected, "1 not the same; not as documented in kind\n"},
		{"different, each as documented", [3]ran{fine, fine, other}, ExitUnexpected, "1 not the same\n"},
		{"equal, but not as documented", [3]ran{not, not, not}, ExitUnexpected, "all the same; not as documented in netns, kind, vm\n"},
		{"one is unsupported", [3]ran{fine, lacks, fine}, ExitUnsupported, "all the same; unsupported here: kind\n"},
		{"one is unsupported, the others differ", [3]ran{fine, lacks, not}, ExitUnexpected, "1 not the same; not as documented in vm; unsupported here: kind\n"},
		{"all are unsupported", [3]ran{lacks, lacks, lacks}, ExitUnsupported, "nothing to compare; unsupported here: netns, kind, vm\n"},
		{"one lab broke", [3]ran{fine, as(verdict.BrokenLab, false, ExitBroken), fine}, ExitBroken, "1 not the same"},
		{"a report could not be written", [3]ran{fine, unwritten, fine}, ExitBroken, "all the same"},
		{"interrupted before", [3]ran{fine, {}, {}}, ExitInterrupted, "not compared: hairpin, fault\n    kind: not run: interrupted before\n    vm: not run: interrupted before\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, out, c := hairpinIn(t, "netns", "kind", "vm")
			if got := code(a.concludeComparison(c, row.in[:])); got != row.want {
				t.Errorf("exit code %d, want %d", got, row.want)
			}
			if !strings.Contains(out.String(), row.says) {
				t.Errorf("%q is not in\n%s", row.says, out)
			}
		})
	}
}

// A runtime that is unsupported does not keep the others from being tried, and each has its own report.
func TestComparisonRunsInEveryRuntime(t *testing.T) {
	a, out, c := hairpinIn(t, "netns", "kind")
	all := c.all()
	for i := range all.trials {
		var err error
		if all.trials[i].journal, err = openReport(all.trials[i].dir); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { all.trials[i].journal.Close() })
	}
	s := &stuck{check: func(context.Context, string) error { return unsupported("it") }}
	if got := code(a.runComparison(t.Context(), c, all, s, 1, newDigest(a.stdout, a.reportOptions(), all))); got != ExitUnsupported {
		t.Errorf("exit code %d", got)
	}
	if len(s.begun) != 2 {
		t.Errorf("begun: %v", s.begun)
	}
	for i, rt := range []string{"netns", "kind"} {
		p := all.trials[i]
		if _, err := os.Stat(filepath.Join(p.dir, "report.json")); err != nil || filepath.Base(p.dir) != rt || p.flags.runtime != rt {
			t.Errorf("%s in %s: %v", p.flags.runtime, p.dir, err)
		}
	}
	if lost := inOrder(out.String(), "2 trials of a scenario", "NETNS", "KIND", "fault", "not compared: hairpin, fault", "netns: Unsupported:", "unsupported here: netns, kind"); lost != "" {
		t.Errorf("%q is not in its place:\n%s", lost, out)
	}
}

func TestRuntimesThatCannotBeCompared(t *testing.T) {
	for _, row := range []struct {
		runtimes string
		flags    placeFlags
		says     string
	}{
		{"netns", placeFlags{}, "want two runtimes or more"},
		{"netns,auto", placeFlags{}, `--runtime "auto": want runtimes of netns, vm, kind`},
		{"kind,kind", placeFlags{}, "kind is given twice"},
		{"netns,kind", placeFlags{kernel: "debian-13"}, "--kernel goes with --runtime vm"},
		{"netns,vm", placeFlags{keep: true}, "--keep and --reuse go with --runtime kind"},
		{"netns,vm,kind", placeFlags{keep: true, kernel: "debian-13"}, ""},
	} {
		a := &app{stdout: &output{w: &shown{}}}
		c, err := a.prepareComparison(hairpin, strings.Split(row.runtimes, ","), runFlags{place: row.flags, report: t.TempDir()})
		switch {
		case row.says == "" && err != nil, row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)):
			t.Errorf("%s: %v, want %q", row.runtimes, err, row.says)
		case err == nil && (c.flags[0].keep || c.flags[2].kernel != "" || c.flags[1].kernel == "" || !c.flags[2].keep):
			t.Errorf("%s: %+v", row.runtimes, c.flags)
		}
	}
}
