package qemu

import "strings"

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
