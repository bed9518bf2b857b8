package agent

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

func TestProcesses(t *testing.T) {
	noLeaks(t)
	rows := []struct {
		name, stdin string
		script      string
		env         []string
		out, errOut string
		want        error
	}{
		{name: "output", script: "echo out; echo err >&2", out: "out\n", errOut: "err\n"},
		{name: "environment", script: `echo "$A|$B"`, env: []string{"A=1 2", "B=x"}, out: "1 2|x\n"},
		{name: "input", script: "cat", stdin: "one\ntwo", out: "one\ntwo"},
		{name: "no input", script: "cat; echo end", out: "end\n"},
		{name: "input nobody reads", script: "exit 0", stdin: strings.Repeat("x", 8<<20)},
		{name: "exit code", script: "echo late; exit 42", out: "late\n", want: &lab.ExitError{Code: 42}},
		{name: "end by a signal", script: "kill -TERM $$", want: &lab.ExitError{Code: -1, Signal: "TERM"}},
	}
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var out, errOut bytes.Buffer
			c := &lab.Cmd{Args: []string{"sh", "-c", row.script}, Env: row.env, Stdout: &out, Stderr: &errOut}
			if row.stdin != "" {
				c.Stdin = strings.NewReader(row.stdin)
			}
			p, err := n.Start(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if diff := cmp.Diff(row.want, p.Wait()); diff != "" {
					t.Errorf("Wait:\n%s", diff)
				}
			}
			if out.String() != row.out || errOut.String() != row.errOut {
				t.Errorf("stdout %q, stderr %q", &out, &errOut)
			}
			if err := p.Signal(syscall.SIGTERM); err != nil {
				t.Errorf("Signal after the end: %v", err)
			}
		})
	}
}

