package harness_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What an interrupt kept from being seen is not blamed on the lab.
func TestInterrupt(t *testing.T) {
	for _, row := range []struct {
		name    string
		fixes   string
		prepare func(*fakeRuntime, context.CancelFunc)
		want    string
		trace   string
		why     string // of the first fix
	}{
		{"while a fix's command runs", cmd("hangs", "block", "unmend") + good, func(rt *fakeRuntime, cancel context.CancelFunc) {
			rt.onCommand = func(name string) {
				if name == "block" {
					cancel()
				}
			}
		}, "Reproduced; hangs NotTried; good NotTried; idle NotTried", "up 1, 1 control, 1 fault, 1 block, close 1", "the trial was cancelled"},
		{"while the lab is built", good, func(rt *fakeRuntime, cancel context.CancelFunc) {
			rt.upErr = func(int) error { cancel(); return errors.New("netns: the process was killed") }
		}, "NotTried; good NotTried; idle NotTried", "up 1", "the verdict on the fault is NotTried"},
		{"while the controls are asked", good, func(rt *fakeRuntime, cancel context.CancelFunc) {
			rt.onControl = func(l *fakeLab, _ int) { cancel(); l.dead = true }
		}, "NotTried; good NotTried; idle NotTried", "up 1, 1 control, close 1", "the verdict on the fault is NotTried"},
		{"in the middle of an undo", cmd("undone", "mend", "block") + good, func(rt *fakeRuntime, cancel context.CancelFunc) {
			rt.onCommand = func(name string) {
				if name == "block" {
					cancel()
				}
			}
		}, "Reproduced; undone NotTried; good NotTried; idle NotTried", "up 1, 1 control, 1 fault, 1 mend, 1 control, 1 fault, 1 block, close 1",
			"the trial was cancelled"},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, rt := trialOf(t, row.fixes, idle)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			row.prepare(rt, cancel)
			out, err := x.Run(ctx)
			if !errors.Is(err, context.Canceled) {
				t.Errorf("error %v", err)
			}
			if diff := cmp.Diff(row.want, told(out)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(row.trace, strings.Join(rt.trace, ", ")); diff != "" {
				t.Error(diff)
			}
			if got := out.Fixes[0].Judgement.Why; got != row.why {
				t.Errorf("why %q, want %q", got, row.why)
			}
			if out.Expected() || out.ExitCode() != 130 {
				t.Errorf("expected %v, exit code %d, want 130", out.Expected(), out.ExitCode())
			}
		})
	}
}
