package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// stuck is a place whose runtimes can carry nothing: what a trial meets there, and when, is up to its check.
type stuck struct {
	in    map[string]string // runtimes of trials; netns if nothing is said
	check func(ctx context.Context, name string) error
	// closed hears that a trial gave its runtime back; may be nil.
	closed func()

	mu    sync.Mutex
	begun []string
	now   map[string]bool // those that run
	most  int             // that ever ran at once
}

func (s *stuck) choose(_ context.Context, t *harness.Trial) place {
	if in := s.in[t.Scenario.FullName()]; in != "" {
		return place{in, ""}
	}
	return place{"netns", "chosen for " + t.Scenario.FullName()}
}

func (s *stuck) open(t *harness.Trial, _ place) (lab.Runtime, func()) {
	name := t.Scenario.FullName()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.now == nil {
		s.now = map[string]bool{}
	}
	s.now[name] = true
	s.begun, s.most = append(s.begun, name), max(s.most, len(s.now))
	return stuckRuntime{place: s, name: name}, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.now, name)
		if s.closed != nil {
			s.closed()
		}
	}
}

type stuckRuntime struct {
	lab.Runtime
	place *stuck
	name  string
}

func (r stuckRuntime) Check(ctx context.Context, _ *plan.Plan) (lab.Facts, error) {
	return lab.Facts{Runtime: "netns", Kernel: "6.1"}, r.place.check(ctx, r.name)
}

// shown is an output that can be looked at while it is written.
type shown struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shown) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shown) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// trials are the hairpin of the e2e suite, in variants or in copies of those names, prepared to be run by the app.
func trials(t *testing.T, variants, copies []string) (*app, *shown, batch) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../../e2e/testdata/hairpin")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "scenario.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if len(variants) > 0 {
		text = append(text, "variants:\n"...)
		for _, v := range variants {
			text = fmt.Appendf(text, "  - {name: %s}\n", v)
		}
		copies = []string{"hairpin"}
	}
	var names []string
	for _, c := range copies {
		path := filepath.Join(dir, c+".yaml")
		if err := os.WriteFile(path, bytes.Replace(text, []byte("scenario: hairpin"), []byte("scenario: "+c), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, path)
	}
	var out shown
	a := &app{stdout: &output{w: &out}}
	b, err := a.prepareAll(names, runFlags{place: placeFlags{runtime: "auto"}, report: filepath.Join(dir, "reports")})
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.trials {
		if b.trials[i].journal, err = openReport(b.trials[i].dir); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { b.trials[i].journal.Close() })
	}
	return a, &out, b
}

func (a *app) runStuck(ctx context.Context, b batch, s *stuck, jobs int) error {
	return a.runTrials(ctx, b, s, jobs, a.stage(b))
}

// code is the exit code that an error of a run comes to.
func code(err error) int {
	var e *exit
	if err != nil && !errors.As(err, &e) {
		return -1
	}
	if err == nil {
		return ExitOK
	}
	return e.code
}

// inOrder says what of parts does not stand in text behind the one before it.
func inOrder(text string, parts ...string) string {
	for _, p := range parts {
		_, rest, found := strings.Cut(text, p)
		if !found {
			return p
		}
		text = rest
	}
	return ""
}

func unsupported(what string) error {
	return &lab.UnsupportedError{Runtime: "netns", Missing: []lab.Missing{{What: what}}}
}

