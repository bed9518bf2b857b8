package verdict

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/scenario"
)

// documented says of a judgement whether it is the one that the scenario names for the fix, where it names one. The
// symptom must then be the one it names, if any, the fix's own evidence must be there, and exactly the controls must have broken that it is documented to break, or
// the verdict came about in another way than the documented one.
func documented(f scenario.Fix, seen FixSeen, j Judgement) Judgement {
	if f.Expect == "" {
		return j
	}
	j.Expected = false
	if j.Verdict != Verdict(f.Expect) {
		j.Why += "; documented is " + f.Expect
		return j
	}
	if f.Symptom != nil && !another(f, seen) {
		j.Why += fmt.Sprintf("; documented is the symptom %q", *f.Symptom)
		return j
	}
	if missing := failing(seen.Own); len(missing) > 0 {
		j.Why += "; the evidence that it is documented with is not there: " + reasons(missing)
		return j
	}
	if broke := broken(seen.Controls).names(); !sameNames(broke, f.Breaks) {
		j.Why += fmt.Sprintf("; documented is that it breaks %s, it broke %s", quoted(f.Breaks), quoted(broke))
		return j
	}
	j.Expected = true
	return j
}

// another says whether what was seen is the other failure that a look-alike documents.
func another(f scenario.Fix, seen FixSeen) bool {
	if f.Symptom == nil {
		return false
	}
	other := seen.Symptom
	other.Wanted, other.Sources = *f.Symptom, nil
	met, _ := other.Met()
	return met
}

// ownWords says what shows the reason of a look-alike.
func ownWords(seen FixSeen) string {
	if len(seen.Own) == 0 || len(failing(seen.Own)) > 0 {
		return ""
	}
	return ", with the evidence: " + reasons(seen.Own)
}

// withoutUndo adds to a judgement on what was seen why the fix was not taken back, where it says so.
func withoutUndo(f scenario.Fix, j Judgement) Judgement {
	if f.NoUndo != "" && j.Verdict != BrokenLab {
		j.Why += "; not undone: " + f.NoUndo
	}
	return j
}

// Broken names the controls that did not hold, in the scenario's order.
func Broken(controls []Probed) []string { return broken(controls).names() }

// brokenControls are controls that did not hold.
type brokenControls []brokenControl

type brokenControl Probed

func (c brokenControl) why() (name, why string) {
	_, why = Probed(c).Met()
	return c.Probe.Name, why
}

func broken(controls []Probed) brokenControls {
	var list brokenControls
	for _, c := range controls {
		if ok, _ := c.Met(); !ok {
			list = append(list, brokenControl(c))
		}
	}
	return list
}

func (list brokenControls) names() []string {
	var names []string
	for _, c := range list {
		names = append(names, c.Probe.Name)
	}
	return names
}

// String tells which controls broke, and how.
func (list brokenControls) String() string {
	var words []string
	for _, c := range list {
		name, why := c.why()
		words = append(words, fmt.Sprintf("control %q broke: %s", name, why))
	}
	return strings.Join(words, "; ")
}

// sameNames compares names in any order.
func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

func quoted(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = fmt.Sprintf("%q", n)
	}
	return strings.Join(list, ", ")
}
