package agent

import (
	"context"
	"errors"
	"strings"

	"github.com/faultline-lab/faultline/harness/lab"
)

// failure is an error on the wire: its text, and what the contract of package lab lets a caller ask of it.
type failure struct {
	Text        string                `json:"text"`
	Unsupported bool                  `json:"unsupported,omitempty"` // lab.ErrUnsupported
	Lacks       *lab.UnsupportedError `json:"lacks,omitempty"`
	Exit        *lab.ExitError        `json:"exit,omitempty"`
	Canceled    bool                  `json:"canceled,omitempty"` // context.Canceled
	Deadline    bool                  `json:"deadline,omitempty"` // context.DeadlineExceeded
}

// maxText bounds the text of a failure, in bytes: it has to fit in a packet of 256 KiB, where JSON may write six bytes
// for one. A larger packet ends the connection.
const maxText = 16 << 10

// errClosedLab answers calls on a lab after its Close.
var errClosedLab = errors.New("the lab is closed")

func newFailure(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{
		Text:        clip(err.Error()),
		Unsupported: errors.Is(err, lab.ErrUnsupported),
		Canceled:    errors.Is(err, context.Canceled),
		Deadline:    errors.Is(err, context.DeadlineExceeded),
	}
	errors.As(err, &f.Lacks)
	errors.As(err, &f.Exit)
	return f
}

// err gives the error back: the typed one itself where there was nothing around it. A far end only ever sees its call
// cancelled; where the near end's ctx has ended, its error says why.
func (f *failure) err(ctx context.Context) error {
	if f == nil {
		return nil
	}
	var causes []error
	if f.Lacks != nil {
		causes = append(causes, f.Lacks)
	} else if f.Unsupported {
		causes = append(causes, lab.ErrUnsupported)
	}
	if f.Exit != nil {
		causes = append(causes, f.Exit)
	}
	if f.Canceled && ctx.Err() != nil {
		if f.Text == context.Canceled.Error() {
			return ctx.Err()
		}
		causes = append(causes, ctx.Err())
	} else if f.Canceled {
		causes = append(causes, context.Canceled)
	}
	if f.Deadline {
		causes = append(causes, context.DeadlineExceeded)
	}
	if len(causes) == 1 && causes[0].Error() == f.Text {
		return causes[0]
	}
	return &farError{text: f.Text, causes: causes}
}

// farError is an error that happened at the far end.
type farError struct {
	text   string
	causes []error
}

func (e *farError) Error() string   { return e.text }
func (e *farError) Unwrap() []error { return e.causes }

// clip cuts the middle out of a text that is too long for the wire.
func clip(s string) string {
	if len(s) <= maxText {
		return s
	}
	const mark = " [...] "
	half := (maxText - len(mark)) / 2
	return strings.ToValidUTF8(s[:half], "") + mark + strings.ToValidUTF8(s[len(s)-half:], "")
}
