package report

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness"
)

func TestTerminalTellsPartsOneAfterTheOther(t *testing.T) {
	at := func(part int, second time.Duration, kind harness.EventKind, text string) harness.Event {
		return harness.Event{Time: began.Add(second * time.Second), Part: part, Kind: kind, Text: text}
	}
	x := green()
	events := []harness.Event{
		at(0, 0, harness.Began, "fault"), at(0, 1, harness.Ended, "fault"),
		at(2, 1, harness.Began, "fix two"), at(1, 1, harness.Began, "fix one"), at(3, 1, harness.Began, "fix three"),
		at(0, 2, harness.Note, "at once"), at(2, 2, harness.Ran, "a: two"), at(3, 2, harness.Ran, "a: three"), at(1, 2, harness.Ran, "a: one"),
		at(2, 3, harness.Ended, "fix two"), at(2, 3, harness.Over, ""), at(1, 4, harness.Ended, "fix one"), at(1, 4, harness.Over, ""),
		at(1, 4, harness.Progress, "too late"), at(5, 4, harness.Began, "fix five"), at(3, 5, harness.Ran, "a: three again"), at(5, 5, harness.Ended, "fix five"),
	}
	want := `    0.0 s  fault
           took 0 ms
    1.0 s  fix one
           note: at once
           run       a: one
           took 0 ms
    1.0 s  fix two
           run       a: two
           took 0 ms
    1.0 s  fix three
           run       a: three
           too late
           run       a: three again
`
	rest := `    4.0 s    fix five
             took 0 ms
`
	for _, row := range []struct {
		name string
		more []harness.Event
		want string
	}{
		{"what is still held back comes at the end", nil, want + rest},
		{"and before what follows from all parts", []harness.Event{at(0, 6, harness.Began, "end")}, want + rest + "    6.0 s    end\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := tellAll(x, append(events, row.more...)...)
			if diff := cmp.Diff(row.want, got[:min(len(row.want), len(got))]); diff != "" {
				t.Error(diff)
			}
		})
	}
}
