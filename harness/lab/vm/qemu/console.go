package qemu

import (
	"strings"
	"sync"
)

// tail keeps the last limit bytes written to it.
type tail struct {
	limit int
	mu    sync.Mutex
	b     []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p...)
	if over := len(t.b) - t.limit; over > 0 {
		t.b = append(t.b[:0], t.b[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.b)
}

// lastLines returns at most n lines from the end of a console's text, without carriage returns and other bytes that
// would move a terminal's cursor.
func lastLines(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return -1
		}
		return r
	}, text)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if over := len(lines) - n; over > 0 {
		lines = lines[over:]
	}
	return strings.Join(lines, "\n")
}
