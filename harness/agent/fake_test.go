package agent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// fakeRuntime makes labs whose nodes run processes of this machine.
type fakeRuntime struct {
	progress func(string)
	check    func(context.Context, *plan.Plan) (lab.Facts, error)
	up       func(context.Context, *plan.Plan) error
	closing  func() error // of the runtime

	mu     sync.Mutex
	plans  []*plan.Plan
	labs   []*fakeLab
	closed int
}

func (r *fakeRuntime) Check(ctx context.Context, p *plan.Plan) (lab.Facts, error) {
	return r.check(ctx, p)
}

func (r *fakeRuntime) Up(ctx context.Context, p *plan.Plan) (lab.Lab, error) {
	if r.up != nil {
		if err := r.up(ctx, p); err != nil {
			return nil, err
		}
	}
	l := &fakeLab{nodes: []string{"client", "server"}}
	l.life, l.end = context.WithCancelCause(context.Background())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plans, r.labs = append(r.plans, p), append(r.labs, l)
	return l, nil
}

func (r *fakeRuntime) Close() error {
	r.mu.Lock()
	r.closed++
	r.mu.Unlock()
	if r.closing != nil {
		return r.closing()
	}
	return nil
}

// built counts the labs.
func (r *fakeRuntime) built() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.labs)
}

// left says what is still open.
func (r *fakeRuntime) left() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var open []string
	for i, l := range r.labs {
		if l.life.Err() == nil {
			open = append(open, fmt.Sprintf("lab %d", i))
		}
	}
	if r.closed == 0 {
		open = append(open, "runtime")
	}
	return strings.Join(open, ", ")
}

type fakeLab struct {
	nodes   []string
	life    context.Context
	end     context.CancelCauseFunc
	mu      sync.Mutex
	applied []plan.Step
	apply   func(context.Context) error
	running sync.WaitGroup
}

var errLabClosed = errors.New("the lab was closed")

func (l *fakeLab) Node(name string) (lab.Node, error) {
	if !slices.Contains(l.nodes, name) {
		return nil, fmt.Errorf("no node %q; there are %s", name, strings.Join(l.nodes, ", "))
	}
	return &fakeNode{l, name}, nil
}

func (l *fakeLab) Apply(ctx context.Context, steps ...plan.Step) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.applied = append(l.applied, steps...)
	if l.apply != nil {
		return l.apply(ctx)
	}
	return nil
}

func (l *fakeLab) Close() error {
	l.end(errLabClosed)
	l.running.Wait()
	return nil
}

type fakeNode struct {
	lab  *fakeLab
	name string
}

func (n *fakeNode) Name() string { return n.name }

func (n *fakeNode) Start(ctx context.Context, c *lab.Cmd) (lab.Process, error) {
	ctx, cancel := context.WithCancel(ctx)
	context.AfterFunc(n.lab.life, cancel)
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Env = append(cmd.Environ(), c.Env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = c.Stdin, c.Stdout, c.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	if err := cmd.Start(); err != nil {
		cancel()
		return nil, err
	}
	p := &fakeProcess{cmd: cmd, done: make(chan struct{})}
	n.lab.running.Go(func() {
		defer close(p.done)
		defer cancel()
		p.err = ended(ctx, cmd.Wait())
	})
	return p, nil
}

func ended(ctx context.Context, err error) error {
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !errors.As(err, &exit):
		return err
	}
	status := exit.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return &lab.ExitError{Code: -1, Signal: strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG")}
	}
	return &lab.ExitError{Code: status.ExitStatus()}
}

type fakeProcess struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
}

func (p *fakeProcess) Wait() error {
	<-p.done
	return p.err
}

func (p *fakeProcess) Signal(sig os.Signal) error { return p.cmd.Process.Signal(sig) }

// socketPair is what the harness and a sandbox talk over.
func socketPair(t testing.TB) (near, far net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, 2)
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "socketpair")
		if conns[i], err = net.FileConn(f); err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	return conns[0], conns[1]
}

// wire is a Client, the runtime that it drives and the stream between them.
type wire struct {
	*Client
	runtime   *fakeRuntime
	near, far net.Conn
	served    chan error // what Serve returned
}

// dial serves r to a new Client. At the end of the test nothing of either end is left.
func dial(t testing.TB, r *fakeRuntime, o Options) *wire {
	t.Helper()
	near, far := socketPair(t)
	w := &wire{runtime: r, near: near, far: far, served: make(chan error, 1)}
	go func() { w.served <- Serve(context.Background(), far, r.make) }()
	var err error
	if w.Client, err = Dial(t.Context(), near, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

func (r *fakeRuntime) make(progress func(string)) lab.Runtime {
	r.progress = progress
	return r
}

func (w *wire) node(t testing.TB) lab.Node {
	t.Helper()
	l, err := w.Up(t.Context(), &plan.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := l.Node("client")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// noLeaks fails the test when, after its other cleanups, goroutines of either end or descriptors are left.
func noLeaks(t testing.TB) {
	t.Helper()
	descriptors := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := descriptors()
	percent := debug.SetGCPercent(-1) // the collector closes files that were forgotten
	t.Cleanup(func() {
		defer debug.SetGCPercent(percent)
		var left []string
		buffer := make([]byte, 1<<20)
		ok := eventually(func() bool {
			left = left[:0]
			all := buffer[:runtime.Stack(buffer, true)]
			for g := range strings.SplitSeq(string(all), "\n\n") {
				ours := strings.Contains(g, "harness/agent.") || strings.Contains(g, "crypto/ssh.")
				if ours && !strings.Contains(g, "agent.noLeaks") {
					left = append(left, g)
				}
			}
			return len(left) == 0 && descriptors() <= before
		})
		if !ok {
			t.Errorf("%d descriptors before, %d after; goroutines left:\n%s", before, descriptors(), strings.Join(left, "\n\n"))
		}
	})
}

// eventually waits until done or 10 seconds have passed.
func eventually(done func() bool) bool {
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	again := time.NewTicker(time.Millisecond)
	defer again.Stop()
	for !done() {
		select {
		case <-deadline.C:
			return false
		case <-again.C:
		}
	}
	return true
}

// await returns what c gives, which has 10 seconds.
func await[T any](t testing.TB, what string, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: nothing after 10 s", what)
		panic("not reached")
	}
}
