package harness_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// several is a scenario with every way to try a fix, and a matrix.
func several(t *testing.T) (*harness.Trial, *fakeRuntime) {
	t.Helper()
	x, rt := trialOf(t, whole+good+set+cmd("for-good", "mend", "")+asked,
		half+other+idle+"  - {name: other-set, set: {nodes.a.sysctls.net.ipv4.tcp_ecn: 2}}\n")
	x.Scenario.Matrix = matrixOf(t, "fails, works", "delivered, timeout", "delivered, delivered")
	return x, rt
}

// counter is what a node's counter stood at, which depends on what was done on the lab before.
var counter = regexp.MustCompile(`("count":|stayed at) \d+`)

// record is all that a trial saw and judged, without times and without what counters stood at.
func record(t *testing.T, out verdict.Trial) string {
	t.Helper()
	for _, list := range [][]verdict.Tried{out.Fixes, out.Inert} {
		for i := range list {
			list[i].Took = 0
		}
	}
	text, err := json.MarshalIndent([]any{out.Fault, out.Judgement, out.Fixes, out.Inert, out.Matrix}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return counter.ReplaceAllString(string(text), "$1 N")
}

func TestSideBySideTheRecordIsTheSame(t *testing.T) {
	run := func(room int) verdict.Trial {
		x, rt := several(t)
		rt.room = room
		out, err := x.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(rt.open) > 0 || room > 1 && rt.most > room {
			t.Errorf("room for %d: %d were open at once, left open are %v", room, rt.most, rt.open)
		}
		return out
	}
	one := run(1)
	want := "Reproduced; whole Fixed; good Fixed; set Fixed; for-good Fixed; asked Fixed; first Inert; second Inert; idle Inert; other-set Inert"
	if told(one) != want || one.ExitCode() != 0 {
		t.Fatalf("one after the other, exit code %d: %s", one.ExitCode(), told(one))
	}
	for _, room := range []int{2, 3, 4, 20} {
		if diff := cmp.Diff(record(t, one), record(t, run(room))); diff != "" {
			t.Errorf("room for %d labs (-one +several):\n%s", room, diff)
		}
	}
}

// Each fix waits until the other one's command runs.
func TestFixesAreTriedSideBySide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, rt := trialOf(t, cmd("good", "mend", "unmend"), cmd("idle", "nothing", "nothing"))
		rt.room = 2
		var both sync.WaitGroup
		both.Add(2)
		met := map[string]*sync.Once{"mend": {}, "nothing": {}}
		rt.onCommand = func(name string) {
			if once := met[name]; once != nil {
				once.Do(func() { both.Done(); both.Wait() })
			}
		}
		out, err := x.Run(t.Context())
		if want := "Reproduced; good Fixed; idle Inert"; err != nil || told(out) != want {
			t.Errorf("got %s, %v, want %s", told(out), err, want)
		}
	})
}

// Told part by part, the events are those of a trial that does one thing after the other, but for the labs it builds.
func TestPartsAreTheStory(t *testing.T) {
	story := func(room int) string {
		x, rt := several(t)
		rt.room = room
		var events []harness.Event
		x.Tell = func(e harness.Event) { events = append(events, e) }
		out, err := x.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		slices.SortStableFunc(events, func(a, b harness.Event) int { return a.Part - b.Part })
		var b strings.Builder
		for i, e := range events {
			if e.Kind == harness.Over && i+1 < len(events) && events[i+1].Part == e.Part {
				t.Errorf("part %d goes on after its end: %s %s", e.Part, events[i+1].Kind, events[i+1].Text)
			}
			if e.Kind == harness.Judged || e.Kind == harness.Measured || e.Kind == harness.Over {
				fmt.Fprintf(&b, "%d %s %s\n", e.Part, e.Kind, e.Text)
			}
		}
		var phases []string
		for _, p := range out.Phases {
			if _, wanted, ok := strings.Cut(p.Name, "fix "); ok {
				phases = append(phases, wanted)
			}
		}
		return b.String() + strings.Join(phases, ", ")
	}
	if diff := cmp.Diff(story(1), story(4)); diff != "" {
		t.Errorf("-one +several:\n%s", diff)
	}
}

