package evidence

import (
	"fmt"
	"slices"
	"strings"
)

// Judge says whether the readings before and after a probe are what s wants. It judges by the readings alone: what was
// not read is not there.
func (s Spec) Judge(before, after Reading) Finding {
	f := Finding{Spec: s, Before: before, After: after, OK: true}
	q := s.query()
	if q == nil {
		f.OK, f.Why = false, "nothing was read: the evidence has not exactly one kind"
		return f
	}
	var facts []string
	add := func(ok bool, fact, want string) {
		if !ok {
			fact += " (wanted: " + want + ")"
		}
		f.OK = f.OK && ok
		facts = append(facts, fact)
	}
	if !after.Exists && s.needsExistence(q) {
		add(false, "is not there", s.String())
	} else {
		s.judgeNumbers(before, after, add)
		s.judgeContent(after, add)
	}
	if len(facts) == 0 {
		add(false, "has nothing to be judged by", "something")
	}
	f.Why = q.subject() + " " + strings.Join(facts, ", ")
	if shown := q.show(after); after.Exists && shown != "" && len(s.Has)+len(s.Lacks) > 0 {
		f.Why += ": " + shown
	}
	return f
}

// needsExistence reports whether the wants speak of a thing that must be there. A packet that was not seen counts as
// zero packets; a rule that does not exist has no counter that could stay.
func (s Spec) needsExistence(q query) bool {
	if len(s.Has)+len(s.Lacks) > 0 || s.Is != "" {
		return true
	}
	_, absenceIsZero := q.(Packets)
	return (s.Grows != nil || s.Count != nil) && !absenceIsZero
}

func (s Spec) judgeNumbers(before, after Reading, add func(ok bool, fact, want string)) {
	if s.Grows != nil {
		want := "grows"
		if !*s.Grows {
			want = "stays"
		}
		switch by := after.Count - before.Count; {
		case by > 0:
			add(*s.Grows, fmt.Sprintf("grew by %d", by), want)
		case by == 0:
			add(!*s.Grows, fmt.Sprintf("stayed at %d", after.Count), want)
		default: // reset in between: neither of the two can be said
			add(false, fmt.Sprintf("fell from %d to %d", before.Count, after.Count), want)
		}
	}
	if s.Count != nil {
		add(after.Count == *s.Count, fmt.Sprintf("counts %d", after.Count), fmt.Sprintf("count %d", *s.Count))
	}
}

func (s Spec) judgeContent(after Reading, add func(ok bool, fact, want string)) {
	if s.Seen != nil {
		fact, want := "is not there", "seen"
		if after.Exists {
			fact = "is there"
		}
		if !*s.Seen {
			want = "not seen"
		}
		add(after.Exists == *s.Seen, fact, want)
	}
	for _, word := range s.Has {
		if slices.Contains(after.Words, word) {
			add(true, "has "+word, "")
		} else {
			add(false, "lacks "+word, "has "+word)
		}
	}
	for _, word := range s.Lacks {
		if slices.Contains(after.Words, word) {
			add(false, "has "+word, "lacks "+word)
		} else {
			add(true, "lacks "+word, "")
		}
	}
	if s.Is != "" {
		add(after.Value == s.Is, fmt.Sprintf("is %q", after.Value), fmt.Sprintf("is %q", s.Is))
	}
}

// set lists the keys of the wants that are set.
func (w Want) set() []string {
	var keys []string
	for _, k := range []struct {
		key string
		set bool
	}{
		{"grows", w.Grows != nil}, {"count", w.Count != nil}, {"seen", w.Seen != nil},
		{"has", len(w.Has) > 0}, {"lacks", len(w.Lacks) > 0}, {"is", w.Is != ""},
	} {
		if k.set {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// String says what is wanted in a few words: "grows", or "has SRC_NAT, lacks DST_NAT".
func (w Want) String() string {
	var parts []string
	yesNo := func(b *bool, yes, no string) {
		switch {
		case b == nil:
		case *b:
			parts = append(parts, yes)
		default:
			parts = append(parts, no)
		}
	}
	yesNo(w.Grows, "grows", "stays")
	if w.Count != nil {
		parts = append(parts, fmt.Sprintf("count %d", *w.Count))
	}
	yesNo(w.Seen, "seen", "not seen")
	if len(w.Has) > 0 {
		parts = append(parts, "has "+strings.Join(w.Has, " "))
	}
	if len(w.Lacks) > 0 {
		parts = append(parts, "lacks "+strings.Join(w.Lacks, " "))
	}
	if w.Is != "" {
		parts = append(parts, fmt.Sprintf("is %q", w.Is))
	}
	return strings.Join(parts, ", ")
}

// Show is a reading of s in a word or a line, as reports print it for before and after: "7", "bridge", or the conntrack
// entry with its status.
func (s Spec) Show(r Reading) string {
	if q := s.query(); q != nil {
		return q.show(r)
	}
	return ""
}

// absent is how Show says that the thing asked for was not there.
const absent = "none"

func showCount(r Reading) string {
	if !r.Exists {
		return absent
	}
	return fmt.Sprint(r.Count)
}
