package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/report"
	"github.com/faultline-lab/faultline/scenarios"
)

type runFlags struct {
	place    placeFlags
	all      bool
	jobs     int
	set      []string
	variants []string
	fixes    []string
	report   string
}

func (a *app) run() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run NAME|FILE... | --all",
		Short: "Reproduce scenarios' failures, prove their causes and verify every fix",
		Long: `Reproduce the failures of scenarios, prove their causes and verify every fix. A scenario goes by its name, by the path of its
file, or by that of a directory with a scenario.yaml.

Of one scenario the story is told as it happens, variant after variant. Of several, a line says how each trial ended, and
the story is told where that is not as documented (with -v: always); a table of all stands at the end. Trials run at the
same time: most of their time is spent in waiting.`,
		Example: `  faultline run ipvs-ipsec
  faultline run ipvs-ipsec --kernel debian-13 --fix iptables-mode
  faultline run nftables-snat --variant globalnet
  faultline run ipvs-ipsec --set kubeProxy.mode=iptables     # without the cause: NotReproduced, exit code 1
  faultline run ./my-failure/scenario.yaml
  faultline run --all                                        # every scenario that the binary carries`,
		Args: func(_ *cobra.Command, names []string) error {
			const example = ", for example: faultline run ipvs-ipsec"
			switch {
			case f.all && len(names) > 0:
				return errors.New("--all runs every scenario that the binary carries: name none beside it")
			case !f.all && len(names) == 0, slices.Contains(names, ""):
				return errors.New("run wants names or files of scenarios, or --all" + example)
			case f.jobs < 1:
				return fmt.Errorf("--jobs %d: want the number of trials that may run at once", f.jobs)
			}
			return nil
		},
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, names []string) error {
			if f.all {
				names = scenarios.List()
			}
			return a.runScenarios(c.Context(), names, f)
		},
	}
	f.place.add(c)
	c.Flags().BoolVar(&f.all, "all", false, "run every scenario that the binary carries")
	c.Flags().IntVar(&f.jobs, "jobs", runtime.GOMAXPROCS(0), "trials at once; by default one for each processor")
	f.addChoice(c)
	c.Flags().StringVar(&f.report, "report", "", "directory for the report, with one below it for each scenario, if there are several, and each variant (default build/reports/NAME)")
	return c
}

// addChoice adds what is run of a scenario, and with which settings.
func (f *runFlags) addChoice(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.set, "set", nil, "a setting of the topology as PATH=VALUE (repeatable)")
	c.Flags().StringArrayVar(&f.variants, "variant", nil, "run only this variant of the scenario (repeatable)")
	c.Flags().StringArrayVar(&f.fixes, "fix", nil, "try only this fix or inert fix (repeatable)")
}

// prepared is a trial that is known to be runnable, with the directory of its report.
type prepared struct {
	name    string // of the scenario, as it stands on the command line
	flags   placeFlags
	trial   *harness.Trial
	dir     string
	journal *os.File // nil before all trials are prepared
}

// batch is what one command line asks for: trials of one scenario or of several, in the order of the command line and of
// the files.
type batch struct {
	trials    []prepared
	notRun    [][2]string // names of what is left out, with the reason
	scenarios int         // how many were named
}

// runScenarios runs scenarios: of each every variant that it has, or those asked for. All of them are prepared first, so
// that bad input is found before anything is built. The exit code is the worst of them.
func (a *app) runScenarios(ctx context.Context, names []string, f runFlags) error {
	if err := errors.Join(f.place.check(), a.checkCache()); err != nil {
		return usage(err)
	}
	b, err := a.prepareAll(names, f)
	if err != nil {
		return usage(err)
	}
	for i := range b.trials {
		if b.trials[i].journal, err = openReport(b.trials[i].dir); err != nil {
			return err
		}
		defer b.trials[i].journal.Close()
	}
	on := a.stage(b)
	places := &places{app: a, flags: f.place, shared: on.shared}
	err = a.runTrials(ctx, b, places, f.jobs, on)
	if closed := places.close(); closed != nil {
		return &exit{ExitBroken, errors.Join(closed, err)}
	}
	return err
}

// stage is a digest for several scenarios, and the story for one.
func (a *app) stage(b batch) stage {
	if b.scenarios > 1 {
		return newDigest(a.stdout, a.reportOptions(), b)
	}
	return newTurns(a.stdout, a.reportOptions(), b.trials)
}

