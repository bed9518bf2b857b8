package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/agent"
	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab"
)

// sandbox is a process in namespaces of its own, pid 1 there, and the client of the agent in it.
type sandbox struct {
	client *agent.Client
	cmd    *exec.Cmd
	stderr *output
	ended  chan struct{} // closed once the process and all that it started are gone
	close  func() error
}

// startSandbox starts this binary as a sandbox. binDir is where the sandbox finds kube-proxy.
func startSandbox(ctx context.Context, binDir string, progress func(string)) (_ *sandbox, err error) {
	var u undo.Stack
	defer func() { err = errors.Join(err, u.Unwind()) }()
	near, far, err := socketPair()
	if err != nil {
		return nil, fmt.Errorf("start sandbox: %w", err)
	}
	defer far.Close()
	u.Push(near.Close)
	s := &sandbox{stderr: newOutput(nil), ended: make(chan struct{})}
	s.cmd = exec.Command("/proc/self/exe", "sandbox", binDir)
	s.cmd.Args[0] = lab.Self
	s.cmd.Stderr = s.stderr
	s.cmd.ExtraFiles = []*os.File{far}
	s.cmd.SysProcAttr = sandboxAttributes(os.Getuid(), os.Getgid())
	// Output of what runs in the sandbox goes over the wire; this is for the sandbox's own last words.
	s.cmd.WaitDelay = drainLimit
	if err := s.start(); err != nil {
		return nil, err
	}
	s.close = sync.OnceValue(s.kill)
	u.Push(s.close)
	stop := context.AfterFunc(ctx, func() { near.Close() })
	err = readHello(near)
	if !stop() && err != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, s.explain(err)
	}
	if s.client, err = agent.Dial(ctx, near, agent.Options{Progress: progress}); err != nil {
		return nil, s.explain(err)
	}
	u.Keep()
	return s, nil
}

// sandboxAttributes are for a process in new namespaces in which the user is root, the only user there is.
func sandboxAttributes(uid, gid int) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
			unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: 1}},
		// Without it an unprivileged user may not map a group (user_namespaces(7)).
		GidMappingsEnableSetgroups: false,
		// Signals for the terminal's group, Ctrl-C, are for this process to act on.
		Setpgid:   true,
		Pdeathsig: syscall.SIGKILL,
	}
}

// start starts the process. Pdeathsig is sent when the thread ends that made the process, not when the process of that
// thread does (prctl(2)): a goroutine keeps it until the sandbox has ended.
func (s *sandbox) start() error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			_ = s.cmd.Wait() // how it ended says less than its last words do
			close(s.ended)
		}
	}()
	err := <-started
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EINVAL), errors.Is(err, unix.EACCES):
		// clone(2), user_namespaces(7): forbidden, over the limit, or not in this kernel
		return &lab.UnsupportedError{Runtime: "netns", Missing: []lab.Missing{{
			What: fmt.Sprintf("new user namespaces: %v", err),
			Do:   "check the sysctls user.max_user_namespaces and kernel.unprivileged_userns_clone, or run with --runtime vm",
		}}}
	case err != nil:
		return fmt.Errorf("start sandbox: %w", err)
	}
	return nil
}

// explain adds the sandbox's last words to an error of the wire.
func (s *sandbox) explain(err error) error {
	if errors.Is(err, lab.ErrUnsupported) {
		return err
	}
	err = errors.Join(err, s.close()) // its last words are complete then
	if words := s.stderr.String(); words != "" {
		return fmt.Errorf("start sandbox: %w; it said: %s", err, words)
	}
	return fmt.Errorf("start sandbox: %w", err)
}

// kill ends the sandbox. With its pid 1 the kernel kills every process in it and waits for them, and the namespaces
// and mounts go with the last: nothing has to be removed one by one.
func (s *sandbox) kill() error {
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill sandbox: %w", err)
	}
	late := time.NewTimer(killLimit)
	defer late.Stop()
	select {
	case <-s.ended:
	case <-late.C:
		return fmt.Errorf("kill sandbox: pid %d is alive %v after SIGKILL", s.cmd.Process.Pid, killLimit)
	}
	if s.client != nil {
		_ = s.client.Close() // the far end is gone: this frees the near one
	}
	return nil
}

// socketPair makes the wire. Both ends close on exec: the sandbox's is handed to it by ExtraFiles.
func socketPair() (near net.Conn, far *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("make wire: %w", err)
	}
	far = os.NewFile(uintptr(fds[1]), "wire")
	f := os.NewFile(uintptr(fds[0]), "wire")
	defer f.Close()
	near, err = net.FileConn(f) // a descriptor of its own
	if err != nil {
		far.Close()
		return nil, nil, fmt.Errorf("make wire: %w", err)
	}
	return near, far, nil
}
