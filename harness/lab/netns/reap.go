package netns

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// children are the processes that this process started and whose end os/exec waits for.
var children = registry{pids: map[int]struct{}{}}

type registry struct {
	mu      sync.Mutex
	pids    map[int]struct{}
	reaping bool // this process is pid 1
}

// start starts cmd.
func (r *registry) start(cmd *exec.Cmd) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmd.Start(); err != nil {
		return err
	}
	r.pids[cmd.Process.Pid] = struct{}{}
	return nil
}

// wait waits for cmd, which start started.
func (r *registry) wait(cmd *exec.Cmd) error {
	err := cmd.Wait()
	r.mu.Lock()
	delete(r.pids, cmd.Process.Pid)
	r.mu.Unlock()
	r.reap()
	return err
}

// reapOrphans waits for processes whose parent has ended, until ctx ends: they become children of pid 1 and stay
// zombies until it does. It is for a process that is pid 1 and starts others through this package only; one started in
// another way may be reaped before its parent looks.
func reapOrphans(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, unix.SIGCHLD)
	defer signal.Stop(ended)
	children.mu.Lock()
	children.reaping = true
	children.mu.Unlock()
	for {
		children.reap()
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

// reap waits for every ended process that nobody else waits for. The kernel shows ended processes in no order that
// could be skipped over, so reap stops at the first one that has a waiter, which calls reap when it is through.
func (r *registry) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.reaping {
		pid := endedChild()
		if _, waited := r.pids[pid]; pid == 0 || waited {
			return
		}
		_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
	}
}

// endedChild returns a child that has ended and leaves it as it is (waitid(2) with WNOWAIT), or 0.
func endedChild() int {
	var info struct { // siginfo_t of SIGCHLD on 64 bit; unix.Siginfo keeps the pid to itself
		signo, errno, code, _ int32
		pid                   int32
		_                     [108]byte
	}
	for {
		err := unix.Waitid(unix.P_ALL, 0, (*unix.Siginfo)(unsafe.Pointer(&info)), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0
		default:
			return int(info.pid)
		}
	}
}
