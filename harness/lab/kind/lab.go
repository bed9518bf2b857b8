package kind

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
	"github.com/faultline-lab/faultline/harness/plan"
)

// clusterLab is a lab on a site: its Pods and Services, its containers beside the clusters, and what the agent has wired.
type clusterLab struct {
	runtime *Runtime
	engine  *engine.Engine
	layout  *layout
	image   string

	site  *site
	wired lab.Lab

	mu     sync.Mutex
	closed bool
}

var _ lab.Lab = (*clusterLab)(nil)

// build takes or makes a site, and builds the lab on it.
func (l *clusterLab) build(ctx context.Context) (err error) {
	if l.site, err = l.runtime.stand(ctx, l.engine, l.layout, l.image); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("not up after %v", readyLimit))
	defer cancel()
	return cause(ctx, l.raise(ctx))
}

// raise builds the lab on its site: the network of the nodes, then the Pods, whose interfaces are made on that, then the rest.
func (l *clusterLab) raise(ctx context.Context) error {
	plugins, err := l.runtime.plugins(ctx, l.layout)
	if err != nil {
		return err
	}
	files, err := l.startBeside(ctx)
	if err != nil {
		return err
	}
	for _, c := range l.site.clusters {
		for _, m := range c.plan.members {
			files[m] = c.namespace(m)
		}
	}
	l.site.tell("wire the nodes")
	if l.wired, err = l.site.agent.client.Up(ctx, &plan.Plan{Topology: l.site.name, Steps: located(l.layout.before, files)}); err != nil {
		return err
	}
	l.site.tell("start the pods")
	if err := l.eachCluster(ctx, func(ctx context.Context, c *cluster) error {
		if err := c.giveNetworks(ctx, plugins); err != nil {
			return err
		}
		return c.startPods(ctx)
	}); err != nil {
		return err
	}
	l.site.tell("wire the pods")
	if files, err = l.podNamespaces(ctx); err != nil {
		return err
	}
	if err := l.wired.Apply(ctx, located(l.layout.after, files)...); err != nil {
		return err
	}
	l.site.tell("serve the Services")
	return l.serve(ctx)
}

