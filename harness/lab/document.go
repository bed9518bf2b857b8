package lab

import "context"

// Document is a text about a lab, in the words of what it runs on: for the report.
type Document struct {
	Name string // like that of a file: "services.yaml"
	Says string // what it is, in a few words
	Text string
}

// Describer is a Lab that stands on more than the plan says, and can show it.
type Describer interface {
	// Describe returns the documents about the lab as it is now, and changes nothing. With an error they are those that
	// could be had.
	Describe(ctx context.Context) ([]Document, error)
}

// DescribedError is an error of Up with the documents about what had been built, which is gone when Up returns.
type DescribedError struct {
	Err       error
	Documents []Document
}

func (e *DescribedError) Error() string { return e.Err.Error() }

func (e *DescribedError) Unwrap() error { return e.Err }
