package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// takeKept returns a kept site that fits and that nobody works with, or nil. What its labs have left is not taken away yet.
func (r *Runtime) takeKept(ctx context.Context, e *engine.Engine, lay *layout, image string) (*site, error) {
	files, err := filepath.Glob(filepath.Join(stateDir(r.options.Cache), "*", keptFile))
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			continue // it is just being removed
		}
		var k state
		if err := json.Unmarshal(text, &k); err != nil {
			return nil, fmt.Errorf("read %s: %w", f, err)
		}
		s := &site{
			engine: e, name: filepath.Base(filepath.Dir(f)), dir: filepath.Dir(f), image: k.Image,
			pristine: k.Pristine, reused: true,
		}
		s.tellTo(lab.Progress(ctx, r.options.Progress))
		for _, c := range k.Clusters {
			plan := clusterPlan{members: c.Members}
			s.clusters = append(s.clusters, &cluster{site: s, name: c.Name, plan: plan, shape: c.Shape, nodes: plan.nodeNames(c.Name)})
		}
		if command, err := engineOf(s.dir); err != nil || command != e.Command || !s.fits(lay, image) {
			continue
		}
		if s.lock, err = lockDir(s.dir); errors.Is(err, errHeld) {
			continue
		} else if err != nil {
			return nil, err
		}
		s.tell("take the kept cluster " + s.name)
		return s, s.wake(ctx, r, lay)
	}
	return nil, nil
}

// wake gives a kept site an agent, and its nodes this binary: that which is there may be another.
func (s *site) wake(ctx context.Context, r *Runtime, lay *layout) (err error) {
	var u undo.Stack
	defer func() { err = errors.Join(err, u.Unwind()) }()
	u.Push(s.lock.Close)
	binary, err := r.binary()
	if err != nil {
		return err
	}
	if s.pods, err = newPodImage(binary); err != nil {
		return err
	}
	g, all := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		s.agent, err = startAgent(all, s)
		return err
	})
	for i, c := range s.clusters {
		c.plan = lay.clusters[i]
		g.Go(func() error {
			if err := c.inspect(all); err != nil {
				return err
			}
			for _, m := range c.plan.members {
				if err := c.equip(all, m); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("take the kept cluster %s: %w", s.name, err)
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	u.Keep()
	return nil
}