// eachCluster calls f for every cluster at once. Its errors get what the cluster's nodes say.
func (l *clusterLab) eachCluster(ctx context.Context, f func(context.Context, *cluster) error) error {
	g, all := errgroup.WithContext(ctx)
	for _, c := range l.site.clusters {
		g.Go(func() error {
			if err := f(all, c); err != nil {
				return c.explain(ctx, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// located are steps with the files of the nodes' namespaces.
func located(steps []plan.Step, files map[string]string) []plan.Step {
	out := make([]plan.Step, len(steps))
	for i, s := range steps {
		if n, ok := s.(plan.AddNode); ok {
			n.Namespace = files[n.Node]
			s = n
		}
		out[i] = s
	}
	return out
}

// serve makes the Services and returns once they are served: every server listens, every kernel has every Service.
func (l *clusterLab) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range l.site.clusters {
		g.Go(func() error { return c.waitServers(ctx) })
		g.Go(func() error {
			err := c.apply(ctx, c.plan.services...)
			if err == nil {
				err = c.startProxies(ctx)
			}
			if err == nil {
				err = c.waitInSync(ctx, c.plan.services)
			}
			if err != nil {
				return c.explain(ctx, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// startBeside starts the containers beside the clusters and returns the files of their network namespaces, as the agent sees
// them.
func (l *clusterLab) startBeside(ctx context.Context) (map[string]string, error) {
	files, err := tarball(archive.File{Name: program[1:], Mode: 0o755, Data: l.site.pods.program})
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	namespaces := map[string]string{}
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range l.layout.beside {
		g.Go(func() error {
			name := l.beside(p.node)
			create := []string{"create", "--name", name, "--network=none", "--entrypoint", program, l.image}
			if _, err := l.engine.Output(ctx, labelled(append(create, p.command()...), l.site.name)...); err != nil {
				return fmt.Errorf("node %s: %w", p.node, err)
			}
			if _, err := l.engine.Feed(ctx, strings.NewReader(string(files)), "cp", "-", name+":/"); err != nil {
				return fmt.Errorf("node %s: %w", p.node, err)
			}
			if _, err := l.engine.Output(ctx, "start", name); err != nil {
				return fmt.Errorf("node %s: %w", p.node, err)
			}
			pid, err := l.engine.PID(ctx, name)
			if err != nil {
				return fmt.Errorf("node %s: %w", p.node, err)
			}
			mu.Lock()
			defer mu.Unlock()
			namespaces[p.node] = fmt.Sprintf("/proc/%d/ns/net", pid)
			return nil
		})
	}
	return namespaces, g.Wait()
}

// beside is the name of the container of a node beside the clusters.
func (l *clusterLab) beside(node string) string { return l.site.name + "-" + node }

// podNamespaces are the files of all Pods' network namespaces, as the agent sees them.
func (l *clusterLab) podNamespaces(ctx context.Context) (map[string]string, error) {
	files := map[string]string{}
	for _, c := range l.site.clusters {
		for _, m := range c.plan.members {
			out, err := in(ctx, l.engine, c.nodes[m], "sh", "-c", "mkdir -p "+cniFound+" && cd "+cniFound+` && for f in *; do [ -e "$f" ] && echo "$f $(cat "$f")"; done; true`)
			if err != nil {
				return nil, fmt.Errorf("find the pods of node %s: %w", m, err)
			}
			for line := range strings.Lines(string(out)) {
				if pod, path, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
					files[pod] = fmt.Sprintf("/proc/%d/root%s", c.pids[m], path)
				}
			}
		}
		for _, p := range c.plan.pods {
			if !p.host && files[p.name] == "" {
				return nil, fmt.Errorf("pod %s runs, but the CNI plugin was not asked for a network", p.name)
			}
		}
	}
	return files, nil
}

// Node returns the node of that name.
func (l *clusterLab) Node(name string) (lab.Node, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, fmt.Errorf("node %s: the lab is closed", name)
	}
	return l.wired.Node(name)
}

// Apply gives each step to Kubernetes or to the agent, in their order. Restarts of kube-proxy that follow each other are
// one.
func (l *clusterLab) Apply(ctx context.Context, steps ...plan.Step) error {
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && isProxy(steps[0]) && isProxy(steps[n]) {
			n++
		}
		if err := l.applyRun(ctx, steps[:n]); err != nil {
			return fmt.Errorf("apply: %w", err)
		}
		steps = steps[n:]
	}
	return nil
}

func isProxy(s plan.Step) bool {
	_, ok := s.(plan.StartKubeProxy)
	return ok
}

func (l *clusterLab) applyRun(ctx context.Context, run []plan.Step) error {
	switch s := run[0].(type) {
	case plan.StartKubeProxy:
		return l.restart(ctx, run)
	case plan.SetService:
		return l.setService(ctx, s.Service)
	case plan.AddNode, plan.Serve, plan.ServeAPI:
		return fmt.Errorf("%s: not on a cluster that runs: %w", s, lab.ErrUnsupported)
	}
	return l.wired.Apply(ctx, run...)
}

func (l *clusterLab) restart(ctx context.Context, run []plan.Step) error {
	c := l.site.clusters[0]
	var members []string
	for _, step := range run {
		s := step.(plan.StartKubeProxy)
		members = append(members, s.Node)
		if !c.plan.knows(s.Node) || c.plan.proxy == nil {
			return fmt.Errorf("restart kube-proxy: node %s has none", s.Node)
		}
		s.Node, s.Address = "", c.plan.proxy.Address
		if !reflect.DeepEqual(s, *c.plan.proxy) {
			return fmt.Errorf("restart kube-proxy with another configuration on one node: %w", lab.ErrUnsupported)
		}
	}
	return c.restart(ctx, members)
}

func (l *clusterLab) setService(ctx context.Context, s plan.Service) error {
	c := l.site.clusters[0]
	if err := c.apply(ctx, s); err != nil {
		return err
	}
	found := false
	for i := range c.plan.services {
		if c.plan.services[i].Name == s.Name {
			c.plan.services[i], found = s, true
		}
	}
	if !found {
		c.plan.services = append(c.plan.services, s)
	}
	return c.waitInSync(ctx, c.plan.services)
}

// Close ends the lab's processes and leaves its site to the next lab.
func (l *clusterLab) Close() error {
	if !l.shut() {
		return nil
	}
	r := l.runtime
	r.mu.Lock()
	delete(r.labs, l)
	closed := r.closed
	r.mu.Unlock()
	err := l.unwire()
	if err != nil || closed {
		return errors.Join(err, l.site.giveUp())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, l.site)
	return nil
}

// discard ends the lab with its site.
func (l *clusterLab) discard() error {
	if !l.shut() || l.site == nil {
		return nil
	}
	return errors.Join(l.unwire(), l.site.giveUp())
}

func (l *clusterLab) shut() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	was := l.closed
	l.closed = true
	return !was
}

func (l *clusterLab) unwire() error {
	if l.wired == nil {
		return nil
	}
	return ignoreLost(l.wired.Close())
}
