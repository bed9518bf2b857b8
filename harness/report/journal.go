package report

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/faultline-lab/faultline/harness"
)

// Journal writes events as lines of JSON, each with one write, so that a trial that is killed leaves whole lines of all
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
	line, err := json.Marshal(e)
	if err == nil {
		_, err = j.w.Write(append(line, '\n'))
	}
	if err != nil {
		j.err = fmt.Errorf("write journal: %w", err)
	}
}

// Err returns the error that ended the journal, if any.
func (j *Journal) Err() error { return j.err }
