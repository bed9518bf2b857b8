package qemu

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/internal/tail"
)

// Process is a QEMU that runs.
type Process struct {
	Wire net.Conn // to the guest's port; closed by Close

	cmd     *exec.Cmd
	console tail.Buffer
	errors  tail.Buffer
	done    chan struct{}
	err     error // of Wait, once done is closed
	stop    sync.Once
}

// Start starts QEMU for m with the initial root file system in initrd, which the caller closes. The guest's end of
// Wire is the port named Port.
func Start(m *Machine, initrd *os.File) (*Process, error) {
	program, err := exec.LookPath(Program)
	if err != nil {
		return nil, fmt.Errorf("start QEMU: %w", err)
	}
	near, far, err := wire()
	if err != nil {
		return nil, fmt.Errorf("start QEMU: %w", err)
	}
	defer far.Close()
	p := &Process{Wire: near, done: make(chan struct{}), console: tail.Buffer{Limit: 64 << 10}, errors: tail.Buffer{Limit: 4 << 10}}
	p.cmd = exec.Command(program, m.args()...)
	p.cmd.Stdout, p.cmd.Stderr = &p.console, &p.errors
	p.cmd.ExtraFiles = []*os.File{initrd, far}
	// A group of its own: an interrupt at the terminal is for the harness, which then takes down labs in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.run(); err != nil {
		near.Close()
		return nil, fmt.Errorf("start QEMU: %w", err)
	}
	return p, nil
}

// run starts the process on a thread that lives as long as the process does: the parent-death signal comes when the
// thread that forked ends, not only the process (prctl(2), PR_SET_PDEATHSIG), and Go ends threads that idle.
func (p *Process) run() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
			close(p.done)
		}
	}()
	return <-started
}

// wire returns the two ends of a stream without a name.
func wire() (near net.Conn, far *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	own, far := os.NewFile(uintptr(fds[0]), "wire"), os.NewFile(uintptr(fds[1]), "wire")
	defer own.Close()
	near, err = net.FileConn(own)
	if err != nil {
		far.Close()
		return nil, nil, fmt.Errorf("make socket pair: %w", err)
	}
	return near, far, nil
}

// Done is closed when QEMU has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Console returns the last lines that the guest wrote to its console, at most n.
func (p *Process) Console(n int) string { return lastLines(p.console.String(), n) }

// Err says how QEMU ended, nil while it runs. An end without an error is one too for a caller who still needs it.
func (p *Process) Err() error {
	select {
	case <-p.done:
	default:
		return nil
	}
	said := strings.TrimSpace(p.errors.String())
	switch {
	case p.err == nil && said == "":
		return errors.New("the guest reset or switched itself off")
	case p.err == nil:
		return fmt.Errorf("QEMU ended: %s", said)
	case said == "":
		return fmt.Errorf("QEMU ended: %w", p.err)
	}
	return fmt.Errorf("QEMU ended: %w: %s", p.err, said)
}

// Close ends QEMU and waits until it is gone. Nothing in the guest outlives a boot, so it is not asked to shut down.
func (p *Process) Close() error {
	p.stop.Do(func() {
		p.Wire.Close()
		p.Kill()
	})
	<-p.done
	return nil
}

// Kill ends QEMU and does not wait.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() } // fails only when the process is gone

// Pid returns QEMU's process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Version returns QEMU's version, "7.2.22".
func Version(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, Program, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask QEMU for its version: %w", err)
	}
	// "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)"
	f := strings.Fields(string(out))
	if len(f) < 4 {
		return "", fmt.Errorf("ask QEMU for its version: %q", out)
	}
	return f[3], nil
}