// An interrupt ends what is tried on every lab; what had been seen to its end stays in the record.
func TestInterruptSideBySide(t *testing.T) {
	x, rt := trialOf(t, good+cmd("hangs", "block", "unmend")+cmd("hangs-too", "stall", "unmend"), idle)
	rt.room = 4
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var blocked sync.WaitGroup
	blocked.Add(2)
	rt.onCommand = func(name string) {
		if name == "block" || name == "stall" {
			blocked.Done()
		}
	}
	left := 2 // fixes that end by themselves
	x.Tell = func(e harness.Event) {
		switch {
		case e.Kind == harness.Judged && e.Part > 0 && left > 0:
			if left--; left == 0 {
				go func() { blocked.Wait(); cancel() }()
			}
		case e.Kind == harness.Ended && e.Err != "" && !e.Cancelled:
			t.Errorf("%s is not told to be cancelled: %s", e.Text, e.Err)
		}
	}
	out, err := x.Run(ctx)
	if !errors.Is(err, context.Canceled) || out.ExitCode() != 130 {
		t.Errorf("exit code %d, %v", out.ExitCode(), err)
	}
	if diff := cmp.Diff("Reproduced; good Fixed; hangs NotTried; hangs-too NotTried; idle Inert", told(out)); diff != "" {
		t.Error(diff)
	}
	if len(rt.open) > 0 {
		t.Errorf("labs left open: %v", rt.open)
	}
}

func TestInterruptOfTheMatrix(t *testing.T) {
	x, rt := several(t)
	rt.room = 4
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rt.onCell = func(*fakeLab) error { cancel(); return errors.New("the process was killed") }
	out, err := x.Run(ctx)
	if !errors.Is(err, context.Canceled) || out.ExitCode() != 130 {
		t.Errorf("exit code %d, %v", out.ExitCode(), err)
	}
	if j := out.Judgement; j.Verdict != verdict.Reproduced {
		t.Errorf("the fault, which was shown, is %s: %s", j.Verdict, j.Why)
	}
	if got, want := out.Matrix[0].Why, "not asked: NotTried: the trial was cancelled"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(rt.open) > 0 {
		t.Errorf("labs left open: %v", rt.open)
	}
}

// A matrix that cannot be asked ends the trial, and with it whatever is tried beside it.
func TestAMatrixThatCannotBeAsked(t *testing.T) {
	x, rt := several(t)
	x.Only = nil
	x.Scenario.Fixes = append(parseFixes(cmd("hangs", "block", "unmend")), x.Scenario.Fixes...)
	rt.room = 4
	blocked := make(chan struct{})
	rt.onCommand = func(name string) {
		if name == "block" {
			close(blocked)
		}
	}
	rt.onCell = func(l *fakeLab) error {
		if l.number > 1 {
			return nil
		}
		<-blocked
		return errors.New("the guest is gone")
	}
	given := ""
	x.Tell = func(e harness.Event) {
		if e.Kind == harness.Ended && e.Text == "fix hangs" && !e.Cancelled {
			given = e.Err
		}
		if e.Kind == harness.Judged && e.Text == "hangs" {
			t.Errorf("judged: %+v", e.Judged)
		}
	}
	out, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Judgement.Verdict != verdict.BrokenLab || !strings.Contains(out.Judgement.Why, "ask the matrix: ") || out.ExitCode() != 4 {
		t.Errorf("exit code %d: %+v", out.ExitCode(), out.Judgement)
	}
	if want := "given up: another part has ended the trial"; given != want {
		t.Errorf("the other part ended with %q, want %q", given, want)
	}
	for _, f := range out.Fixes {
		if f.Seen != nil || f.Judgement.Verdict != verdict.NotTried {
			t.Errorf("%s: %+v", f.Fix.Name, f)
		}
	}
	if len(rt.open) > 0 {
		t.Errorf("labs left open: %v", rt.open)
	}
}

// Builds keep the processors busy: however many labs there is room for, they come up one at a time.
func TestLabsAreBuiltOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, rt := several(t)
		rt.room = 4
		var building atomic.Int32
		rt.upErr = func(int) error {
			if n := building.Add(1); n > 1 {
				t.Errorf("%d at once", n)
			}
			<-time.After(time.Second)
			building.Add(-1)
			return nil
		}
		rt.onCommand = func(string) { <-time.After(time.Minute) }
		if _, err := x.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rt.most < 2 {
			t.Errorf("%d labs were up at once, nothing is tested", rt.most)
		}
	})
}
