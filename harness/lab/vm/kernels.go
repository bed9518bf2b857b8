package vm

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/faultline-lab/faultline/harness/lab/vm/kernel"
)

// KernelNames returns the names that Options.Kernel takes besides a path.
func KernelNames() []string { return kernel.Names() }

// Kernel is a kernel that guests can boot. Release and Image are empty for one that was not fetched.
type Kernel = kernel.Kernel

// Kernels returns the kernels by name, fetched or not.
func Kernels(cache string) ([]Kernel, error) {
	return (&kernel.Store{Dir: filepath.Join(cache, "kernels")}).List()
}

// FetchKernel gets the newest package of a kernel of Debian's.
func FetchKernel(ctx context.Context, cache, name string, progress func(string)) (Kernel, error) {
	return (&kernel.Store{Dir: filepath.Join(cache, "kernels"), Progress: progress}).Fetch(ctx, name)
}

// Booted says how a kernel did.
type Booted struct {
	Release     string
	Accelerator string
	Took        time.Duration // from QEMU's start to the agent's answer
}

// CheckKernel boots the kernel that o names until its agent answers, and stops it again.
func CheckKernel(ctx context.Context, o Options) (_ Booted, err error) {
	r := New(o)
	on, err := r.ground(ctx)
	if err != nil {
		return Booted{}, err
	}
	if missing := append(hostLacks(nil), kernelLacks(on.kernel, on.tree, nil)...); len(missing) > 0 {
		return Booted{}, unsupported(missing)
	}
	c, err := r.accelerator.choose(ctx, on)
	if err != nil {
		return Booted{}, err
	}
	g, err := r.boot(ctx, on, c.Accelerator, fitness{}, r.options.BootLimit)
	if err != nil {
		return Booted{}, err
	}
	if err := g.Close(); err != nil {
		return Booted{}, fmt.Errorf("stop guest: %w", err)
	}
	return Booted{Release: on.kernel.Release, Accelerator: string(c.Accelerator), Took: g.took}, nil
}
