package evidence

import "strings"

// Answers reports whether s is asked, with addresses for names and the probe's flow filled in: the same evidence, on the
// same node, judged by the same wants.
func (s Spec) Answers(asked Spec) bool {
	return s.Title() == asked.Title() && s.On == asked.On && s.Kind() == asked.Kind() &&
		equal(s.Grows, asked.Grows) && equal(s.Count, asked.Count) && equal(s.Seen, asked.Seen) && s.Is == asked.Is &&
		sameWords(s.Has, asked.Has) && sameWords(s.Lacks, asked.Lacks)
}

func equal[T comparable](a, b *T) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

// sameWords compares words; one that names a place, "web:80", may have become an address.
func sameWords(resolved, asked []string) bool {
	if len(resolved) != len(asked) {
		return false
	}
	for i, word := range asked {
		if resolved[i] != word && !strings.Contains(word, ":") {
			return false
		}
	}
	return true
}
