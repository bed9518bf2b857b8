package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/internal/gotool"
	"github.com/faultline-lab/faultline/harness/kubeproxy"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind"
	"github.com/faultline-lab/faultline/harness/lab/netns"
	"github.com/faultline-lab/faultline/harness/lab/vm"
	"github.com/faultline-lab/faultline/harness/lab/vm/kernel"
	"github.com/faultline-lab/faultline/harness/plan"
)

var runtimeNames = []string{"auto", "netns", "vm", "kind"}

// placeFlags choose where labs are built and with which kube-proxy.
type placeFlags struct {
	runtime   string
	kernel    string
	modules   string
	kubeProxy string
	nodeImage string
	keep      bool
	reuse     bool
}

func (f *placeFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.runtime, "runtime", "auto", "auto, netns (this kernel), vm (a kernel of your choice) or kind (a real cluster)")
	_ = c.RegisterFlagCompletionFunc("runtime", cobra.FixedCompletions(runtimeNames, cobra.ShellCompDirectiveNoFileComp))
	f.addOf(c)
}

// addOf adds what the runtimes take, but for their choice.
func (f *placeFlags) addOf(c *cobra.Command) {
	c.Flags().StringVar(&f.kernel, "kernel", "", "kernel of the vm: "+strings.Join(vm.KernelNames(), ", ")+", or a file (default "+vm.DefaultKernel+")")
	c.Flags().StringVar(&f.modules, "modules", "", "with --kernel FILE: the directory of its modules, /lib/modules/RELEASE")
	c.Flags().StringVar(&f.kubeProxy, "kube-proxy", "", "version of kube-proxy, v1.29.6 for example (default: the topology's)")
	c.Flags().StringVar(&f.nodeImage, "node-image", "", "node image of the kind cluster (default "+kind.DefaultImage("VERSION")+", or what faultline kind image makes)")
	c.Flags().BoolVar(&f.keep, "keep", false, "keep the kind cluster of the last lab, and say how to use it")
	c.Flags().BoolVar(&f.reuse, "reuse", false, "run on a kind cluster that was kept, where it fits; it stays kept")
	_ = c.RegisterFlagCompletionFunc("kernel", cobra.FixedCompletions(vm.KernelNames(), cobra.ShellCompDirectiveDefault))
}

// asked is the runtime that the flags ask for; a kernel asks for a vm.
func (f *placeFlags) asked() string {
	if f.kernel != "" {
		return "vm"
	}
	return f.runtime
}

// place is where a trial will run.
type place struct {
	runtime string // "netns", "vm" or "kind"
	why     string // for the person; may be empty
}

// places gives each of several trials, which may run at the same time, its runtime.
type places struct {
	app   *app
	flags placeFlags
	// shared hears of what the first trial does and others wait for: a kernel is fetched, kube-proxy is built.
	shared func(line string)

	kernels, proxies sync.Mutex // held while one is fetched or built
	clusters         clusters

	mu    sync.Mutex
	used  []lab.Runtime // to be closed
	free  []*guests
	wrong []error // of what was closed before the end
}

// choose is the place that the flags ask for. With auto it is netns where this kernel can carry all of the plans, else vm.
// Where the topology has choices, one way to take them is enough.
func (p *places) choose(ctx context.Context, t *harness.Trial) place {
	// A cluster is taken for those alone who ask for one.
	only := slices.DeleteFunc(slices.Clone(t.Scenario.Runtimes), func(name string) bool { return name == "kind" })
	if len(only) == 0 {
		only = t.Scenario.Runtimes
	}
	switch asked := p.flags.runtime; {
	case asked == "auto" && len(only) == 1:
		return place{only[0], "runtime " + only[0] + ": the scenario names no other"}
	case asked == "auto" && p.flags.kernel != "":
		return place{"vm", "runtime vm: a kernel was asked for"}
	case asked != "auto":
		return place{asked, ""}
	}
	here := p.netns(func(string) {})
	lacks := t.Choose(func(plans []harness.Prepared) string { return lacking(ctx, here, plans) })
	switch {
	case ctx.Err() != nil: // whatever it lacks came of the interrupt, of which the trial tells
		return place{"netns", ""}
	case lacks != "":
		return place{"vm", "runtime vm: " + lacks}
	}
	return place{"netns", "runtime netns: this kernel has all that the labs need"}
}

// open is the runtime for t in that place; done gives it back.
func (p *places) open(t *harness.Trial, at place) (rt lab.Runtime, done func()) {
	switch at.runtime {
	case "netns":
		return p.netns(t.Progress), func() {}
	case "kind":
		return p.cluster(t)
	}
	g := p.guests(t.Scenario.Name)
	g.tell(t.Progress)
	return g, func() {
		g.tell(func(string) {})
		p.mu.Lock()
		defer p.mu.Unlock()
		p.free = append(p.free, g)
	}
}

