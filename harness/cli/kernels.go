package cli

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness/lab/vm"
)

func (a *app) kernels() *cobra.Command {
	c := &cobra.Command{
		Use:   "kernels",
		Short: "List, fetch and check the kernels of the vm runtime",
		Args:  subcommand,
		RunE:  func(*cobra.Command, []string) error { return a.listKernels() },
	}
	c.AddCommand(
		a.kernelCommand("fetch", "Fetch kernels into the cache, through this machine's apt configuration", a.fetchKernel),
		a.kernelCommand("check", "Boot kernels once, to the agent, and say how long that takes", a.checkKernel),
	)
	return c
}

func (a *app) kernelCommand(name, short string, do func(context.Context, string) error) *cobra.Command {
	return &cobra.Command{
		Use:   name + " [KERNEL]...",
		Short: short,
		Long:  short + ". Without names: " + vm.DefaultKernel + ".",
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return vm.KernelNames(), cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, names []string) error {
			if err := a.checkCache(); err != nil {
				return err
			}
			if len(names) == 0 {
				names = []string{vm.DefaultKernel}
			}
			for _, name := range names {
				if err := do(c.Context(), name); err != nil {
					return placed(err)
				}
			}
			return nil
		},
	}
}

// checkCache refuses a cache that is no directory.
func (a *app) checkCache() error { return usage(directory("--cache", a.cache, false)) }

func (a *app) listKernels() error {
	if err := a.checkCache(); err != nil {
		return err
	}
	kernels, err := vm.Kernels(a.cache)
	if err != nil {
		return &exit{ExitBroken, err}
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "KERNEL\tRELEASE\tFILE")
	for _, k := range kernels {
		release, file := k.Release, k.Image
		if release == "" {
			release, file = "not fetched", "-"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", k.Name, release, file)
	}
	return w.Flush()
}

func (a *app) say(line string) { fmt.Fprintln(a.stdout, line) }

func (a *app) fetchKernel(ctx context.Context, name string) error {
	k, err := vm.FetchKernel(ctx, a.cache, name, a.say)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s in %s\n", k.Name, k.Release, k.Image)
	return err
}

func (a *app) checkKernel(ctx context.Context, name string) error {
	booted, err := vm.CheckKernel(ctx, vm.Options{Cache: a.cache, Kernel: name, Progress: a.say})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "%s: %s, agent ready %s after the start of QEMU (%s)\n",
		name, booted.Release, booted.Took.Round(10*time.Millisecond), booted.Accelerator)
	return err
}
