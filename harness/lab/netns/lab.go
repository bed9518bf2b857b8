package netns

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// innerLab is a lab of Inner. Steps are carried out one at a time; processes come and go at any time.
type innerLab struct {
	runtime *Inner
	procs   processes
	made    undo.Stack // nodes, sockets and the API, newest first

	steps   sync.Mutex // held while steps are carried out
	cluster *cluster   // nil until ServeAPI; guarded by steps

	mu     sync.Mutex
	nodes  map[string]*node
	closed bool
}

var _ lab.Lab = (*innerLab)(nil)

func newInnerLab(r *Inner) *innerLab {
	return &innerLab{runtime: r, nodes: map[string]*node{}}
}

// Node returns the node of that name.
func (l *innerLab) Node(name string) (lab.Node, error) {
	n, err := l.node(name)
	if err != nil {
		return nil, err
	}
	return n, nil
}

func (l *innerLab) node(name string) (*node, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n, ok := l.nodes[name]; ok {
		return n, nil
	}
	if l.closed {
		return nil, fmt.Errorf("node %s: the lab is closed", name)
	}
	return nil, fmt.Errorf("no node %q; there are %s", name, strings.Join(slices.Sorted(maps.Keys(l.nodes)), ", "))
}

// Apply carries out more steps.
func (l *innerLab) Apply(ctx context.Context, steps ...plan.Step) error {
	if err := l.build(ctx, steps); err != nil {
		return fmt.Errorf("apply: %w", err)
	}
	return nil
}

// Close kills every process of the lab and frees its namespaces. It takes at most killLimit.
func (l *innerLab) Close() error {
	l.mu.Lock()
	closed, nodes := l.closed, l.nodes
	l.closed, l.nodes = true, nil
	l.mu.Unlock()
	if closed {
		return nil
	}
	l.runtime.forget(l)
	err := errors.Join(l.procs.end(nodes), l.made.Unwind())
	if err != nil {
		return fmt.Errorf("close lab: %w", err)
	}
	return nil
}

// build carries out steps in their order.
func (l *innerLab) build(ctx context.Context, steps []plan.Step) error {
	l.steps.Lock()
	defer l.steps.Unlock()
	// Whoever uses the lab may remove and add interfaces between builds: remembered indexes are good for one build.
	defer func() {
		for _, n := range l.snapshot() {
			clear(n.indexes)
		}
	}()
	for len(steps) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		run := steps[:runLength(steps)]
		if err := l.carryOut(ctx, run); err != nil {
			return err
		}
		steps = steps[len(run):]
	}
	return nil
}

func (l *innerLab) snapshot() []*node {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Collect(maps.Values(l.nodes))
}

// runLength is how many of the first steps can be carried out together: a node's sysctls, with one switch to its
// namespace, and servers and kube-proxies of different nodes, which only wait for themselves.
func runLength(steps []plan.Step) int {
	n := 1
	for n < len(steps) && together(steps[:n], steps[n]) {
		n++
	}
	return n
}

func together(run []plan.Step, s plan.Step) bool {
	switch s := s.(type) {
	case plan.SetSysctl:
		first, ok := run[0].(plan.SetSysctl)
		return ok && first.Node == s.Node
	case plan.Serve:
		_, ok := run[0].(plan.Serve)
		return ok
	case plan.StartKubeProxy:
		return !slices.ContainsFunc(run, func(other plan.Step) bool {
			o, ok := other.(plan.StartKubeProxy)
			return !ok || o.Node == s.Node
		})
	}
	return false
}

// carryOut carries out a run of steps.
func (l *innerLab) carryOut(ctx context.Context, run []plan.Step) error {
	switch run[0].(type) {
	case plan.SetSysctl:
		return l.setSysctls(run)
	case plan.Serve, plan.StartKubeProxy:
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(8) // a process each
		for _, s := range run {
			g.Go(func() error { return l.step(ctx, s) })
		}
		return g.Wait()
	}
	return l.step(ctx, run[0])
}
