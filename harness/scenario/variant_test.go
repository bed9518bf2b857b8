package scenario

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// varied is small with variants.
const varied = small + variants

const variants = `variants:
  - name: plain
  - name: other
    says: Somewhere else
    topology: three-nodes
    set: {links.0.mtu: 1300, y: 2}
    fault:
      probe: {name: elsewhere, from: a, to: "web:80", want: refused}
      mended: {want: delivered}
      evidence:
        - {on: c, netstat: RetransSegs, grows: true}
        - {name: bits, on: c, conntrack: {to: "c:80", replyTo: b}, seen: true}
  - name: other-vm
    like: other
    set: {y: 3}
    runtimes: [vm]
    controls:
      - {name: the only one, from: a, to: "c:81", want: delivered}
`

func TestEach(t *testing.T) {
	s, err := Parse("s.yaml", []byte(varied))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range s.Each() {
		lines = append(lines, fmt.Sprintf("%s %q %s mtu %s, y %q, %v: %s; %s by %s within %s; %s", v.FullName(), v.Says, v.Topology, v.Set["links.0.mtu"], v.Set["y"], v.Runtimes,
			v.Controls[0].Name, v.Fault.Probe.Name, v.Fault.Probe.Proto, v.Fault.Probe.Timeout, v.Fault.Evidence[0].Name))
	}
	want := `small/plain "" two-nodes mtu 1400, y "", [netns vm]: by address; by Service by tcp within 4s; XfrmInNoPols on a
small/other "Somewhere else" three-nodes mtu 1300, y "2", [netns vm]: by address; elsewhere by tcp within 4s; RetransSegs on c
small/other-vm "" three-nodes mtu 1300, y "3", [vm]: the only one; elsewhere by tcp within 4s; RetransSegs on c`
	if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" {
		t.Error(diff)
	}
	if s.Set["links.0.mtu"] != "1400" || s.Fault.Probe.Name != "by Service" {
		t.Errorf("the scenario itself was changed: %+v", s)
	}
}

func TestEachWithoutVariants(t *testing.T) {
	s, err := Parse("s.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	if each := s.Each(); len(each) != 1 || each[0] != s || s.FullName() != "small" {
		t.Errorf("%d experiments, the first is %s", len(each), each[0].FullName())
	}
}

// TestNamesOfAVariant asks for positions: what a variant has of its own stands there, the rest at the top.
func TestNamesOfAVariant(t *testing.T) {
	s, err := Parse("s.yaml", []byte(varied))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, n := range s.Each()[2].Names() {
		lines = append(lines, fmt.Sprintf("%d %s %s", n.At.Line, n.Path, n.Name))
	}
	for _, want := range []string{
		"41 variants[2].controls[0].to c:81", "31 variants[1].fault.probe.to web:80", "35 variants[1].fault.evidence[1].conntrack.replyTo b", "15 fixes[0].run[0].on a",
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no %q in\n%s", want, strings.Join(lines, "\n"))
		}
	}
}