// Of one scenario the first story is told while it happens, and the others after it in the file's order, whichever ends
// first.
func TestStoriesStandInTheFilesOrder(t *testing.T) {
	a, out, b := trials(t, []string{"one", "two", "three"}, nil)
	third, second := make(chan struct{}), make(chan struct{})
	s := &stuck{check: func(_ context.Context, name string) error {
		switch name {
		case "hairpin/three":
			defer close(third)
		case "hairpin/two":
			<-third
			defer close(second)
		case "hairpin/one":
			<-second
			if text := out.String(); !strings.Contains(text, "chosen for hairpin/one") || strings.Contains(text, "hairpin/two") || strings.Contains(text, "hairpin/three") {
				t.Errorf("while the first runs, this stands there:\n%s", text)
			}
		}
		return unsupported("what " + name + " wants")
	}}
	if got := code(a.runStuck(t.Context(), b, s, 3)); got != ExitUnsupported {
		t.Errorf("exit code %d", got)
	}
	if lost := inOrder(out.String(),
		"== hairpin/one", "chosen for hairpin/one", "what hairpin/one wants", "hairpin/one on 6.1 [netns], in ",
		"\n\n== hairpin/two", "chosen for hairpin/two", "what hairpin/two wants", "\n\n== hairpin/three", "what hairpin/three wants",
		"RUNTIME", "\n  hairpin/one ", "\n  hairpin/two ", "\n  hairpin/three ",
	); lost != "" {
		t.Errorf("%q is not in its place:\n%s", lost, out)
	}
}

func TestTheWorstOfTheTrialsCounts(t *testing.T) {
	for _, row := range []struct {
		name string
		errs []error
		want int
		says string
	}{
		{"unsupported", []error{unsupported("it"), unsupported("it")}, ExitUnsupported, ": unsupported here: first, second\n"},
		{"broken, then unsupported", []error{errors.New("gone"), unsupported("it")}, ExitBroken, ": the lab broke: first; unsupported here: second\n"},
		{"unsupported, then broken", []error{unsupported("it"), errors.New("gone")}, ExitBroken, ": the lab broke: second; unsupported here: first\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, out, b := trials(t, nil, []string{"first", "second"})
			s := &stuck{check: func(_ context.Context, name string) error {
				return map[string]error{"first": row.errs[0], "second": row.errs[1]}[name]
			}}
			if got := code(a.runStuck(t.Context(), b, s, 2)); got != row.want {
				t.Errorf("exit code %d, want %d", got, row.want)
			}
			if lost := inOrder(out.String(), "2 trials of 2 scenarios", "RUNTIME", "\n  first ", "\n  second ", row.says); lost != "" {
				t.Errorf("%q is not in its place:\n%s", lost, out)
			}
			for _, name := range []string{"first", "second"} { // each story whole, below its line
				if lost := inOrder(out.String(), " s  "+name+" on 6.1 [netns], in ", "chosen for "+name, "the fault: ", "report: "); lost != "" {
					t.Errorf("%q is not in its place in the story of %s:\n%s", lost, name, out)
				}
			}
		})
	}
}

func TestTrialsAtOnce(t *testing.T) {
	four := []string{"one", "two", "three", "four"}
	guests := map[string]string{"hairpin/three": "vm", "hairpin/four": "vm"}
	for _, row := range []struct {
		name  string
		in    map[string]string
		jobs  int
		most  int
		begun string // the first of them
	}{
		{"one by one", nil, 1, 1, "hairpin/one"},
		{"two", nil, 2, 2, ""},
		{"guests first", guests, 1, 1, "hairpin/three"},
	} {
		t.Run(row.name, func(t *testing.T) {
			a, _, b := trials(t, four, nil)
			var mu sync.Mutex
			waiting, full := 0, make(chan struct{})
			s := &stuck{in: row.in}
			s.check = func(_ context.Context, name string) error {
				mu.Lock()
				defer mu.Unlock()
				if waiting++; waiting == row.most && row.in == nil {
					close(full)
				}
				if row.in == nil && waiting <= row.most { // the first ones wait for each other
					mu.Unlock()
					<-full
					mu.Lock()
				}
				return unsupported("it")
			}
			if got := code(a.runTrials(t.Context(), b, s, row.jobs, a.stage(b))); got != ExitUnsupported {
				t.Errorf("exit code %d", got)
			}
			if s.most > row.most || row.in == nil && s.most != row.most {
				t.Errorf("%d ran at once, want %d", s.most, row.most)
			}
			if len(s.begun) != len(four) || row.begun != "" && s.begun[0] != row.begun {
				t.Errorf("begun: %s", s.begun)
			}
		})
	}
}

