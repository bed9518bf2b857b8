package image

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/faultline-lab/faultline/harness/internal/gotool"
	"github.com/faultline-lab/faultline/harness/lab"
)

// TestPause builds a stage with the real go: pause needs no module but its own.
func TestPause(t *testing.T) {
	w := testWork(t)
	var said []string
	w.say = func(line string) { said = append(said, line) }
	s := w.plan.stage(stagePause)
	for range 2 {
		if err := w.stage(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if got := strings.Join(said, "\n"); strings.Count(got, "pause: not there yet, making it") != 1 || !strings.HasSuffix(got, "\npause: in the cache") {
		t.Errorf("said\n%s", got)
	}
	if got, want := left(t, w.dir), "pause-"+s.hash(); got != want {
		t.Errorf("the cache has %s, want %s", got, want)
	}
	pause := exec.CommandContext(t.Context(), w.binary(stagePause, "pause"))
	if err := pause.Start(); err != nil {
		t.Fatal(err)
	}
	if err := pause.Process.Signal(syscall.SIGCHLD); err != nil {
		t.Errorf("it did not wait: %v", err)
	}
	if err := errors.Join(pause.Process.Signal(syscall.SIGTERM), pause.Wait()); err != nil {
		// The signal may come before it listens, and ends it too.
		if status, ok := pause.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGTERM {
			t.Errorf("ended by SIGTERM: %v", err)
		}
	}
}

func TestStageThatFails(t *testing.T) {
	w := testWork(t)
	s := named{"broken", 1, module{mod: "module faultline.invalid/broken\n\ngo 1.26.0\n", main: "package main\n\nfunc main() { nothing() }\n", programs: []string{"faultline.invalid/broken"}}}.stage()
	err := w.stage(t.Context(), s)
	if err == nil || !strings.Contains(err.Error(), "undefined: nothing") || errors.Is(explain(err), lab.ErrUnsupported) {
		t.Errorf("error %v, want undefined: nothing", err)
	}
	if got := left(t, w.dir); got != "" {
		t.Errorf("left %s", got)
	}
}

func TestWhatAPersonCanDoSomethingAbout(t *testing.T) {
	for _, row := range []struct {
		err  error
		want string
	}{
		{&gotool.Error{What: "fetch", Err: gotool.ErrNoNetwork}, "fetch: go cannot reach where modules come from: check the network and go env GOPROXY"},
		{errors.New("docker import: no space left on device"), "docker import: no space left on device: make room in faultline's cache and where Docker keeps its images"},
		{&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, "write /x: no space left on device: make room in faultline's cache and where Docker keeps its images"},
	} {
		if err := explain(row.err); !errors.Is(err, lab.ErrUnsupported) || err.Error() != row.want {
			t.Errorf("error %v, want %s", err, row.want)
		}
	}
	other := errors.New("another")
	if err := explain(other); !errors.Is(err, other) || errors.Is(err, lab.ErrUnsupported) {
		t.Errorf("error %v is not %v", err, other)
	}
}

func TestProgressOfTheBase(t *testing.T) {
	var said []string
	c := &configured{say: func(line string) { said = append(said, line) }}
	for _, text := range []string{"I: Unpacking a...\nI: Configuring a...\n", "I: Configuring b...\n"} {
		if _, err := bytes.NewReader([]byte(text)).WriteTo(c); err != nil {
			t.Fatal(err)
		}
	}
	if want := "base: 2 steps of about 320: I: Configuring a..."; len(said) != 1 || said[0] != want {
		t.Errorf("said %q, want %q once: the second came at once after it", said, want)
	}
}
