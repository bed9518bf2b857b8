// Package vm builds labs inside a micro-VM, on a kernel of one's choice.
//
// In: a plan.Plan and the name of a kernel. Out: a lab.Lab whose nodes are in a guest: QEMU boots the kernel with the
// harness's own binary as init, which builds the plan there and is driven over a virtio port. The package never touches
// the host's network, needs no root, and leaves nothing behind but its cache: a guest dies with the process that
// started it.
package vm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/vm/kernel"
	"github.com/faultline-lab/faultline/harness/lab/vm/qemu"
	"github.com/faultline-lab/faultline/harness/plan"
)

// DefaultKernel is the kernel of a guest unless Options say another.
const DefaultKernel = kernel.Default

// Options say which guest to boot. Only Cache has no default.
type Options struct {
	// Cache is the directory for kernels and for what was found out about acceleration.
	Cache string
	// Kernel is one of KernelNames or the path of an image. Default: DefaultKernel.
	Kernel string
	// Modules is the directory of the modules of a Kernel given by its path. Default: beside the image.
	Modules string
	// KubeProxy returns the path of kube-proxy's binary of a version, kube-proxy-VERSION. Default: plans with kube-proxy
	// are refused.
	KubeProxy func(ctx context.Context, version string) (string, error)
	// Accelerator is "kvm" or "tcg". Default: KVM where a probe boot shows that it works, else TCG.
	Accelerator string
	// BootLimit is how long a guest may take until its agent answers. Default: 60 seconds.
	BootLimit time.Duration
	// Binary is the path of the harness's binary for the guest, statically linked. Default: the running one.
	Binary string
	// CPUs of the guest. Default: 2, under TCG 1.
	CPUs int
	// Memory of the guest in MiB; the host gives what the guest touches. Default: 2048.
	Memory int
	// Progress is told what takes long, a line at a time, from several goroutines. Default: nobody.
	Progress func(string)
}

// Runtime builds labs in guests. A guest serves all plans that it is fit for, and is started with the first of them.
type Runtime struct {
	options     Options
	store       *kernel.Store
	accelerator accelerators

	mu     sync.Mutex
	guests []*guest
	closed bool
}

var _ lab.Runtime = (*Runtime)(nil)

// New returns a runtime; it boots nothing yet.
func New(o Options) *Runtime {
	if o.Kernel == "" {
		o.Kernel = DefaultKernel
	}
	if o.BootLimit == 0 {
		o.BootLimit = 60 * time.Second
	}
	if o.Binary == "" {
		o.Binary = "/proc/self/exe"
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	r := &Runtime{options: o, store: &kernel.Store{Dir: filepath.Join(o.Cache, "kernels"), Progress: o.Progress}}
	r.accelerator.r = r
	return r
}

// Check says what p would run on. It fetches the kernel when it is not here, and the first Check on a machine with a KVM
// device tries that for up to 10 seconds.
func (r *Runtime) Check(ctx context.Context, p *plan.Plan) (lab.Facts, error) {
	_, facts, err := r.check(ctx, p)
	if err != nil {
		return facts, fmt.Errorf("check: %w", err)
	}
	return facts, nil
}

// ground is the kernel that guests stand on.
type ground struct {
	kernel kernel.Kernel
	tree   *kernel.Tree
	board  qemu.Board
}

func (r *Runtime) check(ctx context.Context, p *plan.Plan) (*ground, lab.Facts, error) {
	needs := p.Needs()
	missing := hostLacks(needs)
	if len(p.KubeProxyVersions()) > 0 && r.options.KubeProxy == nil {
		missing = append(missing, lab.Missing{What: "kube-proxy binaries"})
	}
	facts := lab.Facts{Runtime: "vm"}
	g, err := r.ground(ctx)
	if lacks := (*kernel.MissingError)(nil); errors.As(err, &lacks) {
		missing = append(missing, lab.Missing{What: lacks.What, Do: lacks.Do})
	} else if err != nil {
		return nil, facts, err
	} else {
		facts.Kernel = g.kernel.Release
		missing = append(missing, kernelLacks(g.kernel, g.tree, needs)...)
	}
	if len(missing) > 0 {
		return nil, facts, unsupported(missing)
	}
	choice, err := r.accelerator.choose(ctx, g)
	if err != nil {
		return nil, facts, err
	}
	facts.Accelerator, facts.Detail = string(choice.Accelerator), choice.Why
	return g, facts, nil
}

func (r *Runtime) ground(ctx context.Context) (*ground, error) {
	k, err := r.store.Get(ctx, r.options.Kernel, r.options.Modules)
	if err != nil {
		return nil, err
	}
	t, err := kernel.OpenTree(k.Modules)
	if err != nil {
		return nil, fmt.Errorf("kernel %s: %w", k.Name, err)
	}
	b, _ := board(t)
	return &ground{k, t, b}, nil
}

// Up builds p in a running guest that is fit for it, or in a new one.
func (r *Runtime) Up(ctx context.Context, p *plan.Plan) (lab.Lab, error) {
	g, err := r.guest(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("up: %w", err)
	}
	l, err := g.client.Up(ctx, p)
	if err != nil {
		err = g.explain(err)
		return nil, errors.Join(err, r.release(g))
	}
	return &guestLab{lab: l, guest: g, release: func() error { return r.release(g) }}, nil
}

// guest returns a guest that is fit for p. Whoever asked holds it until release.
func (r *Runtime) guest(ctx context.Context, p *plan.Plan) (*guest, error) {
	on, _, err := r.check(ctx, p)
	if err != nil {
		return nil, err
	}
	fit, err := r.fitness(ctx, p)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock() // one boot at a time: two would only slow each other down
	if r.closed {
		return nil, errors.New("the runtime is closed")
	}
	r.guests = slices.DeleteFunc(r.guests, func(g *guest) bool {
		dead := !g.alive() && g.users == 0
		if dead {
			_ = g.Close() // whatever it has to say was said to whoever lost it
		}
		return dead
	})
	for _, g := range r.guests {
		if g.alive() && g.fits(fit) {
			g.users++
			return g, nil
		}
	}
	choice, err := r.accelerator.choose(ctx, on)
	if err != nil {
		return nil, err
	}
	g, err := r.boot(ctx, on, choice.Accelerator, fit, r.options.BootLimit)
	if err != nil {
		return nil, err
	}
	g.users = 1
	r.guests = append(r.guests, g)
	return g, nil
}

// release gives a guest back. One that has no further use is stopped: it is dead, or its lab changed what all labs of
// a guest share.
func (r *Runtime) release(g *guest) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	g.users--
	if g.users > 0 || g.alive() && !g.fit.alone {
		return nil
	}
	r.guests = slices.DeleteFunc(r.guests, func(have *guest) bool { return have == g })
	return g.Close()
}

// Close stops all guests and with them the labs that are still up.
func (r *Runtime) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	var errs []error
	for _, g := range r.guests {
		errs = append(errs, g.Close())
	}
	r.guests = nil
	return errors.Join(errs...)
}

func unsupported(missing []lab.Missing) error {
	return &lab.UnsupportedError{Runtime: "vm", Missing: missing}
}
