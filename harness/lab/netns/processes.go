package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab"
)

// drainLimit is what children that outlive a process and share its output have to write to it.
const drainLimit = 2 * time.Second

// process is a command that runs in a node, the leader of a process group of its own.
type process struct {
	cmd    *exec.Cmd
	ctx    context.Context // of Start; its error is Wait's when it killed the process
	killed atomic.Bool     // by the end of ctx
	ended  chan struct{}   // closed once err is set
	err    error
}

var _ lab.Process = (*process)(nil)

// Start runs c inside the node.
func (n *node) Start(ctx context.Context, c *lab.Cmd) (lab.Process, error) {
	return n.start(ctx, c)
}

func (n *node) start(ctx context.Context, c *lab.Cmd) (*process, error) {
	if len(c.Args) == 0 {
		return nil, errors.New("start: no program named")
	}
	args := c.Args
	if args[0] == lab.Self {
		args = append([]string{"/proc/self/exe"}, args[1:]...)
	}
	p := &process{ctx: ctx, ended: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, args[0], args[1:]...)
	p.cmd.Args[0] = c.Args[0]
	p.cmd.Env = append(p.cmd.Environ(), c.Env...)
	p.cmd.Stdout, p.cmd.Stderr = c.Stdout, c.Stderr
	// A group of its own: the end of ctx and of the lab reaches the children too.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.cmd.WaitDelay = drainLimit
	p.cmd.Cancel = func() error {
		p.killed.Store(true)
		return p.killGroup()
	}
	feed, err := feeder(p.cmd, c.Stdin)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", args[0], err)
	}
	if err := n.spawn(p); err != nil {
		return nil, fmt.Errorf("start: %w", err)
	}
	feed()
	return p, nil
}

// spawn starts p's command from a thread that is in the node: a child gets the namespaces of the thread that made it.
func (n *node) spawn(p *process) error {
	err := n.lab.procs.add(p, func() error {
		n.viewOnce.Do(func() {
			var err error
			if n.view, err = n.openView(); err != nil {
				n.lab.runtime.progress("%v", err)
			}
		})
		return onThread(func() error {
			if err := n.enter(n.view); err != nil {
				return fmt.Errorf("enter node: %w", err)
			}
			return children.start(p.cmd)
		})
	})
	if err != nil {
		return err
	}
	go func() {
		p.err = p.result(children.wait(p.cmd))
		n.lab.procs.remove(p)
		close(p.ended)
	}()
	return nil
}

// feeder gives stdin to cmd by a goroutine that Wait does not wait for: a reader that never ends would hold up the end
// of a process that does not read.
func feeder(cmd *exec.Cmd, stdin io.Reader) (func(), error) {
	if f, ok := stdin.(*os.File); stdin == nil || ok && f != nil {
		cmd.Stdin = stdin
		return func() {}, nil
	}
	w, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return func() {
		go func() {
			_, _ = io.Copy(w, stdin) // EPIPE: it did not want more
			w.Close()
		}()
	}, nil
}

// result translates the end of the command into the contract's words.
func (p *process) result(err error) error {
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // it ended well; children of it keep its output
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	status := exit.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		return &lab.ExitError{Code: status.ExitStatus()}
	}
	if p.killed.Load() && status.Signal() == unix.SIGKILL {
		return p.ctx.Err()
	}
	return &lab.ExitError{Code: -1, Signal: strings.TrimPrefix(unix.SignalName(status.Signal()), "SIG")}
}

// Wait returns after the process has ended and its output was written.
func (p *process) Wait() error {
	<-p.ended
	return p.err
}

// Signal sends sig to the process.
func (p *process) Signal(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.cmd.Args[0], err)
	}
	return nil
}

// killGroup kills the process and its children. The group's number is not another's as long as the process was not
// waited for, which is why only cmd.Cancel and processes.end call this.
func (p *process) killGroup() error {
	if err := unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill %s: %w", p.cmd.Args[0], err)
	}
	return nil
}

// processes are those of one lab that run.
type processes struct {
	mu      sync.Mutex
	running map[*process]struct{} // nil before the first
	closed  bool
}

// used tells whether any process was ever started.
func (ps *processes) used() bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.running != nil
}

// add starts p and remembers it, unless the lab is closed.
func (ps *processes) add(p *process, start func() error) error {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.closed {
		return errors.New("the lab is closed")
	}
	if err := start(); err != nil {
		return err
	}
	if ps.running == nil {
		ps.running = map[*process]struct{}{}
	}
	ps.running[p] = struct{}{}
	return nil
}

func (ps *processes) remove(p *process) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.running, p)
}
