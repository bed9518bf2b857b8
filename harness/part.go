package harness

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// part is a stretch of a trial that is carried out beside others: what it tells, and the phases that it has.
type part struct {
	trial  *Trial
	number int // in the order in which the story is told, from 1; 0 is what the others follow from
	phases []verdict.Phase
}

func (p *part) tell(e Event) {
	e.Part = p.number
	p.trial.tell(e)
}

// phase runs do as a named phase of the part, with its time.
func (p *part) phase(ctx context.Context, name string, do func() error) error {
	return p.phaseThat(ctx, name, "", do)
}

// phaseThat is phase for a fix, with what the scenario says about it.
func (p *part) phaseThat(ctx context.Context, name, says string, do func() error) error {
	start := time.Now()
	p.tell(Event{Kind: Began, Text: name, Says: says})
	err := do()
	end := Event{Kind: Ended, Text: name, Took: time.Since(start), OK: err == nil}
	switch {
	case err == nil:
	case givenUp(ctx):
		end.Err = errGivenUp.Error()
	default:
		end.Err, end.Cancelled = err.Error(), ctx.Err() != nil
	}
	p.phases = append(p.phases, verdict.Phase{Name: name, Took: end.Took})
	p.tell(end)
	return err
}

// busy runs do, which keeps the processors busy, when no more than the place can take do so.
func (t *Trial) busy(ctx context.Context, do func() error) error {
	select {
	case t.builds <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-t.builds }()
	return do()
}

// errGivenUp is the cause of the end of a context that another part's failure ended.
var errGivenUp = errors.New("given up: another part has ended the trial")

func givenUp(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errGivenUp) }

// job is what is to be done in a part, on a lab that has just shown the fault or on one of its own.
type job struct {
	part  *part
	see   func(ctx context.Context, p *part, s *stand) error // the error ends the trial
	judge func()                                             // set by see: what waits until every job is through; may be nil
	own   bool                                               // needs no lab that has shown the fault
	waits int                                                // by what the scenario says
	runs  int                                                // commands and restarts
}

// jobs is what is left to do once the fault has been shown, in the order of the story.
func (t *Trial) jobs() []*job {
	var all []*job
	if t.Scenario.Matrix != nil {
		all = append(all, &job{see: t.measureFirst, waits: math.MaxInt})
	}
	add := func(tried *verdict.Tried, k kind, late bool) {
		j := &job{own: len(tried.Fix.Set) > 0, waits: t.waits(tried.Fix, k), runs: len(tried.Fix.Run) + len(tried.Fix.Undo)}
		j.see = func(ctx context.Context, p *part, s *stand) error {
			j.judge = t.try(ctx, p, s, tried, k)
			if !late && j.judge != nil {
				j.judge()
				j.judge = nil
			}
			return nil
		}
		all = append(all, j)
	}
	for i := range t.out.Fixes {
		if len(t.out.Fixes[i].Fix.Together) == 0 {
			add(&t.out.Fixes[i], documented, false)
		}
	}
	for i := range t.out.Inert {
		add(&t.out.Inert[i], inert, false)
	}
	for i := range t.out.Fixes { // judged by whether their parts are inert alone
		if len(t.out.Fixes[i].Fix.Together) > 0 {
			add(&t.out.Fixes[i], t.together(), true)
		}
	}
	for i, j := range all {
		j.part = &part{trial: t, number: i + 1}
	}
	return all
}

// waits is how often something is waited for under a fix: the answer that an inert fix does not bring, and another symptom
// than the fault's, controls that it breaks, the matrix, whose cells are asked at once and then some one by one, and
// kube-proxies.
func (t *Trial) waits(f scenario.Fix, k kind) int {
	n := len(f.Breaks)
	if k.name == inert.name {
		n++
	}
	if f.Symptom != nil {
		n++
	}
	if slices.Contains(t.Scenario.Matrix.Phases(), f.Name) {
		n += 2
	}
	for _, actions := range [][]scenario.Action{f.Run, f.Undo} {
		if slices.ContainsFunc(actions, func(a scenario.Action) bool { return a.Restart != "" }) {
			n++
		}
	}
	return n
}

// carryOut does all jobs, on as many labs at once as the place has room for. first has shown the fault.
//
// Nothing that is seen on a lab depends on what is done on others, as they share no namespace: side by side or one after
// the other, the record is the same.
func (t *Trial) carryOut(ctx context.Context, first *stand, jobs []*job) error {
	queue := &queue{jobs: slices.Clone(jobs)}
	workers := min(t.labs, len(jobs))
	if workers > 1 {
		queue.longestFirst()
	}
	within, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	var g errgroup.Group
	for i := range workers {
		s, j := first, queue.next() // the matrix is the first stand's
		if i > 0 {
			s = &stand{ahead: t.ahead.nth(i - 1)}
		}
		g.Go(func() error {
			defer s.close()
			for ; j != nil; j = queue.next() {
				if workers > 1 && j.own {
					s.makeRoom() // those that are left need labs of their own, too
				}
				s.part = j.part
				err := j.see(within, j.part, s)
				if j.judge == nil {
					j.part.tell(Event{Kind: Over})
				}
				if err != nil {
					giveUp(errGivenUp)
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	for _, j := range jobs {
		t.out.Phases = append(t.out.Phases, j.part.phases...)
		if j.judge != nil && err == nil {
			j.judge()
			j.part.tell(Event{Kind: Over})
		}
	}
	return err
}

// queue hands out jobs to whoever has time for one.
type queue struct {
	mu   sync.Mutex
	jobs []*job
}

// longestFirst puts what takes long to the front, so that little is waited for at the end: the matrix before anything, and
// what needs a lab of its own at the end.
func (q *queue) longestFirst() {
	last := func(j *job) int {
		if j.own {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(q.jobs, func(a, b *job) int {
		return cmp.Or(last(a)-last(b), b.waits-a.waits, b.runs-a.runs)
	})
}

// next is a job that nobody has begun, or nil.
func (q *queue) next() *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) == 0 {
		return nil
	}
	j := q.jobs[0]
	q.jobs = q.jobs[1:]
	return j
}
