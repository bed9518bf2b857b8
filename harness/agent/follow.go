package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// event waits for "started" or "ended" and returns what it says.
func (x *exchange) event(ctx context.Context) (reply, error) {
	var a reply
	r, ok := <-x.requests
	if !ok {
		return a, x.failed(ctx)
	}
	if err := json.Unmarshal(r.Payload, &a); err != nil {
		return a, fmt.Errorf("decode %s: %w", r.Type, err)
	}
	return a, a.Failure.err(ctx)
}

// follow passes on what a process writes and returns how it ended, once all of its output was written.
func (x *exchange) follow(ctx context.Context, stdin *source, stdout, stderr io.Writer) error {
	var out, errOut error
	var copies sync.WaitGroup
	copies.Go(func() { out = drain(stdout, x) })
	copies.Go(func() { errOut = drain(stderr, x.Stderr()) })
	copies.Wait() // the far end closes the channel after "ended"
	_, err := x.event(ctx)
	if err != nil {
		return err
	}
	if out = errors.Join(out, errOut); out != nil {
		out = fmt.Errorf("write output: %w", out)
	}
	return errors.Join(stdin.err(), out)
}

// drain copies until the end of from. Where to takes no more, or is nil, the rest is read all the same: output that
// nobody reads would hold the process up.
func drain(to io.Writer, from io.Reader) error {
	if to == nil {
		to = io.Discard
	}
	_, err := io.Copy(to, from)
	if err != nil {
		_, _ = io.Copy(io.Discard, from)
	}
	return err
}

// source is the standard input of a process.
type source struct {
	from   io.Reader
	failed atomic.Pointer[error]
}

// Read keeps an error that is not the end of the input.
func (s *source) Read(b []byte) (int, error) {
	n, err := s.from.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.failed.Store(&err)
	}
	return n, err
}

// pour copies the input to the process until it ends, or the process does.
func (s *source) pour(x *exchange) {
	_, _ = io.Copy(x, s)
	_ = x.CloseWrite()
}

// err is non-nil when the process saw an end of input that was none.
func (s *source) err() error {
	if s == nil {
		return nil
	}
	if err := s.failed.Load(); err != nil {
		return fmt.Errorf("read input: %w", *err)
	}
	return nil
}