// prepareAll prepares the trials of all scenarios, and says of each what is wrong with it.
func (a *app) prepareAll(names []string, f runFlags) (batch, error) {
	set, err := settings(f.set)
	if err != nil {
		return batch{}, err
	}
	b := batch{scenarios: len(names)}
	named := map[string]string{} // what was named, by the scenarios' own names
	var wrong []error
	for _, name := range names {
		all, err := readExperiments(name)
		if err == nil {
			all, err = chosen(all, f.variants)
		}
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		own := all[0].scenario.Name
		if before, twice := named[own]; twice {
			wrong = append(wrong, fmt.Errorf("%s and %s are both the scenario %s, and would write to one report: run them one by one", before, name, own))
			continue
		}
		named[own] = name
		all, notRun := supported(all, f.place)
		trials, err := prepareScenario(name, all, f, set, len(names) > 1)
		if err != nil {
			wrong = append(wrong, err)
		}
		b.trials, b.notRun = append(b.trials, trials...), append(b.notRun, notRun...)
	}
	if len(wrong) == 0 && len(b.trials) == 0 {
		for _, n := range b.notRun {
			wrong = append(wrong, fmt.Errorf("scenario %s does not run in %s: %s", n[0], f.place.asked(), n[1]))
		}
	}
	return b, errors.Join(wrong...)
}

// prepareScenario prepares the trials of a scenario, which is one of several or alone.
func prepareScenario(name string, all []experiment, f runFlags, set map[string]string, several bool) ([]prepared, error) {
	var trials []prepared
	for _, exp := range all {
		p, err := prepare(exp, f, set, several)
		if err != nil {
			return nil, err
		}
		p.name, p.flags = name, f.place
		trials = append(trials, p)
	}
	return trials, nil
}

func prepare(exp experiment, f runFlags, given map[string]string, several bool) (prepared, error) {
	set := maps.Clone(given)
	if f.place.kubeProxy != "" {
		set["kubeProxy.version"] = f.place.kubeProxy
	}
	sc := exp.scenario
	trial := &harness.Trial{Scenario: sc, Topology: exp.parseTopology, Set: set, Only: f.fixes}
	_, err := trial.Prepare()
	switch {
	case err != nil && several:
		err = fmt.Errorf("scenario %s: %w", sc.FullName(), err)
	case err != nil && sc.Variant != "":
		err = fmt.Errorf("variant %s: %w", sc.Variant, err)
	}
	dir := f.report
	if dir == "" {
		dir = filepath.Join("build", "reports", sc.Name)
	} else if several {
		dir = filepath.Join(dir, sc.Name)
	}
	dir = filepath.Join(dir, sc.Variant)
	return prepared{trial: trial, dir: dir}, errors.Join(err, directory("--report", dir, true))
}

// chosen keeps the variants of those names, in the scenario's order; without names it keeps all.
func chosen(all []experiment, names []string) ([]experiment, error) {
	if len(names) == 0 {
		return all, nil
	}
	var kept []experiment
	var have []string
	for _, exp := range all {
		if exp.scenario.Variant == "" {
			return nil, fmt.Errorf("--variant: scenario %s has no variants", exp.scenario.Name)
		}
		have = append(have, exp.scenario.Variant)
		if slices.Contains(names, exp.scenario.Variant) {
			kept = append(kept, exp)
		}
	}
	for _, name := range names {
		if !slices.Contains(have, name) {
			return nil, fmt.Errorf("--variant %s: scenario %s has no such variant: %s", name, all[0].scenario.Name, yamlfile.Suggest(name, have))
		}
	}
	return kept, nil
}

// supported keeps what runs in the runtime that was asked for: what auto may choose among is narrowed later, with a note.
// The rest is named with the reason.
func supported(all []experiment, place placeFlags) (kept []experiment, notRun [][2]string) {
	asked := place.asked()
	for _, exp := range all {
		sc := exp.scenario
		if asked == "auto" || slices.Contains(sc.Runtimes, asked) {
			kept = append(kept, exp)
			continue
		}
		notRun = append(notRun, [2]string{sc.FullName(), "its file names the runtimes " + strings.Join(sc.Runtimes, ", ")})
	}
	return kept, notRun
}

func (a *app) reportOptions() report.Options {
	width, colour := terminal(a.stdout.w)
	return report.Options{Width: width, Colour: colour, Verbose: a.verbose}
}
