package netns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// killLimit is what the processes of a lab have to die. SIGKILL takes longer only inside the kernel.
const killLimit = 10 * time.Second

// end kills every process of the lab: those it started with their groups, then any other that is in one of the nodes,
// as a daemon that left its group. In a namespace that was there before the lab, others are not the lab's to kill.
func (ps *processes) end(nodes map[string]*node) error {
	ps.mu.Lock()
	ps.closed = true
	running := make([]*process, 0, len(ps.running))
	var errs []error
	for p := range ps.running { // not yet waited for: remove needs the lock
		running = append(running, p)
		errs = append(errs, p.killGroup())
	}
	ps.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), killLimit)
	defer cancel()
	for _, p := range running {
		select {
		case <-p.ended:
		case <-ctx.Done():
			errs = append(errs, fmt.Errorf("%s (pid %d) is alive %v after SIGKILL", p.cmd.Args[0], p.cmd.Process.Pid, killLimit))
		}
	}
	if ps.used() {
		own := maps.Clone(nodes)
		maps.DeleteFunc(own, func(_ string, n *node) bool { return n.taken })
		errs = append(errs, killInside(ctx, own))
	}
	return errors.Join(errs...)
}

// endGroup kills p with its children and returns once all are gone: an iptables-restore that outlived its kube-proxy would
// write old rules among new ones. Whoever is pid 1 reaps the children.
func (ps *processes) endGroup(ctx context.Context, p *process) error {
	ps.mu.Lock()
	var err error
	if _, runs := ps.running[p]; runs { // not yet waited for, as in end
		err = p.killGroup()
	}
	ps.mu.Unlock()
	if err != nil {
		return err
	}
	<-p.ended
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !errors.Is(unix.Kill(-p.cmd.Process.Pid, 0), unix.ESRCH) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the children of %s to end: %w", p.cmd.Args[0], ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

// killInside kills every process whose network namespace is one of nodes', until there is none.
func killInside(ctx context.Context, nodes map[string]*node) error {
	for {
		pids, err := pidsInside(nodes)
		if err != nil || len(pids) == 0 {
			return err
		}
		for _, pid := range pids {
			if err := killPID(ctx, pid, nodes); err != nil {
				return err
			}
		}
	}
}

// killPID kills one process and returns once it is gone. The descriptor stands for the process even when its number is
// given to another; inside is asked again after it was opened.
func killPID(ctx context.Context, pid int, nodes map[string]*node) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if !inside(pid, nodes) {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	for {
		deadline, _ := ctx.Deadline()
		left := max(0, time.Until(deadline))
		ready, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(left.Milliseconds()))
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for the end of process %d: %w", pid, err)
		case ready == 0:
			return fmt.Errorf("process %d is alive %v after SIGKILL", pid, killLimit)
		default:
			return nil
		}
	}
}

// pidsInside returns the processes that are in one of nodes, lowest number first.
func pidsInside(nodes map[string]*node) ([]int, error) {
	names, err := filepath.Glob("/proc/[1-9]*")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, name := range names {
		pid, err := strconv.Atoi(strings.TrimPrefix(name, "/proc/"))
		if err == nil && pid != os.Getpid() && inside(pid, nodes) {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids, nil
}

// inside tells whether a process is in one of nodes. One that has ended, or that is another user's, is not.
func inside(pid int, nodes map[string]*node) bool {
	info, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return false
	}
	id := inodeOf(info)
	for _, n := range nodes {
		if n.id == id {
			return true
		}
	}
	return false
}
