package kind

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
	"github.com/faultline-lab/faultline/harness/plan"
)

const (
	// readyLimit is what a cluster has to become ready once kind has made it.
	readyLimit = 5 * time.Minute
	// removeLimit is what removing a site may take.
	removeLimit = 2 * time.Minute
)

// site is what labs stand on: clusters, their network, and the agent. Everything of it has its name as a label.
type site struct {
	engine   *engine.Engine
	name     string
	number   byte // for what sites must not share
	image    string
	dir      string
	lock     *os.File
	hears    atomic.Pointer[func(string)] // what takes long about the lab that is on it
	pods     *podImage
	clusters []*cluster
	agent    *agentContainer
	base     lab.Lab             // the members alone, as they were made
	pristine map[string]snapshot // of each member, before any lab
	reused   bool                // it was kept by a run before this one
}

// cluster is one kind cluster of a site.
type cluster struct {
	site  *site
	name  string // kind's
	plan  clusterPlan
	shape shape
	nodes map[string]string // container by member
	pids  map[string]int    // of the containers' first processes, in the daemon's pid namespace

	addresses map[string]netip.Addr // of the members in the site's network
}

// newSite makes the clusters of lay and returns once every node is ready. kube-proxy comes with a lab.
func newSite(ctx context.Context, r *Runtime, e *engine.Engine, lay *layout, image string) (_ *site, err error) {
	binary, err := r.binary()
	if err != nil {
		return nil, err
	}
	pods, err := newPodImage(binary)
	if err != nil {
		return nil, err
	}
	s := &site{engine: e, image: image, pods: pods}
	s.tellTo(lab.Progress(ctx, r.options.Progress))
	var u undo.Stack
	defer func() { err = errors.Join(err, u.Unwind()) }()
	name, number := newName(lay.name)
	s.number = number
	if err := s.claim(r.options, name); err != nil {
		return nil, err
	}
	u.Push(func() error {
		_, err := s.removeUnless(ctx.Err() != nil)
		return err
	})
	if err := s.network(ctx, lay); err != nil {
		return nil, err
	}
	for i, p := range lay.clusters {
		name := s.name
		if i > 0 {
			name = fmt.Sprintf("%s-%d", s.name, i+1)
		}
		s.clusters = append(s.clusters, &cluster{site: s, name: name, plan: p, shape: p.shape(image), nodes: p.nodeNames(name)})
	}
	s.tell(fmt.Sprintf("create cluster %s of %s", s.name, image))
	g, all := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		s.agent, err = startAgent(all, s)
		return err
	})
	for _, c := range s.clusters {
		g.Go(func() error {
			if err := c.create(all); err != nil {
				return c.explain(ctx, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := s.takeMembers(ctx); err != nil {
		return nil, err
	}
	u.Keep()
	return s, nil
}

// network makes the site's network, on a subnet that none of the plan's addresses is in: the engine's own choice may be one
// of theirs. It is one of 198.18.0.0/15, which no network has (RFC 2544), a /24 each.
func (s *site) network(ctx context.Context, lay *layout) error {
	var err error
	for i := range 64 {
		subnet := netip.PrefixFrom(netip.AddrFrom4([4]byte{198, 18, s.number + byte(i), 0}), 24)
		if lay.uses(subnet) {
			continue
		}
		if err = s.engine.CreateNetwork(ctx, s.name, subnet.String(), labelOf(s.name)); !errors.Is(err, engine.ErrTaken) {
			return err
		}
	}
	return err
}

// tell tells whoever works with the site now.
func (s *site) tell(line string) { (*s.hears.Load())(line) }

func (s *site) tellTo(tell func(string)) { s.hears.Store(&tell) }

// claim gives the site a name and a directory with a lock that lasts as long as this process.
func (s *site) claim(o Options, name string) error {
	if o.Cache == "" {
		return errors.New("the runtime was given no directory for the state of clusters")
	}
	s.name = name
	s.dir = filepath.Join(stateDir(o.Cache), s.name)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("make the cluster's directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, engineFile), []byte(s.engine.Command), 0o600); err != nil {
		return fmt.Errorf("write the cluster's engine: %w", err)
	}
	var err error
	s.lock, err = lockDir(s.dir)
	return err
}

// engineFile is in the directory of a site. It names the engine that has the site: another run's may be another.
const engineFile = "engine"

// engineOf is the name of the engine that has the site with that directory; empty of one that had not begun to make anything.
func engineOf(dir string) (string, error) {
	text, err := os.ReadFile(filepath.Join(dir, engineFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(text), err
}

// namePrefix begins the names of all sites.
const namePrefix = "faultline-"

// newName is a name that no other site has, and a number to begin with where sites have to differ.
func newName(of string) (string, byte) {
	number := make([]byte, 2)
	_, _ = rand.Read(number) // never fails
	return namePrefix + of + "-" + hex.EncodeToString(number), number[0]
}

func stateDir(cache string) string { return filepath.Join(cache, "clusters") }

var errHeld = errors.New("its owner is alive")

// lockDir takes the lock of a site, which the kernel gives back when its owner dies.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errHeld
		}
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// remove removes all that has the site's label, and its directory. It bounds itself.
func (s *site) remove() error {
	_, err := s.removeUnless(false)
	return err
}

// removeUnless is remove, but leaves the directory if there was something to remove and commands were killed that
// may have made more: who looks for what is stale looks here again. It says whether there was something.
func (s *site) removeUnless(killed bool) (bool, error) {
	ctx, cancel := context.WithTimeout(context.Background(), removeLimit)
	defer cancel()
	var errs []error
	if s.base != nil {
		errs = append(errs, ignoreLost(s.base.Close()))
	}
	if s.agent != nil {
		errs = append(errs, ignoreLost(s.agent.close()))
	}
	any, err := s.engine.RemoveLabelled(ctx, labelOf(s.name))
	errs = append(errs, err)
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	if errors.Join(errs...) == nil && (!any || !killed) {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	if err := errors.Join(errs...); err != nil {
		return any, fmt.Errorf("remove cluster %s: %w", s.name, err)
	}
	return any, nil
}

// create makes the cluster, gives its nodes what labs need, and waits until all of it is ready.
func (c *cluster) create(ctx context.Context) error {
	version := c.plan.release()
	config, err := c.plan.config(c.name, c.site.image, version, c.site.engine.Cgroup1)
	if err != nil {
		return err
	}
	if err := c.site.create(ctx, config); err != nil {
		return err
	}
	if err := c.inspect(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, readyLimit, fmt.Errorf("not ready after %v", readyLimit))
	defer cancel()
	c.site.tell("furnish the nodes of " + c.name)
	g, all := errgroup.WithContext(ctx)
	for _, m := range c.plan.members {
		g.Go(func() error { return c.furnish(all, m) })
	}
	if err := g.Wait(); err != nil {
		return cause(ctx, err)
	}
	c.site.tell("wait for the nodes of " + c.name)
	return cause(ctx, c.waitReady(ctx))
}

// cause is err, with the reason why ctx ended if that is what it is about.
func cause(ctx context.Context, err error) error {
	if why := context.Cause(ctx); err != nil && why != nil && !errors.Is(why, ctx.Err()) {
		return fmt.Errorf("%w: %w", why, err)
	}
	return err
}

// inspect finds the processes and addresses of the node containers.
func (c *cluster) inspect(ctx context.Context) error {
	c.pids, c.addresses = map[string]int{}, map[string]netip.Addr{}
	for _, m := range c.plan.members {
		pid, err := c.site.engine.PID(ctx, c.nodes[m])
		if err != nil {
			return err
		}
		out, err := c.site.engine.Output(ctx, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", c.nodes[m])
		if err != nil {
			return err
		}
		address, err := netip.ParseAddr(strings.TrimSpace(string(out)))
		if err != nil {
			return fmt.Errorf("find the address of node container %s: %w", c.nodes[m], err)
		}
		c.pids[m], c.addresses[m] = pid, address
	}
	return nil
}

// explain adds to the error of a cluster what its nodes say.
func (c *cluster) explain(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.Canceled) { // nobody waits for it any more
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
	defer cancel()
	var b strings.Builder
	for _, m := range c.plan.members {
		node := c.nodes[m]
		state, inspectErr := c.site.engine.Output(ctx, "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", node)
		if inspectErr != nil {
			continue // it was not made
		}
		fmt.Fprintf(&b, "\nnode %s (%s) is %s", m, node, strings.TrimSpace(string(state)))
		for _, tail := range [][]string{
			{"console", "logs", "--tail", "8", node},
			{"journal", "exec", node, "journalctl", "--no-pager", "--output=cat", "--lines=15", "--unit=kubelet", "--unit=containerd"},
		} {
			if out, err := c.site.engine.Output(ctx, tail[1:]...); err == nil && len(out) > 0 {
				fmt.Fprintf(&b, "\n  %s:\n    %s", tail[0], strings.ReplaceAll(clip(lastLines(string(out), 15)), "\n", "\n    "))
			}
		}
	}
	return fmt.Errorf("%w%s", err, b.String())
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// colours are what systemd paints its lines with on a console.
var colours = regexp.MustCompile(`\x1b\[[0-9;]*[A-Za-z]`)

// clip keeps lines to what a report can show.
func clip(text string) string {
	lines := strings.Split(colours.ReplaceAllString(text, ""), "\n")
	for i, l := range lines {
		if len(l) > 240 {
			lines[i] = l[:240] + " ..."
		}
	}
	return strings.Join(lines, "\n")
}

// kubeLink is the engine's interface of a member, where Kubernetes' own traffic stays: eth0 is the topology's.
const kubeLink = "kube0"

// furnishing is run in each node once: the engine's interface makes room for the topology's.
const furnishing = `set -o errexit -o nounset
[ -e /sys/class/net/` + kubeLink + ` ] || ip link set dev eth0 name ` + kubeLink + ` 2>/dev/null || {
	ip link set dev eth0 down
	ip link set dev eth0 name ` + kubeLink + `
	ip link set dev ` + kubeLink + ` up
}
ip route del default 2>/dev/null || true
# Of scope link: else the kernel would take it as the source on interfaces that have no address (inet_select_addr in
# net/ipv4/devinet.c), where it has to be one of the topology's.
address=$(ip -4 -o addr show dev kube0 | sed -n 's/.* inet \([^ ]*\) .*/\1/p')
ip addr del "$address" dev kube0
ip addr add "$address" broadcast + dev kube0 scope link
`

// furnish gives a member its CNI plugin, its Pods' image and its place in the network.
func (c *cluster) furnish(ctx context.Context, member string) error {
	e, node := c.site.engine, c.nodes[member]
	if _, err := e.Feed(ctx, strings.NewReader(furnishing), "exec", "--interactive", node, "sh", "-s"); err != nil {
		return fmt.Errorf("furnish node %s: %w", member, err)
	}
	return c.equip(ctx, member)
}

// equip gives a member the CNI plugin and the Pods' image.
func (c *cluster) equip(ctx context.Context, member string) error {
	if err := c.plugin(ctx, member); err != nil {
		return fmt.Errorf("install the CNI plugin on node %s: %w", member, err)
	}
	e, node := c.site.engine, c.nodes[member]
	_, err := e.Feed(ctx, strings.NewReader(string(c.site.pods.archive)),
		"exec", "--interactive", node, "ctr", "--namespace=k8s.io", "images", "import", "--no-unpack", "--digests", "-")
	if err != nil {
		return fmt.Errorf("load the pods' image into node %s: %w", member, err)
	}
	return nil
}

// plugin installs the CNI plugin. Its configuration comes last: with it kubelet takes the node for ready.
func (c *cluster) plugin(ctx context.Context, member string) error {
	files, err := tarball(
		archive.File{Name: cniBinary[1:], Mode: 0o755, Data: c.site.pods.program},
		archive.File{Name: cniNetworks[1:], Mode: 0o644, Data: []byte("{}")},
		archive.File{Name: cniConfig[1:], Mode: 0o644, Data: []byte(cniNetwork)},
	)
	if err != nil {
		return err
	}
	_, err = c.site.engine.Feed(ctx, strings.NewReader(string(files)), "cp", "-", c.nodes[member]+":/")
	return err
}

// giveNetworks tells the CNI plugin of every member the networks of the lab's Pods, and gives it the plugins that it calls.
func (c *cluster) giveNetworks(ctx context.Context, plugins []archive.File) error {
	networks := map[string]*network{}
	for _, p := range c.plan.pods {
		if !p.host {
			networks[p.name] = p.network
		}
	}
	text, err := json.Marshal(networks)
	if err != nil {
		return err
	}
	files, err := tarball(append(plugins[:len(plugins):len(plugins)], archive.File{Name: cniNetworks[1:], Mode: 0o644, Data: text})...)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range c.plan.members {
		g.Go(func() error {
			_, err := c.site.engine.Feed(ctx, strings.NewReader(string(files)), "cp", "-", c.nodes[m]+":/")
			return err
		})
	}
	return g.Wait()
}

// takeMembers has the agent enter the members, and remembers how they are.
func (s *site) takeMembers(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	var err error
	s.pristine, err = s.snapshots(ctx)
	return err
}

// enter has the agent enter the members.
func (s *site) enter(ctx context.Context) error {
	var steps []plan.Step
	for _, c := range s.clusters {
		for _, m := range c.plan.members {
			steps = append(steps, plan.AddNode{Node: m, Namespace: c.namespace(m)})
		}
	}
	var err error
	if s.base, err = s.agent.client.Up(ctx, &plan.Plan{Topology: s.name, Steps: steps}); err != nil {
		return fmt.Errorf("enter the nodes: %w", err)
	}
	return nil
}

// namespace is the file of a member's network namespace, as the agent sees it.
func (c *cluster) namespace(member string) string {
	return fmt.Sprintf("/proc/%d/ns/net", c.pids[member])
}
