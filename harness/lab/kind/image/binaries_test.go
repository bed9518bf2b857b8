package image

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

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
	testReaping(t, w.binary(stagePause, "pause"))
}

// testReaping makes the program the parent of two processes, of which one ends, and ends it then.
func testReaping(t *testing.T, program string) {
	r, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	other, endOther, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	pause := exec.CommandContext(t.Context(), "/bin/sh", "-c", `cat <&3 & echo $!; cat <&4 & echo $!; exec "$0" >/dev/null`, program)
	pause.ExtraFiles = []*os.File{r, other}
	out, err := pause.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := pause.Start(); err != nil {
		t.Fatal(err)
	}
	var first, second int
	if _, err := fmt.Fscan(out, &first, &second); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), other.Close(), end.Close()); err != nil {
		t.Fatal(err)
	}
	// Until it listens the signal is lost on it.
	for tick := time.Tick(5 * time.Millisecond); ; <-tick {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d", first)); err != nil {
			break
		}
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
		if exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pause.Process.Pid)); exe == program {
			_ = pause.Process.Signal(syscall.SIGCHLD)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", second))
	if want := fmt.Sprintf("\nPPid:\t%d\n", pause.Process.Pid); err != nil || !strings.Contains(string(status), want) {
		t.Errorf("it did not live on: want %q of\n%s%v", want, status, err)
	}
	if err := errors.Join(pause.Process.Signal(syscall.SIGTERM), pause.Wait(), endOther.Close()); err != nil {
		t.Errorf("ended by SIGTERM: %v", err)
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
		{&gotool.Error{What: "fetch", Err: gotool.ErrNoNetwork}, "fetch: go cannot reach where modules come from: check the network, its proxy (HTTPS_PROXY) and go env GOPROXY. " +
			"It is needed once: what was built is kept in faultline's cache, which may be copied from another machine"},
		{errors.New("docker import: no space left on device"), "docker import: no space left on device: make room in faultline's cache and where the container engine keeps its images"},
		{&os.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, "write /x: no space left on device: make room in faultline's cache and where the container engine keeps its images"},
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
