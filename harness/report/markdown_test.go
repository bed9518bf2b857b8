package report

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// What stands under a fix says whether it is good, because "yes" under one fix is what "no" is under another.
func TestSignOfTheFault(t *testing.T) {
	leaves := Fix{Leaves: []string{"entry"}}
	for _, row := range []struct {
		name string
		word func(Evidence) string
		ok   bool
		want string
	}{
		{"taken away", Fix{}.mended, false, "gone"},
		{"not taken away", Fix{}.mended, true, "STILL THERE"},
		{"left, as documented", leaves.mended, true, "still there, as documented (the fix leaves it)"},
		{"taken away, though documented to be left", leaves.mended, false, "GONE, though the fix is documented to leave it"},
		{"left by an inert fix", Fix{}.left, true, "still there"},
		{"taken away by an inert fix", Fix{}.left, false, "GONE"},
		{"taken away by a look-alike that is documented to", Fix{Expected: true}.left, false, "gone, as documented"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.word(Evidence{Name: "entry", OK: row.ok}); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// A person who has the report alone can do what a fix does.
func TestAFixIsToldWhateverItsKind(t *testing.T) {
	var m markdown
	m.change(Fix{
		Run:    []Command{{On: "cloud", Cmd: []string{"sysctl", "-w", "a b=1"}}},
		Set:    Settings{"kubeProxy.mode": "iptables", "kubeProxy.flags": "[-v=2]"},
		Asks:   "by pod IP: cloud to edge-pod:8080, wanted delivered",
		NoUndo: "the flow is gone",
	})
	want := `Run:

    cloud# sysctl -w 'a b=1'

Set, in a lab of its own:

    kubeProxy.flags=[-v=2]
    kubeProxy.mode=iptables

Ask instead: by pod IP: cloud to edge-pod:8080, wanted delivered.

Undo: none, the flow is gone.
`
	if diff := cmp.Diff(want, m.String()); diff != "" {
		t.Error(diff)
	}
}

func TestAfterTheUndo(t *testing.T) {
	back, seen := verdict.Reproduced, &Probe{}
	for _, row := range []struct {
		name string
		fix  Fix
		want string
	}{
		{"it was undone", Fix{Undone: &back, Probe: seen}, "Reproduced"},
		{"by settings", Fix{Set: Settings{"a": "b"}, Probe: seen}, "a lab of its own"},
		{"by another probe", Fix{Asks: "x", Probe: seen}, "nothing to undo"},
		{"it cannot be undone", Fix{NoUndo: "the flow is gone", Probe: seen}, "no undo"},
		{"it was not tried", Fix{Set: Settings{"a": "b"}}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := row.fix.undone(); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// A short document can be read at once, a long one is folded.
func TestLongDocumentsAreFolded(t *testing.T) {
	r := New(trial(), maker)
	for lines, folded := range map[int]bool{atOnce: false, atOnce + 1: true} {
		r.Documents[0].Text = strings.Repeat("kind: Service\n", lines)
		r.Documents[0].Says = "the nodes <of all>"
		text := string(Markdown(r))
		if got := strings.Contains(text, "<details><summary>nodes.yaml: the nodes &lt;of all&gt;</summary>\n"); got != folded || strings.Contains(text, "</details>") != folded {
			t.Errorf("%d lines are folded: %v", lines, got)
		}
		if got := strings.Count(text, "\n    kind: Service"); got != lines {
			t.Errorf("%d of %d lines are there", got, lines)
		}
	}
}