func TestOneWriterForBothOutputsKeepsTheOrder(t *testing.T) {
	noLeaks(t)
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	var both bytes.Buffer
	p, err := n.Start(t.Context(), &lab.Cmd{
		Args:   []string{"sh", "-c", "for i in 1 2 3; do echo out $i; echo err $i >&2; done"},
		Stdout: &both, Stderr: &both,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil || both.String() != "out 1\nerr 1\nout 2\nerr 2\nout 3\nerr 3\n" {
		t.Errorf("Wait: %v; output %q", err, &both)
	}
}

func TestAProgramThatDoesNotExistIsAnErrorOfStart(t *testing.T) {
	noLeaks(t)
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	p, err := n.Start(t.Context(), &lab.Cmd{Args: []string{"/no/such/program"}, Stdin: strings.NewReader("x")})
	if p != nil || err == nil || err.Error() != "fork/exec /no/such/program: no such file or directory" {
		t.Errorf("Start = %v, %v", p, err)
	}
}

func TestRunGivesTheEndOfStandardError(t *testing.T) {
	noLeaks(t)
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	out, err := lab.Run(t.Context(), n, "sh", "-c", "echo some; echo bad luck >&2; exit 7")
	var exit *lab.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || exit.Stderr != "bad luck" || string(out) != "some\n" {
		t.Errorf("Run = %q, %v", out, err)
	}
}

func TestSignals(t *testing.T) {
	noLeaks(t)
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	r, w := io.Pipe()
	p, err := n.Start(t.Context(), &lab.Cmd{
		Args: []string{"sh", "-c", "trap 'echo usr1' USR1; echo ready; while :; do read x; done"}, Stdin: silent(t), Stdout: w,
	})
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(r)
	for _, step := range []struct {
		line   string
		signal os.Signal
	}{{"ready", syscall.SIGUSR1}, {"usr1", os.Kill}} {
		if !lines.Scan() || lines.Text() != step.line {
			t.Fatalf("line %q, want %q", lines.Text(), step.line)
		}
		if err := p.Signal(step.signal); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(error(&lab.ExitError{Code: -1, Signal: "KILL"}), p.Wait()); diff != "" {
		t.Errorf("Wait:\n%s", diff)
	}
	if err := p.Signal(oddSignal{}); err == nil || err.Error() != "send signal odd: not a signal of this system" {
		t.Errorf("Signal: %v", err)
	}
}

type oddSignal struct{}

func (oddSignal) Signal()        {}
func (oddSignal) String() string { return "odd" }

// silent is an input that neither gives anything nor ends before the test does.
func silent(t *testing.T) io.Reader {
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	return r
}

func TestRequestsAndAnswersLineByLine(t *testing.T) {
	noLeaks(t)
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	p, err := n.Start(t.Context(), &lab.Cmd{
		Args: []string{"sh", "-c", `while read q; do echo "answer to $q"; done; echo end`}, Stdin: inR, Stdout: outW,
	})
	if err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewScanner(outR)
	for i := range 200 {
		fmt.Fprintf(inW, "%d\n", i)
		if !answers.Scan() || answers.Text() != fmt.Sprintf("answer to %d", i) {
			t.Fatalf("answer %q to %d", answers.Text(), i)
		}
	}
	_ = inW.Close()
	if !answers.Scan() || answers.Text() != "end" {
		t.Errorf("last line %q", answers.Text())
	}
	if err := p.Wait(); err != nil {
		t.Errorf("Wait: %v", err)
	}
}

func TestAProcessEndsThoughItsInputDoesNot(t *testing.T) {
	noLeaks(t)
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	p, err := n.Start(t.Context(), &lab.Cmd{Args: []string{"true"}, Stdin: silent(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := waitFor(t, p); err != nil {
		t.Errorf("Wait: %v", err)
	}
}

// waitFor is p.Wait, which has 10 seconds.
func waitFor(t *testing.T, p lab.Process) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- p.Wait() }()
	return await(t, "Wait", done)
}

func TestTwentyMegabytesThereAndBack(t *testing.T) {
	noLeaks(t)
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	data := make([]byte, 20<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	out, errOut := sha256.New(), sha256.New()
	p, err := n.Start(t.Context(), &lab.Cmd{
		Args: []string{"sh", "-c", "tee /dev/stderr"}, Stdin: bytes.NewReader(data), Stdout: out, Stderr: errOut,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	want := sha256.Sum256(data)
	if !bytes.Equal(out.Sum(nil), want[:]) || !bytes.Equal(errOut.Sum(nil), want[:]) {
		t.Error("not the bytes that went in")
	}
}

func TestManyProcessesOfSeveralLabsAtOnce(t *testing.T) {
	noLeaks(t)
	w := dial(t, &fakeRuntime{}, Options{})
	var all sync.WaitGroup
	for i := range 4 {
		l, err := w.Up(t.Context(), &plan.Plan{})
		if err != nil {
			t.Fatal(err)
		}
		for j := range 30 {
			all.Go(func() {
				n, err := l.Node("server")
				if err != nil {
					t.Error(err)
					return
				}
				in := fmt.Sprintf("lab %d process %d", i, j)
				out, err := lab.RunInput(t.Context(), n, in, "sh", "-c", "cat; head -c 100000 /dev/zero")
				if err != nil || len(out) != len(in)+100_000 || !bytes.HasPrefix(out, []byte(in)) {
					t.Errorf("%s: %d bytes, %v", in, len(out), err)
				}
			})
		}
	}
	all.Wait()
}

func TestTheEndOfACtxKillsTheProcessAndItsChildren(t *testing.T) {
	noLeaks(t)
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
		r, w := io.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		if errors.Is(want, context.DeadlineExceeded) {
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		}
		p, err := n.Start(ctx, &lab.Cmd{Args: []string{"sh", "-c", "sleep 1000 & echo $!; wait"}, Stdout: w})
		if err != nil {
			t.Fatal(err)
		}
		var child int
		if _, err := fmt.Fscan(r, &child); err != nil {
			t.Fatal(err)
		}
		if errors.Is(want, context.Canceled) {
			cancel()
		}
		if err := waitFor(t, p); err != want { //nolint:errorlint // ctx's error itself
			t.Errorf("Wait: %v, want %v", err, want)
		}
		cancel()
		if !eventually(func() bool { return !alive(child) }) {
			t.Errorf("child %d lives", child)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Start(ended, &lab.Cmd{Args: []string{"true"}}); err != context.Canceled { //nolint:errorlint // itself
		t.Errorf("Start: %v", err)
	}
}

// alive is false for a zombie too, which nobody may reap where the tests run.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !bytes.Contains(stat, []byte(") Z "))
}

func TestCloseOfALabEndsItsProcesses(t *testing.T) {
	noLeaks(t)
	w := dial(t, &fakeRuntime{}, Options{})
	l, err := w.Up(t.Context(), &plan.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := l.Node("client")
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Start(t.Context(), &lab.Cmd{Args: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := waitFor(t, p); err == nil {
		t.Error("Wait: nil")
	}
}

// broken fails after some bytes.
type broken struct{ left int }

var errBroken = errors.New("disk full")

func (b *broken) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errBroken
	}
	return len(p), nil
}

func TestStreamsThatFailAtTheNearEndAreErrorsOfWait(t *testing.T) {
	noLeaks(t)
	n := dial(t, &fakeRuntime{}, Options{}).node(t)
	rows := []struct {
		name string
		cmd  lab.Cmd
		want string
	}{
		{"output", lab.Cmd{Args: []string{"head", "-c", "5000000", "/dev/zero"}, Stdout: &broken{left: 1000}}, "write output: disk full"},
		{"input", lab.Cmd{Args: []string{"cat"}, Stdin: io.MultiReader(strings.NewReader("x"), brokenReader{})}, "read input: disk full"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			p, err := n.Start(t.Context(), &row.cmd)
			if err != nil {
				t.Fatal(err)
			}
			if err := waitFor(t, p); !errors.Is(err, errBroken) || err.Error() != row.want {
				t.Errorf("Wait: %v", err)
			}
		})
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errBroken }
