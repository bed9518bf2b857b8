package cli

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/faultline-lab/faultline/harness/report"
)

// stage is where the stories of trials are told that run at the same time.
type stage interface {
	// story is where trial number i tells its story. It is asked for once, before the trial begins.
	story(i int) io.Writer
	// ended says that trial number i has told its story.
	ended(i int, r report.Report)
	// shared tells what one trial does and others wait for. That trial has it in its story too.
	shared(line string)
	// close tells what is still held back. No trial runs any more.
	close()
}

// stories are held back until their turn comes.
type stories struct {
	w       io.Writer
	options report.Options
	trials  []prepared

	mu   sync.Mutex
	turn int // the story that is told as it happens, or none
	each []*story
}

// story is one of stories. What is written after its end is lost.
type story struct {
	all    *stories
	number int
	held   bytes.Buffer
	ended  bool
}

const none = -1

func newStories(w io.Writer, o report.Options, trials []prepared, turn int) stories {
	return stories{w: w, options: o, trials: trials, turn: turn, each: make([]*story, len(trials))}
}

func (s *story) Write(p []byte) (int, error) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	switch {
	case s.ended:
		return len(p), nil
	case s.number == s.all.turn:
		return s.all.w.Write(p)
	}
	return s.held.Write(p)
}

// flush tells what is held back; mu is held.
func (s *story) flush() {
	_, _ = s.held.WriteTo(s.all.w) // output keeps the error
}

// begin is the story of trial number i, with the heading of a variant. first says that nothing stands before it.
func (s *stories) begin(i int, first bool) *story {
	s.mu.Lock()
	one := &story{all: s, number: i}
	s.each[i] = one
	s.mu.Unlock()
	if sc := s.trials[i].trial.Scenario; sc.Variant != "" {
		report.Heading(one, s.options, sc.FullName(), sc.Says, first)
	}
	return one
}

// turns has stories read one after the other, in the order of the trials: one is told as it happens, those behind it
// are held back until it has ended.
type turns struct{ stories }

func newTurns(w io.Writer, o report.Options, trials []prepared) *turns {
	return &turns{newStories(w, o, trials, 0)}
}

func (t *turns) story(i int) io.Writer { return t.begin(i, i == 0) }

func (t *turns) ended(i int, _ report.Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.each[i].ended = true
	for t.turn < len(t.each) && t.each[t.turn] != nil && t.each[t.turn].ended {
		t.turn++
		if t.turn < len(t.each) && t.each[t.turn] != nil {
			t.each[t.turn].flush()
		}
	}
}

func (t *turns) shared(string) {}

func (t *turns) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.each[min(t.turn, len(t.each)):] { // one before them never began
		if s != nil {
			s.flush()
		}
	}
}

// digest has a line for each trial, as it ends. The story of one that is not as documented stands below its line.
type digest struct {
	stories
	began time.Time
	said  []string
	apart bool // a story stands above
}

func newDigest(w io.Writer, o report.Options, b batch) *digest {
	d := &digest{stories: newStories(w, o, b.trials, none), began: time.Now()}
	of := "a scenario"
	if b.scenarios > 1 {
		of = fmt.Sprintf("%d scenarios", b.scenarios)
	}
	report.Aside(w, 0, fmt.Sprintf("%d trials of %s; the story of each is in its report", len(b.trials), of))
	return d
}

func (d *digest) story(i int) io.Writer { return d.begin(i, true) }

func (d *digest) ended(i int, r report.Report) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.each[i].ended = true
	d.space()
	report.Line(d.w, d.options, time.Since(d.began), r)
	if !r.Expected || d.options.Verbose {
		fmt.Fprintln(d.w)
		d.each[i].flush()
		d.apart = true
	}
	d.each[i].held = bytes.Buffer{}
}

func (d *digest) shared(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.said, line) {
		d.said = append(d.said, line)
		d.space()
		report.Aside(d.w, time.Since(d.began), line)
	}
}

// space keeps a line apart from a story above it; mu is held.
func (d *digest) space() {
	if d.apart {
		fmt.Fprintln(d.w)
	}
	d.apart = false
}

func (d *digest) close() {}
