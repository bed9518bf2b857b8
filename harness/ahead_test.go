package harness_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// The first control waits for all labs that there is room for.
func TestLabsAreBuiltAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, rt := several(t)
		rt.room = 4
		built := make(chan struct{})
		rt.upErr = func(n int) error {
			if n == rt.room {
				close(built)
			}
			return nil
		}
		rt.onControl = func(_ *fakeLab, nth int) {
			if nth == 1 {
				<-built
			}
		}
		out, err := x.Run(t.Context())
		if err != nil || out.ExitCode() != 0 || len(rt.open) > 0 {
			t.Errorf("exit code %d, %v, left open are %v: %s", out.ExitCode(), err, rt.open, told(out))
		}
	})
}

func TestLabsBuiltInVainAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, rt := several(t)
		rt.room = 4
		x.Set = map[string]string{"nodes.a.sysctls.net.ipv4.tcp_ecn": "1"} // no fault
		begun := make(chan struct{})
		rt.upErr = func(n int) error {
			if n == 2 {
				close(begun)
			}
			return nil
		}
		rt.onControl = func(_ *fakeLab, nth int) {
			if nth == 1 {
				<-begun
			}
		}
		out, err := x.Run(t.Context())
		if err != nil || out.Judgement.Verdict != verdict.NotReproduced {
			t.Errorf("%+v, %v", out.Judgement, err)
		}
		if rt.labs < 2 || len(rt.open) > 0 {
			t.Errorf("of %d labs %v are left open", rt.labs, rt.open)
		}
	})
}

// What goes wrong ahead is told once, by whoever was to have that lab; the others build for themselves.
func TestALabThatCannotBeBuiltAhead(t *testing.T) {
	x, rt := several(t)
	rt.room = 4
	rt.upErr = func(n int) error {
		if n == 2 {
			return errors.New("no space left")
		}
		return nil
	}
	out, err := x.Run(t.Context())
	if err != nil || strings.Count(told(out), "BrokenLab") != 1 || len(rt.open) > 0 {
		t.Errorf("%v, left open are %v: %s", err, rt.open, told(out))
	}
}

// What is not tried here needs no lab, and whoever was to try it goes on to labs of its own.
func TestALabBuiltInVainMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		newer := func(name string) string {
			return strings.Replace(cmd(name, "nothing", "nothing"), "run:", "needs: {kernel: '6.2'}\n    run:", 1)
		}
		x, rt := trialOf(t, newer("newer")+set, newer("newer-still")+"  - {name: other-set, set: {nodes.a.sysctls.net.ipv4.tcp_ecn: 2}}\n")
		rt.room = 2
		both := make(chan struct{})
		rt.upErr = func(n int) error {
			if n == 4 { // after the first one and the one that was built ahead
				close(both)
			}
			return nil
		}
		rt.onControl = func(l *fakeLab, _ int) {
			if l.number > 2 {
				<-both
			}
		}
		out, err := x.Run(t.Context())
		if err != nil || rt.labs != 4 || rt.most > rt.room || len(rt.open) > 0 {
			t.Errorf("%v: of %d labs %d were up at once, left open are %v: %s", err, rt.labs, rt.most, rt.open, told(out))
		}
	})
}
