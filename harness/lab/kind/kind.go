// Package kind builds labs on real Kubernetes clusters.
//
// In: a plan.Plan. Out: a lab.Lab whose nodes are namespaces of a kind cluster: its node containers, its Pods, and
// containers beside it. The package decides nothing about packets: what Kubernetes makes, Kubernetes makes; all else is
// wired by the runtime of package netns, in the namespaces that are there, with the steps that every runtime carries out.
//
// # What becomes of a plan's nodes
//
//   - A node that runs kube-proxy, or that pods run on, is a member: a kind node, a container with kubelet and containerd.
//     Members with kube-proxy form one cluster, the first of them is its control plane. A host of pods without kube-proxy
//     is a cluster of its own, without kube-proxy.
//   - A pod whose host is a member is a Pod there, put on its node by name; its servers are its container. Servers on a
//     member are a Pod in the host's network.
//   - Any other node (router, switch, a machine outside of Kubernetes) is a container without a network.
//
// # Addresses
//
// A topology's addresses hold as they are, so probes, evidence and files are the same as in netns, and nothing has to be
// looked up at run time. The engine's interface of a member, where Kubernetes' own traffic stays, is renamed to kube0 and loses its
// default route: eth0 and the default route are the topology's. Its address is of scope link, so that the kernel takes it for
// no other interface. Docker's rules in nat for its DNS stay: they match that alone, and members find each other by it.
//
// # Who makes a Pod's interfaces
//
// Three times there is something to make: the nodes' own network, so that a macvlan finds its parent; then the Pods, and
// kubelet asks the cluster's CNI plugin for the network of each; then all that is left. Plan steps, in the plan's order, are
// what is made each time, and divide, in network.go, is where it is decided which.
//
// The CNI plugin is this binary. It tells kubelet the address that the plan gives the Pod, makes the Pod's veth pairs with
// its host by itself, with proxy ARP and routes as Calico's plugin does, and has the plugin macvlan, with the IPAM plugin
// static, make and remove macvlans of the host's interfaces. Both are built from their module and copied into the nodes,
// whatever image these are of.
//
// A Service is a real Service. Its EndpointSlice is written from the plan, not by a selector: a backend may be a
// host, or a Pod by an address that Kubernetes does not know.
//
// # kube-proxy
//
// It is the cluster's DaemonSet; mode, cluster CIDR and flags are its ConfigMap. They are one for all members, so a plan in
// which they differ between nodes is not supported. A restart deletes the node's Pod and waits for the next one: until it
// has synced once, by its own metrics, and until the kernel has every Service, by the same look as everywhere.
//
// # One lab after the other
//
// A cluster takes half a minute, so a site, the clusters of a lab with their agent, is used again where the next lab asks for
// the same nodes, CIDRs and image. Each node's network namespace is remembered as it was before any lab, without kube-proxy:
// links, addresses, routes, rules, sysctls, rulesets. Between labs Pods, Services and kube-proxies go, what has changed is put
// back, and all of it is looked at again. A site that is not as it was is replaced, never used.
//
// # Who does what
//
// kind has no context and reads the environment, so it runs in a process of its own (CreateMain), with a docker or
// podman on its PATH that is this binary again (ShimMain): it adds faultline's label to what kind makes. Everything in namespaces is done by the
// agent: a container of the node image in the host's pid namespace, in which this binary serves a lab.Runtime on its
// standard input and output. So nothing here takes root beside what the engine gives, and the tools are the node image's.
//
// Where the daemon cannot give --privileged, because it lacks CAP_SYS_RESOURCE itself (containers, CI), the same shim asks for
// all other capabilities in its place, and the lab says so. Nothing of the daemon is changed.
//
// # What is left behind
//
// Every container, volume and network has the label io.faultline.cluster=NAME. The directory NAME in Options.Cache has the
// name of the engine, the kubeconfig and a lock, which the kernel lets go when its owner dies, by SIGKILL too: what has the label and a lock that
// nobody holds is stale, and RemoveStale removes it. What has no such directory here is somebody else's.
package kind

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
	"github.com/faultline-lab/faultline/harness/plan"
)

