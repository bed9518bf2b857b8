package cli

import (
	"io"
	"sync"
)

// output is standard output. It remembers that something could not be written, so that no command has to look.
type output struct {
	w io.Writer

	mu  sync.Mutex // progress comes from other goroutines
	err error      // the first
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// lost is why something could not be written, or nil.
func (o *output) lost() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
