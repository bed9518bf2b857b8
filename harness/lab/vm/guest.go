package vm

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faultline-lab/faultline/harness/agent"
	"github.com/faultline-lab/faultline/harness/lab/vm/image"
	"github.com/faultline-lab/faultline/harness/lab/vm/qemu"
	"github.com/faultline-lab/faultline/harness/plan"
)

// guest is a guest that runs, seen from outside.
type guest struct {
	process *qemu.Process
	client  *agent.Client
	fit     fitness
	took    time.Duration // from QEMU's start to the agent's answer

	users int // labs in it, guarded by Runtime.mu
}

// fitness is what tells guests apart.
type fitness struct {
	intrusive []plan.Need // sorted
	proxies   []string    // paths of kube-proxy binaries
	alone     bool        // for one lab only
}

// fitness returns what p asks of its guest.
func (r *Runtime) fitness(ctx context.Context, p *plan.Plan) (fitness, error) {
	needs := p.Needs()
	f := fitness{alone: slices.Contains(needs, plan.NeedGlobalSysctl)}
	for _, n := range needs {
		if slices.Contains(intrusive, n) {
			f.intrusive = append(f.intrusive, n)
		}
	}
	for _, v := range p.KubeProxyVersions() {
		path, err := r.options.KubeProxy(ctx, v)
		if err != nil {
			return f, fmt.Errorf("get kube-proxy %s: %w", v, err)
		}
		f.proxies = append(f.proxies, path)
	}
	return f, nil
}

// fits reports whether a lab that asks for f may be built in g.
func (g *guest) fits(f fitness) bool {
	if g.fit.alone || f.alone || !slices.Equal(g.fit.intrusive, f.intrusive) {
		return false
	}
	return !slices.ContainsFunc(f.proxies, func(p string) bool { return !slices.Contains(g.fit.proxies, p) })
}

// errBoot is wrapped when QEMU was started and the guest's agent never answered.
var errBoot = errors.New("guest does not come up")

// boot starts a guest and returns once its agent answers. On error nothing of it is left, and the error shows the end of
// its console.
func (r *Runtime) boot(ctx context.Context, on *ground, a qemu.Accelerator, f fitness, limit time.Duration) (*guest, error) {
	r.options.Progress(fmt.Sprintf("booting a guest with kernel %s (%s)", on.kernel.Release, a))
	g, err := r.start(ctx, on, a, f, limit)
	if err != nil {
		return nil, fmt.Errorf("boot guest %s: %w", on.kernel.Release, err)
	}
	r.options.Progress(fmt.Sprintf("guest %s is up after %.1f s", on.kernel.Release, g.took.Seconds()))
	return g, nil
}

func (r *Runtime) start(ctx context.Context, on *ground, a qemu.Accelerator, f fitness, limit time.Duration) (*guest, error) {
	modules, err := guestModules(on.tree, on.board, f.intrusive)
	if err != nil {
		return nil, err
	}
	initrd, err := image.Build(&image.Spec{
		Binary: r.options.Binary, Modules: modules, Proxies: f.proxies, Programs: guestPrograms(), Plugins: plugins(), Links: guestLinks(),
	})
	if err != nil {
		return nil, err
	}
	defer initrd.Close()
	m := &qemu.Machine{
		Kernel: on.kernel.Image, Board: on.board, Accelerator: a, CPUs: r.options.CPUs, Memory: r.options.Memory, Init: InitPath,
	}
	if a == qemu.TCG {
		m.TSC = qemu.HostTSC()
	}
	began := time.Now()
	p, err := qemu.Start(m, initrd)
	if err != nil {
		return nil, err
	}
	g := &guest{process: p, fit: f}
	if g.client, err = r.dial(ctx, p, limit); err != nil {
		err = starved(withConsole(fmt.Errorf("%w: %w", errBoot, err), p), p)
		return nil, errors.Join(err, p.Close())
	}
	g.took = time.Since(began)
	return g, nil
}

// dial waits for the guest's agent, until ctx, the limit or QEMU ends.
func (r *Runtime) dial(ctx context.Context, p *qemu.Process, limit time.Duration) (*agent.Client, error) {
	late := fmt.Errorf("no answer within %v", limit)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	client, err := agent.Dial(ctx, p.Wire, agent.Options{Progress: r.options.Progress})
	switch {
	case err == nil:
		return client, nil
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	// The stream ends a moment before the process does; how that ended tells more.
	select {
	case <-p.Done():
		return nil, p.Err()
	case <-ctx.Done():
		return nil, err
	}
}

// alive reports whether g can still take labs.
func (g *guest) alive() bool { return g.process.Err() == nil && !g.client.Lost() }

// Close stops the guest.
func (g *guest) Close() error {
	// A client that is closed says good-bye and waits for the far end to take labs down; with the guest they go anyway.
	err := g.process.Close()
	if closed := g.client.Close(); !errors.Is(closed, agent.ErrLost) {
		err = errors.Join(err, closed)
	}
	return err
}
