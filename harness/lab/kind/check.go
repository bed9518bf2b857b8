package kind

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// Check says what a lab for p would run on. What the kernel has is tried in the agent's container, where the lab's wiring
// would be done: no cluster is made.
func (r *Runtime) Check(ctx context.Context, p *plan.Plan) (lab.Facts, error) {
	f := lab.Facts{Runtime: "kind"}
	_, lacks := newLayout(p)
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
	e, err := r.docker(ctx)
	if err := add(err); err != nil {
		return f, fmt.Errorf("check: %w", err)
	}
	image := ""
	if e != nil {
		image, err = r.image(ctx, e, p)
		if err := add(err); err != nil {
			return f, fmt.Errorf("check: %w", err)
		}
	}
	if len(all.Missing) == len(lacks) && binary != "" {
		kernel, err := r.try(ctx, e, image, binary, p)
		f.Kernel = kernel.Kernel
		if err := add(r.withAdvice(ctx, e.run, err)); err != nil {
			return f, fmt.Errorf("check: %w", err)
		}
	}
	if len(all.Missing) > 0 {
		return f, all
	}
	f.Detail = "Docker " + e.version + ", " + image
	if e.bare {
		f.Detail += "; " + bareNote
	}
	return f, nil
}

// bareNote is said wherever bareFlags are used.
const bareNote = "this Docker daemon cannot give --privileged, for it lacks CAP_SYS_RESOURCE itself: node containers get all other capabilities by flags of faultline's own"

// findImage asks for the node image: here, or in its registry.
func (e *engine) findImage(ctx context.Context, image string) error {
	if _, err := e.run(ctx, "image", "inspect", "--format", "{{.Id}}", image); err == nil || ctx.Err() != nil {
		return ctx.Err()
	}
	_, err := e.run(ctx, "manifest", "inspect", image)
	if err == nil || ctx.Err() != nil {
		return ctx.Err() // kind pulls it
	}
	said := strings.TrimSpace(err.Error())
	if i := strings.LastIndex(said, "\n"); i >= 0 {
		said = said[i+1:]
	}
	return missing("the node image "+image+", here or in its registry ("+said+")",
		"build one, or name one that is here with --node-image; `docker images` lists them")
}

// try starts the agent and asks it what the kernel has. Where the daemon cannot give --privileged, it finds out here.
func (r *Runtime) try(ctx context.Context, e *engine, image, path string, p *plan.Plan) (f lab.Facts, err error) {
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
	if err != nil && !e.bare && strings.Contains(err.Error(), "apply caps") {
		r.options.Progress(bareNote)
		e.bare = true
		name += "-2"
		a, err = launchAgent(ctx, e, s.name, image, name, binary, r.options.Progress)
	}
	if err != nil {
		return f, err
	}
	s.agent = a
	f, err = a.client.Check(ctx, p)
	if len(p.KubeProxyVersions()) > 0 {
		if out, catErr := e.in(ctx, name, "cat", "/kind/version"); catErr == nil {
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
