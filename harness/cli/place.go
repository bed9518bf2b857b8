package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness"
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
	c.Flags().StringVar(&f.kernel, "kernel", "", "kernel of the vm: "+strings.Join(vm.KernelNames(), ", ")+", or a file (default "+vm.DefaultKernel+")")
	c.Flags().StringVar(&f.modules, "modules", "", "with --kernel FILE: the directory of its modules, /lib/modules/RELEASE")
	c.Flags().StringVar(&f.kubeProxy, "kube-proxy", "", "version of kube-proxy, v1.29.6 for example (default: the topology's)")
	c.Flags().StringVar(&f.nodeImage, "node-image", "", "node image of the kind cluster (default "+kind.DefaultImage("VERSION")+", the version of kube-proxy)")
	c.Flags().BoolVar(&f.keep, "keep", false, "keep the kind cluster of the last lab, and say how to use it")
	c.Flags().BoolVar(&f.reuse, "reuse", false, "run on a kind cluster that was kept, where it fits; it stays kept")
	_ = c.RegisterFlagCompletionFunc("runtime", cobra.FixedCompletions(runtimeNames, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("kernel", cobra.FixedCompletions(vm.KernelNames(), cobra.ShellCompDirectiveDefault))
}

// places gives each of several trials its runtime. A guest is kept for those that follow.
type places struct {
	app     *app
	flags   placeFlags
	guest   lab.Runtime    // nil until one is needed
	cluster *kind.Runtime  // nil until one is needed; one of here
	here    []lab.Runtime  // to be closed
	trial   *harness.Trial // the one that runs: whoever makes progress makes it for this one
}

func (p *places) progress(line string) { p.trial.Progress(line) }

// forTrial is the runtime that the flags ask for. With auto it is netns where this kernel can carry all of the plans,
// else vm, and a note says why.
func (p *places) forTrial(ctx context.Context, t *harness.Trial, plans []harness.Prepared) lab.Runtime {
	p.trial = t
	runtime := p.flags.runtime
	// A cluster is taken for those alone who ask for one.
	usual := slices.DeleteFunc(slices.Clone(t.Scenario.Runtimes), func(name string) bool { return name == "kind" })
	if len(usual) == 0 {
		usual = t.Scenario.Runtimes
	}
	if runtime == "auto" && len(usual) == 1 {
		runtime = usual[0]
		t.Note("runtime " + runtime + ": the scenario names no other")
	}
	switch {
	case runtime == "netns":
		return p.netns()
	case runtime == "vm":
		return p.vm()
	case runtime == "kind":
		return p.kind(t.Scenario.Name)
	case p.flags.kernel != "":
		t.Note("runtime vm: a kernel was asked for")
		return p.vm()
	}
	rt := p.netns()
	lacks := lacking(ctx, rt, plans)
	if lacks == "" {
		t.Note("runtime netns: this kernel has all that the labs need")
		return rt
	}
	t.Note("runtime vm: " + lacks)
	return p.vm()
}

func (p *places) proxies() *kubeproxy.Builder {
	return &kubeproxy.Builder{Cache: p.app.cache, Progress: p.progress}
}

func (p *places) netns() lab.Runtime {
	rt := netns.New(netns.Options{Progress: p.progress, KubeProxy: p.proxies().Binary})
	p.here = append(p.here, rt)
	return rt
}

func (p *places) vm() lab.Runtime {
	if p.guest == nil {
		p.guest = vm.New(vm.Options{Cache: p.app.cache, Kernel: p.flags.kernel, Modules: p.flags.modules, Progress: p.progress, KubeProxy: p.proxies().Binary})
	}
	return p.guest
}

// kind is one runtime for all trials of a run: they follow each other on the same clusters where those fit.
func (p *places) kind(name string) lab.Runtime {
	if p.cluster == nil {
		p.cluster = kind.New(kind.Options{
			Cache: p.app.cache, Name: name, Image: p.flags.nodeImage, Keep: p.flags.keep, Reuse: p.flags.reuse, Progress: p.progress,
		})
		p.here = append(p.here, p.cluster)
	}
	return p.cluster
}

// close gives up all that was used.
func (p *places) close() error {
	var errs []error
	for _, rt := range p.here {
		errs = append(errs, rt.Close())
	}
	if p.guest != nil {
		errs = append(errs, p.guest.Close())
	}
	if p.cluster != nil {
		for _, k := range p.cluster.Kept() {
			fmt.Fprintf(p.app.stdout, "\ncluster %s is kept:\n  %s\n", k.Name, strings.Join(k.Lines, "\n  "))
		}
	}
	return errors.Join(errs...)
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

// placed gives an error of the vm's kernels its exit code.
func placed(err error) error {
	var missing *kernel.MissingError
	switch {
	case errors.Is(err, kernel.ErrName):
		return &exit{ExitUsage, err}
	case errors.Is(err, lab.ErrUnsupported), errors.As(err, &missing):
		return &exit{ExitUnsupported, err}
	}
	return &exit{ExitBroken, err}
}
