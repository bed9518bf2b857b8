// Package read takes the readings that evidence is judged by: it is the only part of evidence that looks at a kernel.
//
// In: evidence.Requests on standard input, in a process inside the node's network namespace. Out: a Batch for each. It
// changes nothing in the node, never judges, and never answers with an empty reading for something that it could not
// read: that is the Batch's Error.
package read

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// reader takes the readings for one Spec.
type reader interface {
	// before takes the reading before the probe. What must watch the probe runs when it returns.
	before(evidence.Spec) (evidence.Reading, error)
	// after takes the reading after the probe. The Spec is the one that the reader was made for, with what is known of
	// the probe's flow filled in.
	after(evidence.Spec) (evidence.Reading, error)
	// close ends what before started. It is called once, also after an error.
	close() error
}

// newReader makes the reader for a kind; nothing is read yet.
func newReader(kind string) (reader, error) {
	switch kind {
	case "xfrm":
		return same(readXfrm), nil
	case "netstat":
		return same(readNetstat), nil
	case "nfacct":
		return same(readNfacct), nil
	case "sysctl":
		return same(readSysctl), nil
	case "rule":
		return same(readRule), nil
	case "ipvs":
		return same(readIPVS), nil
	case "conntrack":
		return &flows{}, nil
	case "packets":
		return &capture{}, nil
	}
	return nil, fmt.Errorf("no reader for evidence of kind %q", kind)
}

// lacking is the error about what this kernel does not have, so that nothing can be said of what it would show.
type lacking struct{ error }

func lacks(format string, args ...any) error { return &lacking{fmt.Errorf(format, args...)} }

// same is a reader that looks the same way before and after the probe and keeps nothing in between.
type same func(evidence.Spec) (evidence.Reading, error)

func (f same) before(s evidence.Spec) (evidence.Reading, error) { return f(s) }
func (f same) after(s evidence.Spec) (evidence.Reading, error)  { return f(s) }
func (same) close() error                                       { return nil }

// Main answers Requests on stdin with Batches on stdout until end of file, as the comment on evidence.Request says. Its
// error is about the two streams.
func Main(stdin io.Reader, stdout io.Writer) error {
	in, out := json.NewDecoder(stdin), json.NewEncoder(stdout)
	in.DisallowUnknownFields()
	var p *pair
	defer func() { _ = p.close() }() // a pair that was broken off
	for {
		var request evidence.Request
		if err := in.Decode(&request); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read evidence request: %w", err)
		}
		var readings []evidence.Reading
		var err error
		if p == nil {
			p = &pair{}
			readings, err = p.before(request.Specs)
			if err != nil {
				err = errors.Join(err, p.close())
				p = nil
			}
		} else {
			readings, err = p.after(request.Specs)
			err = errors.Join(err, p.close())
			p = nil
		}
		batch := evidence.Batch{Readings: readings}
		if err != nil {
			var lacks *lacking
			batch = evidence.Batch{Error: err.Error(), Lacks: errors.As(err, &lacks)}
		}
		if err := out.Encode(batch); err != nil {
			return fmt.Errorf("write evidence batch: %w", err)
		}
	}
}
