package yamlfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Error is one mistake in a file, with what a person needs to mend it.
type Error struct {
	File    string // name of the file, or "set PATH=VALUE" for a setting
	Line    int    // from 1; 0 for a setting
	Column  int    // from 1, in characters; 0 for a setting
	Excerpt string // the line as it stands in the file; empty for a setting
	Msg     string // what is wrong
	Hint    string // what would be right; may be empty
}

// Error prints the position and what is wrong on the first line, then the excerpt with a caret, then the hint.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Msg + e.hint()
	}
	number := fmt.Sprintf("%5d", e.Line)
	return fmt.Sprintf("%s:%d:%d: %s\n%s | %s\n%s | %s^%s", e.File, e.Line, e.Column, e.Msg,
		number, e.Excerpt, strings.Repeat(" ", len(number)), strings.Repeat(" ", max(e.Column-1, 0)), e.hint())
}

func (e *Error) hint() string {
	if e.Hint == "" {
		return ""
	}
	return "\n  " + e.Hint
}

// Errors is everything that is wrong with a file, by position.
type Errors []*Error

// Error prints all errors, one after the other.
func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "\n")
}

// Sorted returns what is wrong with the settings, which may be the cause of others, then what is wrong with the file by
// position, each once.
func (e Errors) Sorted() Errors {
	sorted := slices.Clone(e)
	slices.SortStableFunc(sorted, func(a, b *Error) int {
		return cmp.Or(
			cmp.Compare(min(a.Line, 1), min(b.Line, 1)),
			cmp.Compare(a.File, b.File),
			cmp.Compare(a.Line, b.Line),
			cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Msg, b.Msg),
		)
	})
	return slices.CompactFunc(sorted, func(a, b *Error) bool { return *a == *b })
}

// Unwrap lets errors.As find each *Error.
func (e Errors) Unwrap() []error {
	all := make([]error, len(e))
	for i, one := range e {
		all[i] = one
	}
	return all
}

// Err returns e as an error, nil if there is none: an empty Errors in an error would not be nil.
func (e Errors) Err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}