// An interrupt ends the trials that run, each with a report, and begins no other.
func TestInterruptOfTrials(t *testing.T) {
	for _, row := range []struct{ variants, copies []string }{
		{variants: []string{"one", "two", "three"}},
		{copies: []string{"one", "two", "three"}},
	} {
		a, out, b := trials(t, row.variants, row.copies)
		ctx, interrupt := context.WithCancel(t.Context())
		var both sync.WaitGroup
		both.Add(2)
		s := &stuck{check: func(ctx context.Context, _ string) error {
			both.Done()
			both.Wait()
			interrupt()
			<-ctx.Done()
			return ctx.Err()
		}}
		if got := code(a.runStuck(ctx, b, s, 2)); got != ExitInterrupted {
			t.Errorf("exit code %d", got)
		}
		if len(s.begun) != 2 || len(s.now) != 0 {
			t.Errorf("begun: %v, still run: %v", s.begun, s.now)
		}
		for i, p := range b.trials {
			if _, err := os.Stat(filepath.Join(p.dir, "report.json")); (err == nil) != (i < 2) {
				t.Errorf("trial %d: %v", i, err)
			}
		}
		if lost := inOrder(out.String(), "chosen for", "interrupted after", "interrupted after", "RUNTIME", "one ", "interrupted\n", "two ", "interrupted\n", "three ", "not run: interrupted before"); lost != "" {
			t.Errorf("%q is not in its place:\n%s", lost, out)
		}
	}
}

// An interrupt between two trials, which no trial hears of, leaves some out all the same.
func TestInterruptBetweenTrials(t *testing.T) {
	a, _, b := trials(t, []string{"one", "two"}, nil)
	ctx, interrupt := context.WithCancel(t.Context())
	s := &stuck{check: func(context.Context, string) error { return unsupported("it") }, closed: interrupt}
	if got := code(a.runStuck(ctx, b, s, 1)); got != ExitInterrupted {
		t.Errorf("exit code %d", got)
	}
	if len(s.begun) != 1 {
		t.Errorf("begun: %v", s.begun)
	}
}

// A story behind one that never began is told all the same.
func TestStoryBehindOneThatNeverBegan(t *testing.T) {
	a, out, b := trials(t, []string{"one", "guest"}, nil)
	ctx, interrupt := context.WithCancel(t.Context())
	s := &stuck{in: map[string]string{"hairpin/guest": "vm"}, check: func(ctx context.Context, _ string) error {
		interrupt()
		return ctx.Err()
	}}
	if got := code(a.runStuck(ctx, b, s, 1)); got != ExitInterrupted {
		t.Errorf("exit code %d", got)
	}
	if lost := inOrder(out.String(), "== hairpin/guest", "interrupted after", "hairpin/one ", "not run: interrupted before"); lost != "" {
		t.Errorf("%q is not in its place:\n%s", lost, out)
	}
}

// What is shared stands in the digest once, whoever says it and how often.
func TestSharedStepsAreSaidOnce(t *testing.T) {
	a, out, b := trials(t, nil, []string{"first", "second"})
	d := a.stage(b)
	for _, line := range []string{"a kernel is fetched", "a kernel is fetched", "kube-proxy is built"} {
		d.shared(line)
	}
	if got := out.String(); strings.Count(got, "a kernel is fetched") != 1 || strings.Count(got, "kube-proxy is built") != 1 {
		t.Error(got)
	}
}

// A disk that is full ends no other trial, and outweighs what they come to.
func TestReportThatCannotBeWritten(t *testing.T) {
	a, out, b := trials(t, nil, []string{"first", "second"})
	if err := os.Mkdir(filepath.Join(b.trials[0].dir, "report.md"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(b.trials[0].dir, "report.md", "in the way"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := &stuck{check: func(context.Context, string) error { return unsupported("it") }}
	err := a.runStuck(t.Context(), b, s, 2)
	if code(err) != ExitBroken || !strings.Contains(err.Error(), "report.md") {
		t.Errorf("exit code %d, %v", code(err), err)
	}
	if _, err := os.Stat(filepath.Join(b.trials[1].dir, "report.json")); err != nil {
		t.Error(err)
	}
	if !strings.Contains(out.String(), "\n  second ") {
		t.Error(out)
	}
}
