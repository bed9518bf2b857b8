package harness

import (
	"time"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// Event is one moment of a trial, in the order in which they happen. The terminal prints them as the story and the
// journal in the report directory keeps them, so that nothing seen is lost when a trial dies.
//
// What follows from the fault comes in parts, which may be carried out side by side: told part by part, by their numbers,
// the events are the story.
type Event struct {
	Time time.Time `json:"time"`
	Kind EventKind `json:"kind"`
	Part int       `json:"part,omitempty"` // counts from 1; 0 is what belongs to no part, or to one that is not known
	// Text is the phase that begins or ends ("build the lab", "fix xfrm-policy-for-services"), the command that ran, the
	// progress line, or the note.
	Text string        `json:"text,omitempty"`
	Says string        `json:"says,omitempty"` // of Began: what the scenario says about the fix
	Took time.Duration `json:"-"`              // of Ended; the journal has it in milliseconds, as "took"
	Err  string        `json:"err,omitempty"`  // of Ended, when the phase could not be carried out
	// Cancelled is set with Err where the person interrupted the phase: the error came of that.
	Cancelled bool               `json:"cancelled,omitempty"`
	Probed    *verdict.Probed    `json:"probed,omitempty"`   // of Probed
	OK        bool               `json:"ok,omitempty"`       // of Probed and Judged: as wanted
	Findings  []evidence.Finding `json:"findings,omitempty"` // of Found
	// Judged carries the name of what is judged in Text.
	Judged *verdict.Judgement `json:"judged,omitempty"`
	Table  *verdict.Table     `json:"table,omitempty"` // of Measured
	// Documents are those that the lab has about itself: of Described.
	Documents []verdict.Document `json:"documents,omitempty"`
}

// EventKind says which fields of an Event are set.
type EventKind string

// The kinds of events.
const (
	Began     EventKind = "began"     // a phase begins
	Progress  EventKind = "progress"  // a line about what a long phase is doing
	Note      EventKind = "note"      // a line that the person must see: why this runtime, what is not verified
	Ran       EventKind = "ran"       // a command of a fix or an undo ran on a node
	Probed    EventKind = "probed"    // a probe was made
	Found     EventKind = "found"     // evidence was taken around a probe
	Judged    EventKind = "judged"    // a verdict fell
	Measured  EventKind = "measured"  // the matrix was asked
	Described EventKind = "described" // the lab has shown its documents
	Ended     EventKind = "ended"     // the phase ended
	Over      EventKind = "over"      // nothing more comes of the part
)
