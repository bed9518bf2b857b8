package harness_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// What a lab shows of itself is asked for once, whatever the fault came to, and decides nothing.
func TestLabsAreDescribed(t *testing.T) {
	nodes := lab.Document{Name: "nodes.yaml", Says: "the nodes", Text: "- node: a\n"}
	has := func(err error) func() ([]lab.Document, error) {
		return func() ([]lab.Document, error) { return []lab.Document{nodes}, err }
	}
	for _, row := range []struct {
		name    string
		prepare func(*fakeRuntime)
		verdict verdict.Verdict
		asked   string // what the first lab was asked for up to its documents
		none    bool
		told    string // as an error
	}{
		{"the fault is shown", func(r *fakeRuntime) { r.documents = has(nil) }, verdict.Reproduced, "up 1, 1 control, 1 fault, 1 described", false, ""},
		{"the documents are not all there", func(r *fakeRuntime) { r.documents = has(errors.New("no Services")) }, verdict.Reproduced, "up 1, 1 control, 1 fault, 1 described", false, "no Services"},
		{"the fault leaves no trace", func(r *fakeRuntime) {
			r.documents = has(nil)
			r.onControl = func(l *fakeLab, _ int) { l.silent = true }
		}, verdict.WrongReason, "up 1, 1 control, 1 fault, 1 described", false, ""},
		{"the lab dies", func(r *fakeRuntime) {
			r.documents = has(nil)
			r.onControl = func(l *fakeLab, _ int) { l.dead = true }
		}, verdict.BrokenLab, "up 1, 1 control, 1 described", false, ""},
		{"the lab cannot be built", func(r *fakeRuntime) {
			r.upErr = func(int) error {
				return fmt.Errorf("up: %w", &lab.DescribedError{Err: errors.New("a pod does not start"), Documents: []lab.Document{nodes}})
			}
		}, verdict.BrokenLab, "up 1", false, ""},
		{"there are none", func(*fakeRuntime) {}, verdict.Reproduced, "up 1, 1 control, 1 fault", true, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, rt := trialOf(t, good, idle)
			row.prepare(rt)
			var events []verdict.Document
			var failed []string
			x.Tell = func(e harness.Event) {
				if e.Kind == harness.Described {
					events = append(events, e.Documents...)
				}
				if e.Text == "describe the lab" && e.Err != "" {
					failed = append(failed, e.Err)
				}
			}
			out, err := x.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := []verdict.Document{verdict.Document(nodes)}
			if row.none {
				want = nil
			}
			if d := cmp.Diff(want, out.Documents); d != "" {
				t.Errorf("kept: -want +got:\n%s", d)
			}
			if d := cmp.Diff(want, events); d != "" {
				t.Errorf("told: -want +got:\n%s", d)
			}
			if out.Judgement.Verdict != row.verdict || out.Judgement.Verdict == verdict.Reproduced && out.ExitCode() != 0 {
				t.Errorf("%s, exit code %d", told(out), out.ExitCode())
			}
			if got := strings.Join(failed, ", "); got != row.told {
				t.Errorf("failed: %q, want %q", got, row.told)
			}
			if got := strings.Join(rt.trace, ", "); !strings.HasPrefix(got+", ", row.asked+", ") {
				t.Errorf("trace %s, want %s first", got, row.asked)
			}
			if n := len(slices.DeleteFunc(slices.Clone(rt.trace), func(s string) bool { return !strings.HasSuffix(s, "described") })); n > 1 {
				t.Errorf("described %d times", n)
			}
		})
	}
}
