package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/report"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// placer says where a trial runs, and gives it its runtime there until done is called. Trials ask at the same time for
// all but choose.
type placer interface {
	choose(ctx context.Context, t *harness.Trial) place
	open(t *harness.Trial, at place) (rt lab.Runtime, done func())
}

// ran is what became of a trial.
type ran struct {
	begun  bool
	report report.Report
	err    error
}

// runTrials runs prepared trials, jobs at a time, and ends with a table of them where there are several.
func (a *app) runTrials(ctx context.Context, b batch, at placer, jobs int, on stage) error {
	began := time.Now()
	all := a.runAll(ctx, b.trials, at, jobs, on)
	on.close()
	var reports []report.Report
	var errs []error
	notRun, code := b.notRun, ExitOK
	for i, r := range all {
		if !r.begun {
			notRun = append(notRun, [2]string{b.trials[i].trial.Scenario.FullName(), "interrupted before"})
			code = verdict.Worse(code, ExitInterrupted) // also where none ran that could have said so
			continue
		}
		reports, errs = append(reports, r.report), append(errs, r.err)
		code = verdict.Worse(code, r.report.ExitCode)
	}
	if len(reports)+len(notRun) > 1 {
		report.Table(a.stdout, a.reportOptions(), reports, notRun)
	}
	if b.scenarios > 1 {
		report.Sum(a.stdout, a.reportOptions(), time.Since(began), reports, notRun)
	}
	if err := errors.Join(errs...); err != nil {
		return &exit{ExitBroken, err}
	}
	if code != ExitOK {
		return &exit{code, errSaid} // the terminal has said it all
	}
	return nil
}

// runAll runs trials and returns what became of each, in their order. They begin in that order too, but that those in
// guests, which take longest, begin first. After an interrupt none begins; the first always does, so that there is a
// report of the interrupt.
func (a *app) runAll(ctx context.Context, trials []prepared, at placer, jobs int, on stage) []ran {
	chosen := make([]place, len(trials))
	var order, light []int
	for i, p := range trials {
		chosen[i] = at.choose(ctx, p.trial)
		if chosen[i].runtime == "netns" {
			light = append(light, i)
		} else {
			order = append(order, i)
		}
	}
	order = append(order, light...)

	all := make([]ran, len(trials))
	free := semaphore.NewWeighted(int64(jobs))
	var running sync.WaitGroup
	for n, i := range order {
		begin := ctx
		if n == 0 {
			begin = context.WithoutCancel(ctx)
		}
		if free.Acquire(begin, 1) != nil {
			break
		}
		running.Go(func() {
			defer free.Release(1)
			all[i] = a.runTrial(ctx, trials[i], at, chosen[i], on.story(i))
			on.ended(i, all[i].report)
		})
	}
	running.Wait()
	return all
}

// runTrial runs a prepared trial and leaves its report in its directory. The report is written whatever the trial came
// to; what was seen before a kill is in the journal, and no report of an earlier trial is beside it then.
func (a *app) runTrial(ctx context.Context, p prepared, at placer, chosen place, story io.Writer) ran {
	trial := p.trial
	screen := report.NewTerminal(story, a.reportOptions())
	log := report.NewJournal(p.journal)
	var one sync.Mutex // progress comes from other goroutines than the trial's
	trial.Tell = func(e harness.Event) {
		one.Lock()
		defer one.Unlock()
		log.Tell(e)
		screen.Tell(e)
	}
	if chosen.why != "" {
		trial.Note(chosen.why)
	}
	rt, done := at.open(trial, chosen)
	defer done()
	trial.Runtime = rt
	out, runErr := trial.Run(ctx)
	r := report.New(out, report.Maker{Version: program(), Again: again(p.name, out, p.flags, trial.Only)})
	if err := report.Write(p.dir, r); err != nil {
		return ran{true, r, err}
	}
	if err := log.Err(); err != nil {
		return ran{true, r, err}
	}
	screen.Close(r, p.dir)
	if runErr != nil && !out.Cancelled { // of an interrupt the terminal has told
		return ran{true, r, fmt.Errorf("%s: %w", trial.Scenario.FullName(), runErr)}
	}
	return ran{true, r, nil}
}
