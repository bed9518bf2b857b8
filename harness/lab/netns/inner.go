// Package netns builds labs from network namespaces on this kernel.
//
// In: a plan.Plan. Out: a lab.Lab whose nodes are anonymous network namespaces, held by descriptors. Inner builds in the
// namespaces of the current process, which is a sandbox or a guest's init; Runtime starts a sandbox for each lab and
// drives the Inner in it. The package never names a namespace in the file system, never switches the thread of a
// caller, and removes nothing that it did not make.
package netns

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// Inner is the runtime that builds labs in the namespaces of the current process. Give it a process of its own: it
// starts and kills others. The zero value works for plans without kube-proxy.
type Inner struct {
	// BinDir is the directory of the kube-proxy binaries, kube-proxy-<version> each. Default: none.
	BinDir string
	// Progress is told what takes long, a line at a time. Default: nobody.
	Progress func(string)

	mu     sync.Mutex
	labs   map[*innerLab]struct{}
	closed bool
}

var _ lab.Runtime = (*Inner)(nil)

// Up builds p. On error nothing is left behind.
func (r *Inner) Up(ctx context.Context, p *plan.Plan) (_ lab.Lab, err error) {
	l := newInnerLab(r)
	var u undo.Stack
	defer func() { err = errors.Join(err, u.Unwind()) }()
	u.Push(l.Close)
	if err := l.build(ctx, p.Steps); err != nil {
		return nil, fmt.Errorf("up: %w", err)
	}
	if err := r.keep(l); err != nil {
		return nil, fmt.Errorf("up: %w", err)
	}
	u.Keep()
	return l, nil
}

// Close ends every lab that is still up.
func (r *Inner) Close() error {
	r.mu.Lock()
	labs := r.labs
	r.labs, r.closed = nil, true
	r.mu.Unlock()
	var errs []error
	for l := range labs {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

func (r *Inner) keep(l *innerLab) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return errors.New("the runtime is closed")
	}
	if r.labs == nil {
		r.labs = map[*innerLab]struct{}{}
	}
	r.labs[l] = struct{}{}
	return nil
}

func (r *Inner) forget(l *innerLab) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.labs, l)
}

func (r *Inner) progress(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

// facts says what kernel this is.
func facts() (lab.Facts, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return lab.Facts{}, fmt.Errorf("read kernel release: %w", err)
	}
	return lab.Facts{Runtime: "netns", Kernel: unix.ByteSliceToString(u.Release[:])}, nil
}
