package netns

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// onThread runs f on a thread that ends with it: f may change what belongs to a thread and cannot be changed back, as
// its own view of the file system. ns.Do gives its thread back to others and is no place for that.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // not unlocked: the thread ends with this goroutine
		if unix.Gettid() != unix.Getpid() {
			done <- f()
			return
		}
		// The runtime cannot end the main thread; it would stay in the namespace and keep it alive. With this goroutine
		// on it, another cannot get it.
		err := onThread(f)
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}

// openView makes the mount namespace of the node's processes: that of this process, but with a /sys that shows the
// node's interfaces, as `ip netns exec` does. It costs one mount for each node that runs processes at all; they join
// it by descriptor. Where the kernel refuses (a container whose /sys is covered in parts, mount_too_revealing in
// fs/namespace.c), the processes see the /sys that this process sees.
func (n *node) openView() (*os.File, error) {
	var view *os.File
	err := onThread(func() error {
		if err := n.ns.Set(); err != nil {
			return err
		}
		if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("make mount namespace: %w", err)
		}
		if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			return fmt.Errorf("make mounts private: %w", err)
		}
		if err := mountFresh("sysfs", "/sys"); err != nil {
			return err
		}
		f, err := os.Open(fmt.Sprintf("/proc/self/task/%d/ns/mnt", unix.Gettid()))
		view = f
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make /sys of node %s: %w", n.name, err)
	}
	return view, nil
}

// mountFresh mounts a new instance of one of the kernel's own file systems over what is there.
func mountFresh(kind, path string) error {
	if err := unix.Mount(kind, path, kind, unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount %s: %w", path, err)
	}
	return nil
}

// enter moves the thread, which ends soon, into the node. The network namespace comes first: it belongs to the same
// user namespace as the mount namespace either way.
func (n *node) enter(view *os.File) error {
	if err := n.ns.Set(); err != nil {
		return err
	}
	if view == nil {
		return nil
	}
	// setns(2): a thread joins a mount namespace only if it shares its view of the file system with no other.
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		return err
	}
	return unix.Setns(int(view.Fd()), unix.CLONE_NEWNS)
}
