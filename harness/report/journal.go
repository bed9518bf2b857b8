package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// Journal writes events as lines of JSON, their times in milliseconds like those of report.json, each with one write, so that a trial that is killed leaves whole lines of all
// that was seen.
type Journal struct {
	w   io.Writer
	err error
}

// NewJournal returns a Journal that appends to w, unbuffered.
func NewJournal(w io.Writer) *Journal { return &Journal{w: w} }

// Tell appends e. After an error it does nothing: see Err.
func (j *Journal) Tell(e harness.Event) {
	if j.err != nil {
		return
	}
	line, err := json.Marshal(newLine(e))
	if err == nil {
		_, err = j.w.Write(append(line, '\n'))
	}
	if err != nil {
		j.err = fmt.Errorf("write journal: %w", err)
	}
}

// Err returns the error that ended the journal, if any.
func (j *Journal) Err() error { return j.err }

// line is an event as the journal has it: a harness.Event in which every time is in milliseconds. A field here hides the
// one of the same name in the struct that it embeds.
type line struct {
	harness.Event
	Took   int64   `json:"took,omitempty"` // milliseconds
	Probed *probed `json:"probed,omitempty"`
}

type probed struct {
	verdict.Probed
	Probe asked
	Seen  seen
}

type asked struct {
	scenario.Probe
	Timeout int64 `json:"timeout,omitempty"` // milliseconds
}

type seen struct {
	probe.Observation
	Took int64 `json:"took"` // milliseconds
}

func newLine(e harness.Event) line {
	l := line{Event: e, Took: e.Took.Milliseconds()}
	if p := e.Probed; p != nil {
		l.Probed = &probed{*p, asked{p.Probe, p.Probe.Timeout.Milliseconds()}, seen{p.Seen, p.Seen.Took.Milliseconds()}}
	}
	return l
}
