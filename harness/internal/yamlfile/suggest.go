package yamlfile

import (
	"slices"
	"strconv"
	"strings"
)

// Suggest returns the hint for a word that is none of known: "did you mean ...?" where one is close, else the list of
// them. It is empty if known is.
func Suggest(word string, known []string) string {
	if near := nearest(word, known); near != "" {
		return "did you mean " + strconv.Quote(near) + "?"
	}
	return OneOf(known)
}

// OneOf returns the hint that lists known, sorted, or an empty one if there are none or too many to read.
func OneOf(known []string) string {
	sorted := slices.Compact(slices.Sorted(slices.Values(known)))
	sorted = slices.DeleteFunc(sorted, func(k string) bool { return k == "" })
	switch {
	case len(sorted) == 0 || len(sorted) > 24:
		return ""
	case len(sorted) == 1:
		return "it can only be " + sorted[0]
	}
	return "one of " + strings.Join(sorted, ", ")
}

// nearest returns the known word closest to word, the first in order among equals, or "" if none is near enough.
func nearest(word string, known []string) string {
	best, bestDistance := "", 1+max(1, len([]rune(word))/3)
	for _, k := range slices.Sorted(slices.Values(known)) {
		d := distance([]rune(strings.ToLower(word)), []rune(strings.ToLower(k)))
		if d < bestDistance && d < len([]rune(k)) {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of neighbours that turn a into b.
func distance(a, b []rune) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
