package netns

import (
	"bytes"
	"strings"
	"sync"
)

// outputLimit is how much of the end of a process's output is kept to be quoted, in bytes.
const outputLimit = 16 << 10

// output keeps the end of what a process writes and looks for a line.
type output struct {
	mu    sync.Mutex
	end   []byte
	line  []byte                 // the one being written
	wants func(line string) bool // nil wants none
	found chan struct{}          // closed at the first line that is wanted
}

func newOutput(wants func(string) bool) *output {
	return &output{wants: wants, found: make(chan struct{})}
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end = append(o.end, b...)
	if over := len(o.end) - outputLimit; over > 0 {
		o.end = append(o.end[:0], o.end[over:]...)
	}
	for rest := b; o.wants != nil; {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		o.line = append(o.line, line...)
		if !whole {
			break
		}
		if o.wants(string(o.line)) {
			o.wants = nil
			close(o.found)
		}
		o.line, rest = o.line[:0], after
	}
	return len(b), nil
}

// String is the end of what was written, from the start of a line.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	s := string(o.end)
	if len(s) == outputLimit {
		_, s, _ = strings.Cut(s, "\n")
	}
	return strings.TrimSpace(s)
}
