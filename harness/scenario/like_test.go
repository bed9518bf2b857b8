package scenario

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// alike has a variant whose fixes are like those of the scenario.
var alike = strings.Replace(small, "    leaves: [bits]\n", `    leaves: [bits]
    evidence:
      - {name: first, on: c, netstat: RetransSegs, grows: true}
      - {name: second, on: c, netstat: RetransSegs, grows: true}
`, 1) + `variants:
  - name: plain
  - name: other
    fixes:
      - like: policy
        says: in another way
        leaves: []
        evidence:
          - {name: own, on: b, netstat: RetransSegs, grows: true}
          - {name: first, on: b, netstat: RetransSegs, grows: true}
    inert:
      - {like: nothing, name: another}
`

func TestLike(t *testing.T) {
	s, err := Parse("s.yaml", []byte(alike))
	if err != nil {
		t.Fatal(err)
	}
	each := s.Each()
	if diff := cmp.Diff(s.Fixes, each[0].Fixes); diff != "" || each[0].Fixes[0].Says != "" {
		t.Errorf("the scenario's own fixes were changed: %+v\n%s", s.Fixes, diff)
	}
	if n, m := len(each[1].Fixes), len(each[1].Inert); n != 1 || m != 1 {
		t.Fatalf("the variant has %d fixes and %d inert ones", n, m)
	}
	got := each[1].Fixes[0]
	if got.Name != "policy" || got.Says != "in another way" || len(got.Leaves) != 0 || !cmp.Equal(got.Run, s.Fixes[0].Run) || !cmp.Equal(got.Undo, s.Fixes[0].Undo) {
		t.Errorf("got %+v", got)
	}
	evidence := ""
	for _, e := range got.Evidence {
		evidence += e.Name + " on " + e.On + ", "
	}
	if want := "second on c, own on b, first on b, "; evidence != want {
		t.Errorf("got %s, want %s", evidence, want)
	}
	if got := each[1].Inert[0]; got.Name != "another" || !cmp.Equal(got.Set, s.Inert[0].Set) {
		t.Errorf("got %+v", got)
	}
}

func TestBadLikes(t *testing.T) {
	for _, row := range []struct{ name, old, new, want string }{
		{"no such fix", "like: policy", "like: polcy", "s.yaml:31:15: the scenario has no fix \"polcy\"\n   31 |       - like: polcy\n      |               ^\n  did you mean \"policy\"?"},
		{"an inert fix is none", "like: policy", "like: nothing",
			"s.yaml:31:15: the scenario has no fix \"nothing\"\n   31 |       - like: nothing\n      |               ^\n  one of other probe, policy"},
		{"a fix is no inert one", "like: nothing", "like: policy",
			"s.yaml:38:16: the scenario has no inert fix \"policy\"\n   38 |       - {like: policy, name: another}\n      |                ^\n  it can only be nothing"},
		{"at the top", "  - name: nothing\n", "  - name: nothing\n    like: policy\n",
			"s.yaml:26:5: only a fix of a variant can be like another\n   26 |     like: policy\n      |     ^\n  write it out"},
		{"two ways", "        says: in another way\n", "        set: {x: 1}\n",
			"s.yaml:32:9: the fix has run and set\n   32 |         set: {x: 1}\n      |         ^\n  write exactly one of run, set, probe, together"},
		{"a mistake in what it has from there is told once, where it stands", "undo: [{on: a, cmd: [ip, link]}]", "undo: [{on: a, cmd: []}]",
			"s.yaml:16:25: no command\n   16 |     undo: [{on: a, cmd: []}]\n      |                         ^\n  write the program and its arguments as a list: [ip, link, show]"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := strings.Replace(alike, row.old, row.new, 1)
			if text == alike {
				t.Fatal("the row changes nothing")
			}
			_, err := Parse("s.yaml", []byte(text))
			if err == nil {
				t.Fatal("no error")
			}
			if diff := cmp.Diff(row.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
