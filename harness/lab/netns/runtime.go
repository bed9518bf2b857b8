package netns

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// Options say how a Runtime works. The zero value serves plans without kube-proxy.
type Options struct {
	// BinDir is a directory with kube-proxy binaries, kube-proxy-<version> each. Default: where KubeProxy puts them.
	BinDir string
	// KubeProxy returns the path of the binary kube-proxy-<version>, after making it if need be. It is asked before
	// anything is built. Default: the binaries in BinDir have to do.
	KubeProxy func(ctx context.Context, version string) (path string, err error)
	// Progress is told what takes long, a line at a time, from several labs at once. Default: nobody.
	Progress func(line string)
}

// Runtime builds each lab in a sandbox of its own: a process in new user, mount, pid, network, ipc and uts namespaces,
// which takes no privileges. When this process ends, by SIGKILL too, the kernel ends the sandboxes and removes all
// that was in them.
type Runtime struct {
	options Options

	mu        sync.Mutex
	sandboxes map[*sandbox]struct{}
	closed    bool
}

var _ lab.Runtime = (*Runtime)(nil)

// New returns a Runtime.
func New(o Options) *Runtime {
	return &Runtime{options: o, sandboxes: map[*sandbox]struct{}{}}
}

// Check tries in a sandbox what p needs.
func (r *Runtime) Check(ctx context.Context, p *plan.Plan) (lab.Facts, error) {
	f, err := facts()
	if err != nil {
		return f, err
	}
	f.Labs, f.Builds = labs(), builds()
	missing, err := r.try(ctx, p)
	if err != nil {
		return f, err
	}
	if slices.Contains(p.Needs(), plan.NeedGlobalSysctl) {
		missing = append(missing, lab.Missing{
			What: "a kernel of one's own (the plan sets a sysctl that is not per network namespace)",
			Do:   "run with --runtime vm",
		})
	}
	if len(missing) > 0 {
		return f, &lab.UnsupportedError{Runtime: f.Runtime, Missing: missing}
	}
	return f, nil
}

// labs is how many labs get on at once: a lab mostly waits for packets that do not come.
func labs() int { return 3 * runtime.GOMAXPROCS(0) }

// builds is how many of them may keep the processors busy: kube-proxies start on all nodes of a lab at once. More would
// take longer together, and hold up the answers to the probes of others.
func builds() int { return max(1, runtime.GOMAXPROCS(0)/2) }

// try returns what a sandbox says is missing.
func (r *Runtime) try(ctx context.Context, p *plan.Plan) ([]lab.Missing, error) {
	var unsupported *lab.UnsupportedError
	s, err := r.open(ctx, r.options.BinDir)
	if errors.As(err, &unsupported) {
		return unsupported.Missing, nil
	}
	if err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	_, err = s.client.Check(ctx, p)
	if end := r.end(s); end != nil {
		return nil, fmt.Errorf("check: %w", errors.Join(err, end))
	}
	if errors.As(err, &unsupported) {
		return unsupported.Missing, nil
	}
	return nil, err
}

// Up builds p in a new sandbox.
func (r *Runtime) Up(ctx context.Context, p *plan.Plan) (lab.Lab, error) {
	binDir, err := r.binaries(ctx, p)
	if err != nil {
		return nil, fmt.Errorf("up: %w", err)
	}
	s, err := r.open(ctx, binDir)
	if err != nil {
		return nil, fmt.Errorf("up: %w", err)
	}
	l, err := s.client.Up(ctx, p)
	if err != nil {
		return nil, errors.Join(err, r.end(s))
	}
	return &sandboxed{Lab: l, end: sync.OnceValue(func() error { return r.end(s) })}, nil
}

// Close ends every lab that is still up.
func (r *Runtime) Close() error {
	r.mu.Lock()
	sandboxes := r.sandboxes
	r.sandboxes, r.closed = nil, true
	r.mu.Unlock()
	var errs []error
	for s := range sandboxes {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// open starts a sandbox.
func (r *Runtime) open(ctx context.Context, binDir string) (*sandbox, error) {
	s, err := startSandbox(ctx, binDir, lab.Progress(ctx, r.options.Progress))
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	closed := r.closed
	if !closed {
		r.sandboxes[s] = struct{}{}
	}
	r.mu.Unlock()
	if closed {
		return nil, errors.Join(errors.New("the runtime is closed"), s.close())
	}
	return s, nil
}

func (r *Runtime) end(s *sandbox) error {
	r.mu.Lock()
	delete(r.sandboxes, s)
	r.mu.Unlock()
	return s.close()
}

// binaries makes the kube-proxy binaries that p needs and returns their directory.
func (r *Runtime) binaries(ctx context.Context, p *plan.Plan) (string, error) {
	dir := r.options.BinDir
	if r.options.KubeProxy == nil {
		return dir, nil
	}
	for _, version := range p.KubeProxyVersions() {
		path, err := r.options.KubeProxy(ctx, version)
		if err != nil {
			return "", fmt.Errorf("get kube-proxy %s: %w", version, err)
		}
		if dir != "" && dir != filepath.Dir(path) {
			return "", fmt.Errorf("get kube-proxy %s: it is in %s, others are in %s", version, filepath.Dir(path), dir)
		}
		dir = filepath.Dir(path)
	}
	return dir, nil
}

// sandboxed is a lab in a sandbox. Ending the sandbox ends the lab.
type sandboxed struct {
	lab.Lab
	end func() error
}

// Close ends the sandbox with every process in it.
func (l *sandboxed) Close() error { return l.end() }
