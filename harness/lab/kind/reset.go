package kind

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// stand returns a site for a lab: one that is idle, reset to what it was before any lab, or a new one.
func (r *Runtime) stand(ctx context.Context, e *engine.Engine, lay *layout, image string) (*site, error) {
	for {
		s := r.takeIdle(lay, image)
		if s == nil && r.options.Reuse {
			var err error
			if s, err = r.takeKept(ctx, e, lay, image); err != nil {
				return nil, err
			}
		}
		if s == nil {
			return newSite(ctx, r, e, lay, image)
		}
		s.tellTo(lab.Progress(ctx, r.options.Progress))
		err := s.reset(ctx, lay)
		if err == nil {
			return s, nil
		}
		if s.reused {
			err = fmt.Errorf("reset the kept cluster %s: %w; `faultline down %s` removes it", s.name, err, s.name)
		}
		if given := s.giveUp(); given != nil || ctx.Err() != nil || s.reused {
			return nil, errors.Join(err, given)
		}
		s.tell(fmt.Sprintf("cluster %s could not be reset and is replaced: %v", s.name, err))
	}
}

// takeIdle takes an idle site whose clusters are what lay asks for.
func (r *Runtime) takeIdle(lay *layout, image string) *site {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, s := range r.idle {
		if s.fits(lay, image) {
			r.idle = slices.Delete(r.idle, i, i+1)
			return s
		}
	}
	return nil
}

func (s *site) fits(lay *layout, image string) bool {
	if len(s.clusters) != len(lay.clusters) {
		return false
	}
	for i, c := range s.clusters {
		if c.shape != lay.clusters[i].shape(image) {
			return false
		}
	}
	return true
}

// reset takes away what labs have made on the site and left in its nodes, and gives the clusters the plans of lay. The
// error says what could not be put back: nothing is taken for clean that was not seen to be.
func (s *site) reset(ctx context.Context, lay *layout) error {
	s.tell("reset cluster " + s.name)
	g, all := errgroup.WithContext(ctx)
	g.Go(func() error { return s.removeBeside(all) })
	for _, c := range s.clusters {
		g.Go(func() error {
			// kube-proxy shall not write while its rules are put back, and start anew as in a new cluster.
			if err := c.stopProxies(all); err != nil {
				return err
			}
			_, err := c.kubectl(all, nil, "delete", "pods,services,endpointslices", "--selector="+managedLabel, "--wait=true")
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	now, err := s.snapshots(ctx)
	if err != nil {
		return err
	}
	if err := s.each(ctx, func(ctx context.Context, n lab.Node) error {
		script := s.pristine[n.Name()].undo(now[n.Name()])
		_, err := lab.RunInput(ctx, n, script, "sh", "-s")
		return err
	}); err != nil {
		return err
	}
	if now, err = s.snapshots(ctx); err != nil {
		return err
	}
	for _, member := range sorted(s.pristine) {
		if was, is := s.pristine[member], now[member]; !reflect.DeepEqual(was, is) {
			return fmt.Errorf("node %s is not as it was: %s", member, was.differs(is))
		}
	}
	for i, c := range s.clusters {
		c.plan = lay.clusters[i]
	}
	return nil
}

// removeBeside removes the containers beside the clusters: all with the label that are neither nodes nor the agent.
func (s *site) removeBeside(ctx context.Context) error {
	names, err := s.engine.Containers(ctx, labelOf(s.name), "{{.Names}}")
	if err != nil {
		return err
	}
	beside := slices.DeleteFunc(names, func(name string) bool { return name == s.agent.name || s.isNode(name) })
	if len(beside) == 0 {
		return nil
	}
	return s.engine.Remove(ctx, beside...)
}

func (s *site) isNode(container string) bool {
	for _, c := range s.clusters {
		for _, name := range c.nodes {
			if name == container {
				return true
			}
		}
	}
	return false
}

// each calls f for every member at once.
func (s *site) each(ctx context.Context, f func(context.Context, lab.Node) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range s.clusters {
		for _, m := range c.plan.members {
			g.Go(func() error {
				n, err := s.base.Node(m)
				if err != nil {
					return err
				}
				return f(ctx, n)
			})
		}
	}
	return g.Wait()
}

func (s *site) snapshots(ctx context.Context) (map[string]snapshot, error) {
	var mu sync.Mutex
	all := map[string]snapshot{}
	err := s.each(ctx, func(ctx context.Context, n lab.Node) error {
		out, err := lab.RunInput(ctx, n, snapshotScript, "bash", "-s")
		if err != nil {
			return fmt.Errorf("look at node %s: %w", n.Name(), err)
		}
		mu.Lock()
		defer mu.Unlock()
		all[n.Name()] = parseSnapshot(string(out))
		return nil
	})
	return all, err
}
