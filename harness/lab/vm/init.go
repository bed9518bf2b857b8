package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/agent"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/vm/image"
	"github.com/faultline-lab/faultline/harness/lab/vm/qemu"
)

// InitPath is the first argument of a process that is to call GuestMain: the binary as a guest's init, and as the
// agent that init starts.
const InitPath = image.Init

// GuestBinDir is the directory in the guest with kube-proxy-VERSION binaries.
const GuestBinDir = image.BinDir

// GuestMain is the life of a guest. As process 1 it sets the guest up, starts itself again as the agent and from then on
// only reaps: os/exec waits for its own children, and a process that also waits for everybody's orphans would take
// their exit codes away. The agent serves the runtime that newRuntime makes to whoever is at the other end of the port.
// It returns only in the agent, on an error, and ends the guest with it.
func GuestMain(newRuntime func(progress func(string)) lab.Runtime) error {
	if os.Getpid() != 1 {
		return serve(newRuntime)
	}
	err := setUp()
	if err == nil {
		err = reap()
	}
	fmt.Fprintf(os.Stderr, "faultline: guest ends: %v\n", err)
	unix.Sync()
	return unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
}

// mount is a file system that programs expect.
type mount struct{ kind, at, options string }

var mounts = []mount{
	{"proc", "/proc", ""},
	{"sysfs", "/sys", ""},
	{"devtmpfs", "/dev", ""},
	{"devpts", "/dev/pts", "ptmxmode=0666"},
	{"tmpfs", "/dev/shm", ""},
	{"tmpfs", "/run", "mode=0755"},
	{"tmpfs", "/tmp", "mode=1777"},
}

func setUp() error {
	for _, m := range mounts {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		// The kernel mounts devtmpfs by itself only where there is a root device.
		if err := unix.Mount(m.kind, m.at, m.kind, 0, m.options); err != nil && !errors.Is(err, unix.EBUSY) {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	if err := loadModules(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte("faultline")); err != nil {
		return fmt.Errorf("set host name: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find lo: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("set lo up: %w", err)
	}
	return nil
}

// loadModules loads what the image lists, in its order, and gives the memory of the files back.
func loadModules() error {
	order, err := os.ReadFile(image.Order)
	if err != nil {
		return err
	}
	for _, line := range strings.Split(strings.TrimSpace(string(order)), "\n") {
		name, params, _ := strings.Cut(line, " ")
		if err := loadModule(path.Join(image.Modules, name+".ko"), params); err != nil {
			return fmt.Errorf("load module %s: %w", name, err)
		}
	}
	return os.RemoveAll(image.Modules)
}

func loadModule(file, params string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), params, 0)
}

// reap starts the agent and waits for children, its own and those that their parents left, until the agent ends.
func reap() error {
	agent, err := syscall.ForkExec("/proc/self/exe", []string{InitPath, "agent"}, &syscall.ProcAttr{
		Env:   []string{"PATH=" + GuestBinDir + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=linux"},
		Files: []uintptr{0, 1, 2},
		Sys:   &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("start agent: %w", err)
	}
	for {
		var status unix.WaitStatus
		switch pid, err := unix.Wait4(-1, &status, 0, nil); {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for agent: %w", err)
		case pid == agent && status.Signaled():
			return fmt.Errorf("agent killed by %v", status.Signal())
		case pid == agent:
			return fmt.Errorf("agent ended with code %d", status.ExitStatus())
		}
	}
}

// serve is the agent: it serves one host after the other, though usually there is only ever one.
func serve(newRuntime func(progress func(string)) lab.Runtime) error {
	device, err := findPort(qemu.Port)
	if err != nil {
		return fmt.Errorf("find port %s: %w", qemu.Port, err)
	}
	for {
		port, err := openPort(device)
		if err != nil {
			return fmt.Errorf("open port: %w", err)
		}
		if err := agent.Serve(context.Background(), port, newRuntime); err != nil {
			fmt.Fprintf(os.Stderr, "faultline: %v\n", err)
		}
	}
}

// findPort returns the device of the virtio port with that name. The name comes from the host some time after the
// driver was loaded, and the kernel tells (KOBJ_CHANGE) when it has come.
func findPort(name string) (string, error) {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(s) }()
	if err := unix.Bind(s, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		return "", err
	}
	event := make([]byte, 4<<10)
	for {
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return "", err
		}
		for _, n := range names {
			if text, err := os.ReadFile(n); err == nil && strings.TrimSpace(string(text)) == name {
				return "/dev/" + path.Base(path.Dir(n)), nil
			}
		}
		// No limit of its own: the host has one for the whole boot, and shows the console.
		if _, err := unix.Read(s, event); err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS) {
			return "", err
		}
	}
}

// openPort opens the port and returns once a host is at the other end: before that the port reads as ended, and level
// triggered polling would report the hang-up over and over. An edge comes with each change of the host's end
// (drivers/char/virtio_console.c, VIRTIO_CONSOLE_PORT_OPEN wakes the port's queue).
func openPort(device string) (*os.File, error) {
	f, err := os.OpenFile(device, os.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if err := awaitHost(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func awaitHost(f *os.File) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(epoll) }()
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = awaitEdge(epoll, int(fd)) }); err != nil {
		return err
	}
	return inner
}

func awaitEdge(epoll, fd int) error {
	want := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLOUT | unix.EPOLLHUP | unix.EPOLLET, Fd: int32(fd)}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &want); err != nil {
		return err
	}
	for {
		events := make([]unix.EpollEvent, 1)
		if _, err := unix.EpollWait(epoll, events, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		now := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN | unix.POLLOUT}}
		if _, err := unix.Poll(now, 0); err == nil && now[0].Revents&unix.POLLHUP == 0 {
			return nil
		}
	}
}
