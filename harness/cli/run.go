package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/report"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

type runFlags struct {
	place  placeFlags
	set    []string
	fixes  []string
	report string
}

func (a *app) run() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run NAME|FILE",
		Short: "Reproduce a scenario's failure, prove its cause and verify every fix",
		Example: `  faultline run ipvs-ipsec
  faultline run ipvs-ipsec --kernel debian-13 --fix iptables-mode
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
	c.Flags().StringArrayVar(&f.fixes, "fix", nil, "try only this fix or inert fix (repeatable)")
	c.Flags().StringVar(&f.report, "report", "", "directory for the report (default build/reports/NAME)")
	return c
}

func (a *app) runScenario(ctx context.Context, name string, f runFlags) error {
	if err := f.place.check(); err != nil {
		return usage(err)
	}
	exp, err := readExperiment(name)
	if err != nil {
		return usage(err)
	}
	if err := supports(exp.scenario, f.place); err != nil {
		return usage(err)
	}
	set, err := settings(f.set)
	if err != nil {
		return err
	}
	if f.place.kubeProxy != "" {
		set["kubeProxy.version"] = f.place.kubeProxy
	}
	trial := &harness.Trial{
		Scenario: exp.scenario,
		Topology: exp.parseTopology,
		Set:      set,
		Only:     f.fixes,
	}
	plans, err := trial.Prepare()
	if err != nil {
		return usage(err)
	}
	dir := f.report
	if dir == "" {
		dir = filepath.Join("build", "reports", exp.scenario.Name)
	}
	if err := errors.Join(directory("--report", dir, true), directory("--cache", a.cache, false)); err != nil {
		return usage(err)
	}
	return a.runTrial(ctx, name, trial, plans, dir, f.place)
}

// supports refuses a runtime that sc does not name. What auto may choose among is narrowed later, with a note.
func supports(sc *scenario.Scenario, place placeFlags) error {
	asked := place.runtime
	if place.kernel != "" {
		asked = "vm"
	}
	if asked == "auto" || slices.Contains(sc.Runtimes, asked) {
		return nil
	}
	return fmt.Errorf("scenario %s does not run in %s: its file names the runtimes %s", sc.Name, asked, strings.Join(sc.Runtimes, ", "))
}

// runTrial runs a prepared trial and leaves its report in dir. The report is written whatever the trial came to; what
// was seen before a kill is in the journal, and no report of an earlier trial is beside it then.
func (a *app) runTrial(ctx context.Context, name string, trial *harness.Trial, plans []harness.Prepared, dir string, place placeFlags) (err error) {
	journal, err := openReport(dir)
	if err != nil {
		return err
	}
	defer journal.Close()
	width, colour := terminal(a.stdout.w)
	screen := report.NewTerminal(a.stdout, report.Options{Width: width, Colour: colour, Verbose: a.verbose})
	log := report.NewJournal(journal)
	var one sync.Mutex // progress comes from other goroutines than the trial's
	trial.Tell = func(e harness.Event) {
		one.Lock()
		defer one.Unlock()
		log.Tell(e)
		screen.Tell(e)
	}

	if only := trial.Scenario.Runtimes; place.runtime == "auto" && len(only) == 1 {
		place.runtime = only[0]
		trial.Note("runtime " + only[0] + ": the scenario names no other")
	}
	rt := a.runtime(ctx, plans, place, trial.Progress, trial.Note)
	defer func() {
		if cerr := rt.Close(); cerr != nil && err == nil {
			err = &exit{ExitBroken, cerr}
		}
	}()
	trial.Runtime = rt
	out, runErr := trial.Run(ctx)
	r := report.New(out, report.Maker{Version: program(), Again: again(name, out, place, trial.Only)})
	if err := report.Write(dir, r); err != nil {
		return &exit{ExitBroken, err}
	}
	if err := log.Err(); err != nil {
		return &exit{ExitBroken, err}
	}
	screen.Close(r, dir)
	if runErr != nil && !out.Cancelled { // of an interrupt the terminal has told
		return fmt.Errorf("%s: %w", trial.Scenario.Name, runErr)
	}
	return verdictError(out)
}

// verdictError turns a trial into the exit code; the terminal has said it all.
func verdictError(out verdict.Trial) error {
	if code := out.ExitCode(); code != ExitOK {
		return &exit{code, errSaid}
	}
	return nil
}