// Options say how a Runtime works.
type Options struct {
	// Cache is a directory of faultline's, for the state of clusters. It has to be given.
	Cache string
	// Name goes into the names of clusters: faultline-<Name>-<4 hex>. Default: the plan's topology.
	Name string
	// Image is the node image. Default: DefaultImage of the plan's version of kube-proxy, if it is here or in its registry,
	// else what NodeImage makes.
	Image string
	// NodeImage returns the name of a node image of a version of Kubernetes, after making it if need be. Default: nobody
	// makes one.
	NodeImage func(ctx context.Context, version string) (string, error)
	// Plugins returns a directory with the CNI plugins macvlan and static, statically linked, after making them if need be. Default:
	// plans whose Pods have macvlans are not supported.
	Plugins func(ctx context.Context) (dir string, err error)
	// Binary is a statically linked faultline for the nodes. Default: the binary that runs.
	Binary string
	// Engine is docker or podman, as in engine.Variable. Default: Docker if its daemon answers, else Podman.
	Engine string
	// Keep leaves the cluster of the lab that was closed last, as it is, to a person: see Kept.
	Keep bool
	// Reuse takes kept clusters for labs, where they fit. They stay kept.
	Reuse bool
	// Progress is told what takes long, a line at a time. Default: nobody.
	Progress func(line string)
}

// Runtime builds each lab on clusters of its own, and a lab after that on the same ones where they fit and could be reset
// to what they were. Clusters are removed by Close.
type Runtime struct {
	options Options

	mu     sync.Mutex
	labs   map[*clusterLab]struct{}
	idle   []*site
	closed bool
	kept   []Kept

	engineOnce sync.Once
	engine     *engine.Engine
	engineErr  error
}

var _ lab.Runtime = (*Runtime)(nil)

// New returns a Runtime.
func New(o Options) *Runtime {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	return &Runtime{options: o, labs: map[*clusterLab]struct{}{}}
}

// Up builds p. On error nothing is left behind.
func (r *Runtime) Up(ctx context.Context, p *plan.Plan) (_ lab.Lab, err error) {
	lay, missing := newLayout(p)
	if len(missing) > 0 {
		return nil, fmt.Errorf("up: %w", &lab.UnsupportedError{Runtime: "kind", Missing: missing})
	}
	e, err := r.find(ctx)
	if err != nil {
		return nil, fmt.Errorf("up: %w", err)
	}
	image, err := r.image(ctx, e, p)
	if err != nil {
		return nil, fmt.Errorf("up: %w", err)
	}
	var u undo.Stack
	defer func() { err = errors.Join(err, u.Unwind()) }()
	lay.name = cmp.Or(r.options.Name, p.Topology)
	l := &clusterLab{runtime: r, engine: e, layout: lay, image: image}
	u.Push(l.discard)
	if err := l.build(ctx); err != nil {
		return nil, fmt.Errorf("up: %w", l.described(ctx, r.withAdvice(ctx, e.Output, err)))
	}
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.labs[l] = struct{}{}
	}
	r.mu.Unlock()
	if closed {
		return nil, errors.New("up: the runtime is closed")
	}
	u.Keep()
	return l, nil
}

// Close removes every cluster.
func (r *Runtime) Close() error {
	r.mu.Lock()
	labs, idle := r.labs, r.idle
	r.labs, r.idle, r.closed = nil, nil, true
	r.mu.Unlock()
	var errs []error
	for l := range labs {
		errs = append(errs, l.discard())
	}
	for i, s := range idle {
		if s.reused || r.options.Keep && i == len(idle)-1 {
			k, err := s.keep()
			errs = append(errs, err)
			r.kept = append(r.kept, k)
			continue
		}
		errs = append(errs, s.remove())
	}
	return errors.Join(errs...)
}

// Kept are the clusters that Close has left to a person.
func (r *Runtime) Kept() []Kept {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}

// binary is the path of the faultline for nodes.
func (r *Runtime) binary() (string, error) {
	path := r.options.Binary
	if path == "" {
		var err error
		if path, err = os.Executable(); err != nil {
			return "", err
		}
	}
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return path, checkStatic(path)
}

// image is the node image for a plan, which is here or in its registry.
func (r *Runtime) image(ctx context.Context, e *engine.Engine, p *plan.Plan) (string, error) {
	if r.options.Image != "" {
		image := e.Reference(r.options.Image)
		return image, findImage(ctx, e, image)
	}
	image := e.Reference(DefaultImage(version(p)))
	err := findImage(ctx, e, image)
	if err != nil && r.options.NodeImage != nil && ctx.Err() == nil {
		image, err = r.options.NodeImage(ctx, version(p))
		return e.Reference(image), err
	}
	return image, err
}
