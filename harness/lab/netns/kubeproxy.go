package netns

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sync/errgroup"

	"github.com/faultline-lab/faultline/harness/kubeproxy"
	"github.com/faultline-lab/faultline/harness/kubeproxy/api"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// cluster is what the kube-proxies of a lab see.
type cluster struct {
	store    *api.Store
	server   *http.Server
	services []plan.Service
}

// proxy is the kube-proxy of a node.
type proxy struct {
	*service
	step plan.StartKubeProxy
}

// serveAPI makes the API; it gets a listener in each node that starts a kube-proxy.
func (l *innerLab) serveAPI(s plan.ServeAPI) error {
	if l.cluster != nil {
		return errors.New("serve the API: it is served already; change one Service at a time")
	}
	store := api.New(s.Nodes, s.Services)
	l.cluster = &cluster{store: store, server: &http.Server{Handler: store.Handler()}, services: slices.Clone(s.Services)}
	l.made.Push(l.cluster.server.Close)
	return nil
}

// setService replaces or adds a Service and waits until every kube-proxy has it in the kernel.
func (l *innerLab) setService(ctx context.Context, s plan.SetService) error {
	if l.cluster == nil {
		return fmt.Errorf("set service %s: the lab has no API", s.Service.Name)
	}
	l.cluster.store.SetService(s.Service)
	same := func(o plan.Service) bool { return o.Name == s.Service.Name }
	if i := slices.IndexFunc(l.cluster.services, same); i >= 0 {
		l.cluster.services[i] = s.Service
	} else {
		l.cluster.services = append(l.cluster.services, s.Service)
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, n := range l.snapshot() {
		if n.proxy != nil {
			g.Go(func() error { return n.waitInSync(ctx) })
		}
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("set service %s: %w", s.Service.Name, err)
	}
	return nil
}

// startKubeProxy starts kube-proxy in place of the one that runs, and waits until the Services are in the kernel.
func (n *node) startKubeProxy(ctx context.Context, s plan.StartKubeProxy) error {
	what := "kube-proxy " + s.Version
	c := n.lab.cluster
	if c == nil {
		return fmt.Errorf("start %s: the lab has no API", what)
	}
	cidrs, err := prefixes(s.ServiceCIDR)
	if err != nil {
		return fmt.Errorf("start %s: read service CIDR: %w", what, err)
	}
	if len(cidrs) > 0 {
		c.store.SetServiceCIDRs(cidrs...)
	}
	if n.proxy != nil {
		if err := n.stopKubeProxy(ctx, s); err != nil {
			return fmt.Errorf("replace kube-proxy: %w", err)
		}
	}
	if err := n.listenAPI(c); err != nil {
		return fmt.Errorf("start %s: %w", what, err)
	}
	args := append([]string{n.proxyBinary(s.Version)}, kubeproxy.Args(s, "http://"+plan.APIAddress)...)
	n.lab.runtime.progress("start %s on %s in %s mode", what, n.name, s.Mode)
	started, err := n.startUntil(ctx, what, args, nil)
	if err != nil {
		return err
	}
	n.proxy = &proxy{started, s}
	return n.waitInSync(ctx)
}

func (n *node) proxyBinary(version string) string {
	return filepath.Join(n.lab.runtime.BinDir, kubeproxy.FileName(version))
}

// stopKubeProxy ends the kube-proxy that runs, and what it runs, before next takes its place. If next is of the same kind
// it finds the rules as after a restart on a cluster, but for what shows when it has written its own. Otherwise all rules
// are taken out of the kernel, with the same binary that made them.
func (n *node) stopKubeProxy(ctx context.Context, next plan.StartKubeProxy) error {
	old := n.proxy
	n.proxy = nil
	if err := n.lab.procs.endGroup(ctx, old.process); err != nil {
		return err
	}
	if next.Mode == old.step.Mode && next.Version == old.step.Version && kubeproxy.CanUnsync(next.Mode) {
		return kubeproxy.Unsync(ctx, kernelOf{n}, next.Mode, n.lab.cluster.services)
	}
	args := append([]string{n.proxyBinary(old.step.Version)}, kubeproxy.CleanupArgs(old.step.Version)...)
	if _, err := lab.Run(ctx, n, args...); err != nil {
		return fmt.Errorf("clean up: %w", err)
	}
	return nil
}

// listenAPI opens the API's listener inside the node, once: a socket stays in the namespace that it was made in.
func (n *node) listenAPI(c *cluster) error {
	if n.api {
		return nil
	}
	return n.ns.Do(func(ns.NetNS) error {
		listener, err := net.Listen("tcp", plan.APIAddress)
		if err != nil {
			return fmt.Errorf("listen for the API: %w", err)
		}
		n.api = true
		go func() { _ = c.server.Serve(listener) }() // until the server is closed
		return nil
	})
}

// waitInSync returns once the kernel has what the node's kube-proxy has to write, or kube-proxy has died.
func (n *node) waitInSync(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := n.proxy
	go func() {
		select {
		case <-p.ended:
			cancel(p.endError())
		case <-ctx.Done():
		}
	}()
	err := kubeproxy.WaitInSync(ctx, kernelOf{n}, p.step.Mode, n.lab.cluster.services)
	select {
	case <-p.ended:
		return p.endError()
	default:
	}
	if err != nil {
		return fmt.Errorf("%w\nkube-proxy wrote: %s", err, p.out)
	}
	return nil
}

// kernelOf is a node as package kubeproxy reads its kernel.
type kernelOf struct{ *node }

// Run runs a command to its end.
func (k kernelOf) Run(ctx context.Context, args ...string) ([]byte, error) {
	return lab.Run(ctx, k.node, args...)
}

// ReadFile reads a file as a process in the node sees it.
func (k kernelOf) ReadFile(name string) (b []byte, err error) {
	if rest, ok := strings.CutPrefix(name, "/proc/net/"); ok {
		name = "/proc/thread-self/net/" + rest // /proc/net is that of the process, not of the thread
	}
	err = k.ns.Do(func(ns.NetNS) error {
		var err error
		b, err = os.ReadFile(name)
		return err
	})
	return b, err
}

// prefixes reads one prefix, or two separated by a comma.
func prefixes(s string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for part := range strings.SplitSeq(s, ",") {
		if part == "" {
			continue
		}
		p, err := netip.ParsePrefix(part)
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}
