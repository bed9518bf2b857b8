package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/topology"
)

// Check says what a lab for p would run on. What the kernel has is tried in the agent's container, where the lab's wiring
// would be done: no cluster is made.
func (r *Runtime) Check(ctx context.Context, p *plan.Plan) (lab.Facts, error) {
	f := lab.Facts{Runtime: "kind"}
	lay, lacks := newLayout(p)
	all := &lab.UnsupportedError{Runtime: "kind", Missing: lacks}
	if slices.Contains(p.Needs(), plan.NeedGlobalSysctl) {
		all.Missing = append(all.Missing, lab.Missing{
			What: "a kernel of one's own (the plan sets a sysctl that is not per network namespace)", Do: "run with --runtime vm",
		})
	}
	add := func(err error) error {
		var u *lab.UnsupportedError
		if errors.As(err, &u) {
			all.Missing = append(all.Missing, u.Missing...)
			return nil
		}
		return err
	}
	binary, err := r.binary()
	if err := add(err); err != nil {
		return f, fmt.Errorf("check: %w", err)
	}
	e, err := r.find(ctx)
	if err := add(err); err != nil {
		return f, fmt.Errorf("check: %w", err)
	}
	image := ""
	if e != nil {
		_ = add(kubeletLacks(e, version(p)))
		image, err = r.image(ctx, e, p)
		if err := add(err); err != nil {
			return f, fmt.Errorf("check: %w", err)
		}
	}
	if len(all.Missing) == len(lacks) {
		if _, err := r.plugins(ctx, lay); add(err) != nil {
			return f, fmt.Errorf("check: %w", err)
		}
	}
	if len(all.Missing) == len(lacks) && binary != "" {
		kernel, err := r.try(ctx, e, image, binary, p)
		f.Kernel = kernel.Kernel
		if err := add(r.withAdvice(ctx, e.Output, err)); err != nil {
			return f, fmt.Errorf("check: %w", err)
		}
	}
	if len(all.Missing) > 0 {
		return f, all
	}
	f.Detail = e.String() + ", " + image
	if e.Bare {
		f.Detail += "; " + bareNote
	}
	return f, nil
}

// bareNote is said wherever bareFlags are used.
const bareNote = "this Docker daemon cannot give --privileged, for it lacks CAP_SYS_RESOURCE itself: node containers get all other capabilities by flags of faultline's own"

// withoutCgroup1 is the first release whose kubelet may know nothing of cgroup v1 any more (KEP-5573, "no earlier than 1.38").
// Those before it run there if they are told to: see clusterPlan.config.
const withoutCgroup1 = "v1.38.0"

// kubeletLacks says what the kubelet of a release lacks where the engine is.
func kubeletLacks(e *engine.Engine, version string) error {
	if !e.Cgroup1 || semver.Compare(version, withoutCgroup1) < 0 {
		return nil
	}
	return missing("cgroup v2 for the kubelet of "+version+" (this host has cgroup v1, which Kubernetes drops)",
		"boot it with systemd.unified_cgroup_hierarchy=1, or ask for an older release, --kube-proxy "+topology.DefaultKubeProxy+" for example")
}

// findImage asks for the node image: here, or in its registry.
func findImage(ctx context.Context, e *engine.Engine, image string) error {
	if _, err := e.Output(ctx, "image", "inspect", "--format", "{{.Id}}", image); err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := e.Output(ctx, "manifest", "inspect", image)
	if err == nil || ctx.Err() != nil {
		return ctx.Err() // kind pulls it
	}
	said := strings.TrimSpace(err.Error())
	if i := strings.LastIndex(said, "\n"); i >= 0 {
		said = said[i+1:]
	}
	return missing("the node image "+image+", here or in its registry ("+said+")",
		"build one (`faultline kind image`), or name one that is here with --node-image; `"+e.Command+" images` lists them")
}

// try starts the agent and asks it what the kernel has. Where the daemon cannot give --privileged, it finds out here.
func (r *Runtime) try(ctx context.Context, e *engine.Engine, image, path string, p *plan.Plan) (f lab.Facts, err error) {
	binary, err := os.ReadFile(path)
	if err != nil {
		return f, err
	}
	name, _ := newName("check")
	s := &site{engine: e, name: name}
	s.tellTo(r.options.Progress)
	if err := s.claim(r.options, name); err != nil {
		return f, err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	a, err := launchAgent(ctx, e, name, image, name, binary, r.options.Progress)
	if err != nil && !e.Bare && strings.Contains(err.Error(), "apply caps") {
		r.options.Progress(bareNote)
		e.Bare = true
		name += "-2"
		a, err = launchAgent(ctx, e, s.name, image, name, binary, r.options.Progress)
	}
	if err != nil {
		return f, err
	}
	s.agent = a
	f, err = a.client.Check(ctx, p)
	if len(p.KubeProxyVersions()) > 0 {
		if out, catErr := in(ctx, e, name, "cat", "/kind/version"); catErr == nil {
			err = withVersion(err, image, strings.TrimSpace(string(out)), version(p))
		}
	}
	return f, err
}

// withVersion adds to the error of a check that a node image is of another version of Kubernetes than the one asked for: its
// kube-proxy is what would run.
func withVersion(err error, image, has, wanted string) error {
	if has == wanted {
		return err
	}
	var u *lab.UnsupportedError
	if err != nil && !errors.As(err, &u) {
		return err
	}
	all := &lab.UnsupportedError{Runtime: "kind"}
	if u != nil {
		all.Missing = slices.Clone(u.Missing)
	}
	all.Missing = append(all.Missing, lab.Missing{
		What: fmt.Sprintf("kube-proxy %s in the node image %s, which is of Kubernetes %s", wanted, image, has),
		Do:   "run with --kube-proxy " + has + ", or name an image of " + wanted + " with --node-image",
	})
	return all
}
