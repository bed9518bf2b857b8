package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// ownHost is a network and a mount namespace: all that runs there have of a host's network and mounts. What changes in
// it was changed by its own runs, so several can be compared before and after at the same time. A nil one is the machine.
type ownHost struct{ network, mounts *os.File }

// alone is Serial for who cannot make hosts, and compares the machine.
func alone() any {
	if os.Getuid() != 0 {
		return Serial
	}
	return Label()
}

// places are directories that a host has to itself, all empty: names of namespaces are in /run.
var places = []string{"/run", "/dev/shm"}

// fitting gives a host what a run could take from it, or change: a network and rules of each kind. No address changes by
// itself.
const fitting = `
ip link set lo up
ip link add eth0 type veth peer name uplink
ip link set uplink addrgenmode none up
ip link set eth0 addrgenmode none up
ip address add 192.0.2.2/24 dev eth0
ip route add default via 192.0.2.1
nft 'add table inet host; add chain inet host input { type filter hook input priority 0; }; add rule inet host input tcp dport 22 accept'
iptables-nft -t nat -A POSTROUTING -s 198.51.100.0/24 -j MASQUERADE
ip6tables-nft -A FORWARD -j DROP
`

// newHost makes a host, which is there until the end of the spec or container. Without root it is the machine.
func newHost() *ownHost {
	GinkgoHelper()
	if os.Getuid() != 0 {
		return nil
	}
	h := &ownHost{}
	DeferCleanup(func() error { return errors.Join(h.network.Close(), h.mounts.Close()) })
	Expect(onThread(h.make)).To(Succeed())
	return h
}

func (h *ownHost) make() error {
	if err := unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	// Nothing gets out, and what a run lets out of its sandbox is seen here: on most hosts mounts are shared.
	for _, how := range []uintptr{unix.MS_PRIVATE, unix.MS_SHARED} {
		if err := unix.Mount("", "/", "", unix.MS_REC|how, ""); err != nil {
			return fmt.Errorf("mount: %w", err)
		}
	}
	for _, dir := range places {
		if err := unix.Mount("none", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", dir, err)
		}
	}
	if out, err := exec.Command("sh", "-ec", fitting).CombinedOutput(); err != nil {
		return fmt.Errorf("fit a host: %w: %s", err, out)
	}
	var err error
	if h.network, err = os.Open("/proc/thread-self/ns/net"); err != nil {
		return err
	}
	h.mounts, err = os.Open("/proc/thread-self/ns/mnt")
	return err
}

// on calls f on the host: what it reads and starts is there. Paths must be absolute.
func (h *ownHost) on(f func() error) error {
	if h == nil {
		return f()
	}
	return onThread(func() error {
		// Threads share root and working directory, and with others a thread cannot change its mount namespace.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("unshare: %w", err)
		}
		for _, ns := range []*os.File{h.network, h.mounts} {
			if err := unix.Setns(int(ns.Fd()), 0); err != nil {
				return fmt.Errorf("setns: %w", err)
			}
		}
		return f()
	})
}

// onThread calls f on a thread of its own, which ends with it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		defer GinkgoRecover()
		defer close(done) // where f fails the spec
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			done <- f()
			return
		}
		// The main thread cannot end. With this goroutine on it, another cannot get it.
		err := onThread(f)
		runtime.UnlockOSThread()
		done <- err
	}()
	return <-done
}