// TestRulesOfVariants changes one thing in a good file; the row says what the parser has to say about it.
func TestRulesOfVariants(t *testing.T) {
	for _, row := range []struct{ name, old, new, want string }{
		{"no variant", variants, "variants: []\n", `24:1: no variants; take it out where there is but one experiment`},
		{"a variant without a name", "- name: plain", "- says: Plain", `25:5: no name; name the variant: --variant and the report's directory go by its name`},
		{"a name that is no directory", "name: plain", "name: a/b",
			`25:11: "a/b" is not a name for a variant; use small letters, digits, and dots or dashes between them`},
		{"two of one name", "name: plain", "name: other", `26:11: two are called variant "other"; the first is in line 25, give one of them another name`},
		{"like one that does not exist", "like: other", "like: othr", `37:11: no earlier variant is called "othr"; did you mean "other"?`},
		{"like a later one", "- name: plain", "- name: plain\n    like: other", `26:11: no earlier variant is called "other"`},
		{"an unknown runtime", "[vm]", "[mv]", `39:16: unknown runtime "mv"; did you mean "vm"?`},
		{"an empty list of its own", "    runtimes: [vm]", "    fixes: []", `39:5: no fixes; write what mends the fault`},
		{"a fault of its own without evidence", varied[strings.Index(varied, "      evidence:\n        - {on: c"):strings.Index(varied, "  - name: other-vm")], "",
			`31:7: no evidence; write what the kernel shows when the fault has this cause: a symptom alone can have many`},
		{"a shared fix that leaves what a variant's fault has not", "{name: bits, on: c, conn", "{name: bots, on: c, conn",
			`17:14: the fault has no evidence "bits"; did you mean "bots"?`},
		{"a mistake in what all share is told once", "want: timeout}", "want: timeuot}", `8:58: "timeuot" is not an outcome; did you mean "timeout"?`},
		{"what no variant uses", "  - name: plain\n", "  - name: plain\n    topology: t\n", `3:1: every variant has topology of its own, so this is never used; take it out`},
	} {
		t.Run(row.name, func(t *testing.T) {
			src := strings.Replace(varied, row.old, row.new, 1)
			if src == varied {
				t.Fatal("the row changes nothing")
			}
			_, err := Parse("s.yaml", []byte(src))
			if diff := cmp.Diff(row.want, brief(err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatEveryVariantHasNeedNotStandAtTheTop(t *testing.T) {
	src := strings.Replace(varied, "topology: two-nodes\n", "", 1)
	src = strings.Replace(src, "  - name: plain\n", "  - name: plain\n    topology: t\n", 1)
	if _, err := Parse("s.yaml", []byte(src)); err != nil {
		t.Error(err)
	}
}

// TestPartsThatVariantsShare gives variants inert fixes and a matrix of their own: a fix that all share is made of the
// variant's parts, and what a matrix names is looked for in the variant.
func TestPartsThatVariantsShare(t *testing.T) {
	src := large + `variants:
  - name: plain
  - name: other
    inert:
      - {name: one, run: [{on: b, cmd: [other-one]}], undo: [{on: b, cmd: [other-not-one]}]}
      - {name: two, run: [{on: b, cmd: [other-two]}], undo: [{on: b, cmd: [other-not-two]}]}
    matrix:
      to: [b]
      from:
        - {name: c, node: c, to: ["b:81"], claims: [fails]}
      after:
        - {fix: two}
  - {name: like-other, like: other}
`
	s, err := Parse("s.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range s.Each() {
		f := v.Fixes[2]
		lines = append(lines, fmt.Sprintf("%s: %v undo %v; %v within %s", v.Variant, f.Run, f.Undo, v.Matrix.Phases(), v.Matrix.Timeout))
	}
	other := "[{b [other-one]  } {b [other-two]  }] undo [{b [other-not-two]  } {b [other-not-one]  }]; [before two] within 4s"
	want := []string{
		"plain: [{a [one]  } {a []  kube-proxy}] undo [{a [not-two]  } {a [not-one]  }]; [before joined one] within 4s",
		"other: " + other, "like-other: " + other,
	}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Error(diff)
	}
	var names []string
	for _, n := range s.Each()[2].Names() {
		names = append(names, n.Path+" "+n.Name)
	}
	for _, want := range []string{"variants[1].matrix.from[0].to[0] b:81", "variants[1].inert[0].run[0].on b"} {
		if !slices.Contains(names, want) {
			t.Errorf("no %q in\n%s", want, strings.Join(names, "\n"))
		}
	}
	_, err = Parse("s.yaml", []byte(strings.Replace(src, "{fix: two}", "{fix: look-alike}", 1)))
	if want := `59:17: no fix or inert fix "look-alike" that changes the lab; one of joined, one, policy, two`; brief(err) != want {
		t.Errorf("got %s, want %s", brief(err), want)
	}
}
