package netns

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// node is one network namespace. Its descriptor is what keeps the namespace alive and what is handed to the kernel:
// the path of a namespace made by ns.TempNetNS is that of a thread, which is elsewhere by the time it is used.
type node struct {
	lab     *innerLab
	name    string
	taken   bool // the namespace was there before the lab, with processes of others in it
	ns      ns.NetNS
	id      inode           // tells the namespace from others
	handle  *netlink.Handle // rtnetlink inside the namespace
	indexes map[string]int  // of interfaces, by name; see innerLab.build

	viewOnce sync.Once
	view     *os.File // mount namespace of the node's processes; nil: that of this process

	encap map[int]*os.File // UDP sockets that take ESP in UDP, by address family
	proxy *proxy           // nil without kube-proxy
	api   bool             // the API listens in the node
}

var _ lab.Node = (*node)(nil)

// inode identifies a namespace (ioctl_ns(2)).
type inode struct{ dev, ino uint64 }

func inodeOf(info os.FileInfo) inode {
	st := info.Sys().(*syscall.Stat_t)
	return inode{st.Dev, st.Ino}
}

// Name returns the node's name.
func (n *node) Name() string { return n.name }

func (l *innerLab) addNode(s plan.AddNode) error {
	n, err := newNode(l, s)
	if err != nil {
		return fmt.Errorf("node %s: %w", s.Node, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.nodes[s.Node]; ok || l.closed {
		return errors.Join(fmt.Errorf("node %s: exists already, or the lab is closed", s.Node), n.close())
	}
	l.nodes[s.Node] = n
	l.made.Push(n.close)
	return nil
}

func newNode(l *innerLab, s plan.AddNode) (_ *node, err error) {
	n := &node{lab: l, name: s.Node, taken: s.Namespace != "", indexes: map[string]int{}}
	var u undo.Stack
	defer func() { err = errors.Join(err, u.Unwind()) }()
	u.Push(n.close)
	if n.taken {
		if n.ns, err = ns.GetNS(s.Namespace); err != nil {
			return nil, fmt.Errorf("take network namespace %s: %w", s.Namespace, err)
		}
	} else if n.ns, err = ns.TempNetNS(); err != nil {
		return nil, fmt.Errorf("make network namespace: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(n.fd(), &st); err != nil {
		return nil, fmt.Errorf("identify network namespace: %w", err)
	}
	n.id = inode{st.Dev, st.Ino}
	// A handle falls back to a socket in the caller's namespace, silently, for a family that it was not opened for: this
	// one is for rtnetlink only.
	if n.handle, err = netlink.NewHandleAt(vnetns.NsHandle(n.fd()), unix.NETLINK_ROUTE); err != nil {
		return nil, fmt.Errorf("open rtnetlink: %w", err)
	}
	const lo = 1 // in every namespace, net/core/dev.c
	if err := n.handle.LinkSetUp(byIndex(lo)); err != nil {
		return nil, fmt.Errorf("set lo up: %w", err)
	}
	u.Keep()
	return n, nil
}

func (n *node) fd() int { return int(n.ns.Fd()) }

// close gives up all that keeps the namespace alive; the kernel then removes it with its interfaces.
func (n *node) close() error {
	var errs []error
	for _, f := range n.encap {
		errs = append(errs, f.Close())
	}
	if n.handle != nil {
		n.handle.Close()
	}
	n.viewOnce.Do(func() {}) // none from now on
	if n.view != nil {
		errs = append(errs, n.view.Close())
	}
	if n.ns != nil {
		errs = append(errs, n.ns.Close())
	}
	return errors.Join(errs...)
}
