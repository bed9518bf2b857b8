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
	"github.com/faultline-lab/faultline/harness/report"
	"github.com/faultline-lab/faultline/harness/verdict"
)

type runFlags struct {
	place    placeFlags
	set      []string
	variants []string
	fixes    []string
	report   string
}

func (a *app) run() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run NAME|FILE",
		Short: "Reproduce a scenario's failure, prove its cause and verify every fix",
		Example: `  faultline run ipvs-ipsec
  faultline run ipvs-ipsec --kernel debian-13 --fix iptables-mode
  faultline run nftables-snat --variant globalnet
  faultline run ipvs-ipsec --set kubeProxy.mode=iptables     # without the cause: NotReproduced, exit code 1
  faultline run ./my-failure/scenario.yaml`,
		Args:              one("name or file of a scenario", "faultline run ipvs-ipsec"),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			return a.runScenario(c.Context(), args[0], f)
		},
	}
	f.place.add(c)
	c.Flags().StringArrayVar(&f.set, "set", nil, "a setting of the topology as PATH=VALUE (repeatable)")
	c.Flags().StringArrayVar(&f.variants, "variant", nil, "run only this variant of the scenario (repeatable)")
	c.Flags().StringArrayVar(&f.fixes, "fix", nil, "try only this fix or inert fix (repeatable)")
	c.Flags().StringVar(&f.report, "report", "", "directory for the report, with one below it for each variant (default build/reports/NAME)")
	return c
}

// prepared is a trial that is known to be runnable, with the directory of its report.
type prepared struct {
	trial   *harness.Trial
	dir     string
	journal *os.File // nil before all trials are prepared
}

// runScenario runs a scenario: every variant that it has, or those asked for, one after the other. All of them are
// prepared first, so that bad input is found before anything is built. The exit code is the worst of them.
func (a *app) runScenario(ctx context.Context, name string, f runFlags) error {
	if err := f.place.check(); err != nil {
		return usage(err)
	}
	all, err := readExperiments(name)
	if err != nil {
		return usage(err)
	}
	if all, err = chosen(all, f.variants); err != nil {
		return usage(err)
	}
	all, notRun, err := supported(all, f.place)
	if err != nil {
		return usage(err)
	}
	var trials []prepared
	for _, exp := range all {
		p, err := a.prepare(exp, f)
		if err != nil {
			return usage(err)
		}
		trials = append(trials, p)
	}
	for i := range trials {
		if trials[i].journal, err = openReport(trials[i].dir); err != nil {
			return err
		}
		defer trials[i].journal.Close()
	}
	return a.runTrials(ctx, name, trials, notRun, f.place)
}

// runTrials runs prepared trials of the scenario name, and ends with a table of them where there are several. notRun are
// names of what is left out, with the reason.
func (a *app) runTrials(ctx context.Context, name string, trials []prepared, notRun [][2]string, place placeFlags) error {
	places := &places{app: a, flags: place}
	var reports []report.Report
	code := ExitOK
	for i, p := range trials {
		sc := p.trial.Scenario
		if code == verdict.ExitInterrupted {
			notRun = append(notRun, [2]string{sc.FullName(), "interrupted before"})
			continue
		}
		if sc.Variant != "" {
			report.Heading(a.stdout, a.reportOptions(), sc.FullName(), sc.Says, i == 0)
		}
		r, err := a.runTrial(ctx, name, p, places)
		if err != nil {
			return errors.Join(err, places.close())
		}
		reports = append(reports, r)
		code = verdict.Worse(code, r.ExitCode)
	}
	if len(reports)+len(notRun) > 1 {
		report.Table(a.stdout, a.reportOptions(), reports, notRun)
	}
	if err := places.close(); err != nil {
		return &exit{ExitBroken, err}
	}
	if code != ExitOK {
		return &exit{code, errSaid} // the terminal has said it all
	}
	return nil
}

func (a *app) prepare(exp experiment, f runFlags) (prepared, error) {
	set, err := settings(f.set)
	if err != nil {
		return prepared{}, err
	}
	if f.place.kubeProxy != "" {
		set["kubeProxy.version"] = f.place.kubeProxy
	}
	sc := exp.scenario
	trial := &harness.Trial{Scenario: sc, Topology: exp.parseTopology, Set: set, Only: f.fixes}
	_, err = trial.Prepare()
	if err != nil && sc.Variant != "" {
		err = fmt.Errorf("variant %s: %w", sc.Variant, err)
	}
	dir := f.report
	if dir == "" {
		dir = filepath.Join("build", "reports", sc.Name)
	}
	dir = filepath.Join(dir, sc.Variant)
	return prepared{trial: trial, dir: dir}, errors.Join(err, directory("--report", dir, true), directory("--cache", a.cache, false))
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
			return nil, fmt.Errorf("--variant %s: scenario %s has %s", name, all[0].scenario.Name, strings.Join(have, ", "))
		}
	}
	return kept, nil
}

// supported keeps what runs in the runtime that was asked for: what auto may choose among is narrowed later, with a note.
// Variants that do not are named with the reason, and nothing at all is an error.
func supported(all []experiment, place placeFlags) (kept []experiment, notRun [][2]string, err error) {
	asked := place.runtime
	if place.kernel != "" {
		asked = "vm"
	}
	for _, exp := range all {
		sc := exp.scenario
		if asked == "auto" || slices.Contains(sc.Runtimes, asked) {
			kept = append(kept, exp)
			continue
		}
		why := "its file names the runtimes " + strings.Join(sc.Runtimes, ", ")
		notRun = append(notRun, [2]string{sc.FullName(), why})
		err = fmt.Errorf("scenario %s does not run in %s: %s", sc.FullName(), asked, why)
	}
	if len(kept) > 0 {
		err = nil
	}
	return kept, notRun, err
}

// runTrial runs a prepared trial and leaves its report in its directory. The report is written whatever the trial came
// to; what was seen before a kill is in the journal, and no report of an earlier trial is beside it then.
func (a *app) runTrial(ctx context.Context, name string, p prepared, places *places) (report.Report, error) {
	trial, dir := p.trial, p.dir
	screen := report.NewTerminal(a.stdout, a.reportOptions())
	log := report.NewJournal(p.journal)
	var one sync.Mutex // progress comes from other goroutines than the trial's
	trial.Tell = func(e harness.Event) {
		one.Lock()
		defer one.Unlock()
		log.Tell(e)
		screen.Tell(e)
	}
	trial.Runtime = places.forTrial(ctx, trial)
	out, runErr := trial.Run(ctx)
	r := report.New(out, report.Maker{Version: program(), Again: again(name, out, places.flags, trial.Only)})
	if err := report.Write(dir, r); err != nil {
		return r, &exit{ExitBroken, err}
	}
	if err := log.Err(); err != nil {
		return r, &exit{ExitBroken, err}
	}
	screen.Close(r, dir)
	if runErr != nil && !out.Cancelled { // of an interrupt the terminal has told
		return r, fmt.Errorf("%s: %w", trial.Scenario.FullName(), runErr)
	}
	return r, nil
}

func (a *app) reportOptions() report.Options {
	width, colour := terminal(a.stdout.w)
	return report.Options{Width: width, Colour: colour, Verbose: a.verbose}
}
