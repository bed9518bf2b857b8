package cli

import (
	"context"
	"slices"
	"sync"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/vm"
	"github.com/faultline-lab/faultline/harness/plan"
)

// guests are what one trial in the vm runtime after the other has: each has its guest for itself, and leaves it to the
// next variant of its scenario.
type guests struct {
	lab.Runtime
	places *places
	of     string // the scenario

	mu       sync.Mutex
	progress func(line string) // of the trial that has them
	checking bool
}

// guests are free ones that another variant of the scenario has left, or new ones. What another scenario has left is
// closed: a guest takes memory, and is rarely fit for the next scenario.
func (p *places) guests(scenario string) *guests {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.free, func(g *guests) bool { return g.of == scenario })
	if i >= 0 {
		g := p.free[i]
		p.free = slices.Delete(p.free, i, i+1)
		return g
	}
	if len(p.free) > 0 {
		p.wrong = append(p.wrong, p.free[0].Close())
		p.free = p.free[1:]
	}
	g := &guests{places: p, of: scenario}
	g.Runtime = vm.New(vm.Options{Cache: p.app.cache, Kernel: p.flags.kernel, Modules: p.flags.modules, Progress: g.say, KubeProxy: p.kubeProxy(g.say)})
	p.used = append(p.used, g)
	return g
}

// Check fetches the kernel if need be, and tries acceleration: for all trials the first one does it.
func (g *guests) Check(ctx context.Context, p *plan.Plan) (lab.Facts, error) {
	g.places.kernels.Lock()
	defer g.places.kernels.Unlock()
	g.setChecking(true)
	defer g.setChecking(false)
	return g.Runtime.Check(ctx, p)
}

func (g *guests) setChecking(is bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.checking = is
}

// tell says who hears of progress from now on.
func (g *guests) tell(progress func(string)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.progress = progress
}

func (g *guests) say(line string) {
	g.mu.Lock()
	progress, checking := g.progress, g.checking
	g.mu.Unlock()
	progress(line)
	if checking {
		g.places.shared(line)
	}
}