func (p *places) netns(progress func(string)) lab.Runtime {
	rt := netns.New(netns.Options{Progress: progress, KubeProxy: p.kubeProxy(progress)})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.used = append(p.used, rt)
	return rt
}

// kubeProxy gets kube-proxy for trials that may all ask at once.
func (p *places) kubeProxy(progress func(string)) func(context.Context, string) (string, error) {
	b := &kubeproxy.Builder{Cache: p.app.cache, Progress: func(line string) { progress(line); p.shared(line) }}
	return func(ctx context.Context, version string) (string, error) {
		take(&p.proxies, func() { progress("kube-proxy " + version + ": another trial gets a kube-proxy, waiting for that") })
		defer p.proxies.Unlock()
		path, err := b.Binary(ctx, version)
		if errors.Is(err, gotool.ErrNoGo) || errors.Is(err, gotool.ErrNoNetwork) {
			err = lab.Unsupported(err)
		}
		return path, err
	}
}

// take locks what one trial at a time may have. waiting is called if another has it.
func take(turn *sync.Mutex, waiting func()) {
	if !turn.TryLock() {
		waiting()
		turn.Lock()
	}
}

// close gives up all that was used.
func (p *places) close() error {
	p.leave()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rt := range p.used {
		p.wrong = append(p.wrong, rt.Close())
	}
	p.used, p.free = nil, nil
	return errors.Join(p.wrong...)
}

// lacking says what rt lacks for the first of the plans that it cannot carry, or nothing.
func lacking(ctx context.Context, rt lab.Runtime, plans []harness.Prepared) string {
	var had []plan.Need
	for _, p := range plans {
		needs := p.Plan.Needs()
		if had != nil && !slices.ContainsFunc(needs, func(n plan.Need) bool { return !slices.Contains(had, n) }) {
			continue // whoever carries the plans before carries this one
		}
		_, err := rt.Check(ctx, p.Plan)
		if err != nil {
			return reason(p, err)
		}
		had = append(had, needs...)
	}
	return ""
}

// reason puts into words that a plan cannot be carried.
func reason(p harness.Prepared, err error) string {
	whose := ""
	if p.Fix != "" {
		whose = " of fix " + p.Fix
	}
	var missing *lab.UnsupportedError
	if !errors.As(err, &missing) {
		return fmt.Sprintf("could not tell whether this kernel can carry the lab%s: %v", whose, err)
	}
	var what []string
	for _, m := range missing.Missing {
		what = append(what, m.What)
	}
	if whose != "" {
		whose = "for the lab" + whose + " "
	}
	return whose + "this machine lacks " + strings.Join(what, "; ")
}

// check finds flags that cannot be meant, before anything is built.
func (f *placeFlags) check() error {
	known := slices.Contains(vm.KernelNames(), f.kernel)
	switch {
	case !slices.Contains(runtimeNames, f.runtime):
		return fmt.Errorf("--runtime %q: want %s", f.runtime, strings.Join(runtimeNames, ", "))
	case (f.runtime == "netns" || f.runtime == "kind") && f.kernel != "":
		return errors.New("--kernel goes with --runtime vm: " + f.runtime + " uses this machine's kernel")
	case (f.nodeImage != "" || f.keep || f.reuse) && f.runtime != "kind":
		return errors.New("--node-image, --keep and --reuse go with --runtime kind")
	case f.modules != "" && (f.kernel == "" || known):
		return errors.New("--modules goes with --kernel FILE")
	}
	if f.kernel == "" || known {
		return nil
	}
	if _, err := os.Stat(f.kernel); err != nil {
		return fmt.Errorf("--kernel %s: want %s, or the file of a kernel: %w", f.kernel, strings.Join(vm.KernelNames(), ", "), err)
	}
	if !strings.ContainsRune(f.kernel, filepath.Separator) {
		f.kernel = "." + string(filepath.Separator) + f.kernel // a path, not a name
	}
	_, err := kernel.FromFile(f.kernel, f.modules)
	if errors.Is(err, kernel.ErrModules) {
		return fmt.Errorf("--%w: name the directory that has them with --modules, /lib/modules/RELEASE", err)
	}
	if err != nil {
		return fmt.Errorf("--%w: want the file of a kernel, a bzImage", err)
	}
	return nil
}

// placed gives an error of the vm's kernels, or of kind's clusters, its exit code.
func placed(err error) error {
	var missing *kernel.MissingError
	switch {
	case errors.Is(err, kernel.ErrName), errors.Is(err, kind.ErrName):
		return &exit{ExitUsage, err}
	case errors.Is(err, lab.ErrUnsupported), errors.As(err, &missing):
		return &exit{ExitUnsupported, err}
	}
	return &exit{ExitBroken, err}
}
