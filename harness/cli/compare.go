package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/report"
	"github.com/faultline-lab/faultline/harness/verdict"
)

func (a *app) compare() *cobra.Command {
	var f runFlags
	var runtimes []string
	c := &cobra.Command{
		Use:   "compare NAME|FILE --runtime RUNTIME,RUNTIME...",
		Short: "Run a scenario in several runtimes, and compare the verdicts",
		Long: `compare runs a scenario, with all of its variants, in each of the runtimes. A table has a row for every verdict and a column
for every runtime; below it stands why, where they differ.

Exit codes: 0 every verdict as documented, and the same everywhere; 1 one is not; 3 a runtime is unsupported here, the others
were run; else as those of run.`,
		Example: `  faultline compare nftables-snat --runtime netns,kind
  faultline compare ipvs-ipsec --runtime vm,kind --kernel debian-13`,
		Args:              one("name or file of a scenario", "faultline compare nftables-snat --runtime netns,kind"),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, names []string) error {
			if f.jobs < 1 {
				return fmt.Errorf("--jobs %d: want the number of trials that may run at once", f.jobs)
			}
			return a.compareRuntimes(c.Context(), names[0], runtimes, f)
		},
	}
	c.Flags().StringSliceVar(&runtimes, "runtime", nil, "the runtimes to compare: "+strings.Join(runtimeNames[1:], ", "))
	f.place.addOf(c)
	c.Flags().IntVar(&f.jobs, "jobs", runtime.GOMAXPROCS(0), "trials at once; by default one for each processor")
	f.addChoice(c)
	c.Flags().StringVar(&f.report, "report", "", "directory for the reports, with one below it for each runtime (default build/reports/compare/NAME)")
	return c
}

// comparison is a scenario in several runtimes.
type comparison struct {
	runtimes []string
	flags    []placeFlags // of each
	batches  []batch      // likewise
}

// compareRuntimes runs a scenario in each runtime and compares what it came to.
func (a *app) compareRuntimes(ctx context.Context, name string, runtimes []string, f runFlags) error {
	if err := a.checkCache(); err != nil {
		return usage(err)
	}
	cmp, err := a.prepareComparison(name, runtimes, f)
	if err != nil {
		return usage(err)
	}
	all := cmp.all()
	for i := range all.trials {
		if all.trials[i].journal, err = openReport(all.trials[i].dir); err != nil {
			return err
		}
		defer all.trials[i].journal.Close()
	}
	on := newDigest(a.stdout, a.reportOptions(), all)
	at := placesOf{}
	for i, b := range cmp.batches {
		one := &places{app: a, flags: cmp.flags[i], shared: on.shared}
		for _, p := range b.trials {
			at[p.trial] = one
		}
	}
	err = a.runComparison(ctx, cmp, all, at, f.jobs, on)
	if closed := at.close(); closed != nil {
		return &exit{ExitBroken, errors.Join(closed, err)}
	}
	return err
}

// prepareComparison prepares the trials of a scenario in each runtime, so that bad input is found before anything is built.
func (a *app) prepareComparison(name string, runtimes []string, f runFlags) (comparison, error) {
	c := comparison{runtimes: runtimes}
	if len(runtimes) < 2 {
		return c, errors.New("--runtime: want two runtimes or more to compare, for example --runtime netns,kind")
	}
	for i, rt := range runtimes {
		if !slices.Contains(runtimeNames[1:], rt) {
			return c, fmt.Errorf("--runtime %q: want runtimes of %s", rt, strings.Join(runtimeNames[1:], ", "))
		}
		if slices.Contains(runtimes[:i], rt) {
			return c, fmt.Errorf("--runtime: %s is given twice", rt)
		}
	}
	scenarios, err := readExperiments(name)
	if err != nil {
		return c, err
	}
	dir := f.report
	if dir == "" {
		dir = filepath.Join("build", "reports", "compare", scenarios[0].scenario.Name)
	}
	var wrong []error
	for _, rt := range runtimes {
		f.report = filepath.Join(dir, rt)
		one := f
		one.place = f.place.in(rt, runtimes)
		if err := one.place.check(); err != nil {
			return c, err
		}
		b, err := a.prepareAll([]string{name}, one)
		wrong = append(wrong, err)
		c.flags, c.batches = append(c.flags, one.place), append(c.batches, b)
	}
	return c, errors.Join(wrong...)
}

// in are the flags for one of several runtimes: what another one of them is asked for by is left out.
func (f placeFlags) in(runtime string, all []string) placeFlags {
	f.runtime = runtime
	if runtime != "vm" && slices.Contains(all, "vm") {
		f.kernel, f.modules = "", ""
	}
	if runtime != "kind" && slices.Contains(all, "kind") {
		f.nodeImage, f.keep, f.reuse = "", false, false
	}
	return f
}

// all are the trials of all runtimes, one runtime after the other.
func (c comparison) all() batch {
	all := batch{scenarios: 1}
	for _, b := range c.batches {
		all.trials = append(all.trials, b.trials...)
	}
	return all
}

// runComparison runs the trials and writes the comparison.
func (a *app) runComparison(ctx context.Context, c comparison, all batch, at placer, jobs int, on stage) error {
	ended := a.runAll(ctx, all.trials, at, jobs, on)
	on.close()
	return a.concludeComparison(c, ended)
}

// concludeComparison writes what the trials of all runtimes came to, side by side.
func (a *app) concludeComparison(c comparison, ended []ran) error {
	var columns []report.Column
	var errs []error
	code := ExitOK
	for i, b := range c.batches {
		t := tally(b, ended[:len(b.trials)])
		ended = ended[len(b.trials):]
		columns = append(columns, report.Column{Runtime: c.runtimes[i], Reports: t.reports, NotRun: t.notRun})
		errs, code = append(errs, t.err), verdict.Worse(code, t.code)
	}
	sum := report.Compare(a.stdout, a.reportOptions(), columns)
	switch {
	case sum.Differs > 0:
		code = verdict.Worse(code, ExitUnexpected)
	case sum.Both == 0:
		code = verdict.Worse(code, ExitUnsupported)
	}
	return ending(code, errors.Join(errs...))
}

// placesOf are the places of trials in several runtimes.
type placesOf map[*harness.Trial]*places

func (p placesOf) choose(ctx context.Context, t *harness.Trial) place { return p[t].choose(ctx, t) }

func (p placesOf) open(t *harness.Trial, at place) (lab.Runtime, func()) { return p[t].open(t, at) }

// close gives up all that was used.
func (p placesOf) close() error {
	closed := map[*places]bool{}
	var errs []error
	for _, one := range p {
		if !closed[one] {
			closed[one] = true
			errs = append(errs, one.close())
		}
	}
	return errors.Join(errs...)
}
