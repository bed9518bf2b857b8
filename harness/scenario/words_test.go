package scenario

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// large is a scenario with restarts, a fix that is made of inert ones, a look-alike and a matrix.
var large = strings.Replace(small, "inert:\n", `  - name: joined
    together: [one, two]
    leaves: [bits]
inert:
  - name: one
    run: [{on: a, cmd: [one]}]
    undo: [{on: a, cmd: [not-one]}]
  - name: two
    run: [{on: a, restart: kube-proxy}]
    undo: [{on: a, cmd: [not-two]}]
  - name: look-alike
    run: [{on: a, cmd: [x]}]
    undo: [{on: a, cmd: [not-x]}]
    expect: WrongReason
    symptom: {want: refused}
    evidence: [{on: b, xfrm: XfrmInError, grows: true}]
`, 1) + `matrix:
  to: [b, the Service]
  from:
    - {name: a, node: a, to: ["b:80", "web:80"], claims: [works, once-fixed]}
  before: [[delivered, timeout]]
  after:
    - {fix: joined, measured: [[delivered, delivered]]}
    - {fix: one}
  evidence: [{on: a, xfrm: XfrmInNoPols, grows: true}]
`

func TestJoin(t *testing.T) {
	for _, row := range []struct{ name, undo, want string }{
		{"undone the last one first", "", "one, restart; undo not-two, not-one"},
		{"with an undo of its own", "    undo: [{on: a, cmd: [own]}]\n", "one, restart; undo own"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, err := Parse("s.yaml", []byte(strings.Replace(large, "    together: [one, two]\n", "    together: [one, two]\n"+row.undo, 1)))
			if err != nil {
				t.Fatal(err)
			}
			f := s.Fixes[2]
			words := func(list []Action) string {
				var out []string
				for _, a := range list {
					out = append(out, strings.Join(append(a.Cmd, a.Restart), ""))
				}
				return strings.ReplaceAll(strings.Join(out, ", "), KubeProxy, "restart")
			}
			if got := words(f.Run) + "; undo " + words(f.Undo); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// TestRulesOfWords changes one thing in a good file; the row says what the parser has to say about it.
func TestRulesOfWords(t *testing.T) {
	for _, row := range []struct{ name, old, new, want string }{
		{"a restart of something else", "restart: kube-proxy", "restart: kubelet", `29:28: unknown program "kubelet"; only kube-proxy can be restarted`},
		{"a command and a restart", "restart: kube-proxy", "restart: kube-proxy, cmd: [x]", `29:19: an action has a command or a restart; write an action for each`},
		{"a restart on no node", "{on: a, restart: kube-proxy}", "{restart: kube-proxy}", `29:11: no on; name the node that runs the command`},

		{"together with one", "[one, two]", "[one]", `22:15: one fix alone is not together; name two or more, or write run`},
		{"together with an unknown one", "[one, two]", "[one, too]", `22:21: no inert fix "too"; did you mean "two"?`},
		{"together with a documented fix", "[one, two]", "[one, policy]", `22:21: no inert fix "policy"; one of look-alike, nothing, one, two`},
		{"together twice", "[one, two]", "[one, one]", `22:21: one stands here twice`},
		{"together with settings", "[one, two]", "[one, nothing]", `22:21: nothing does not act on the lab that runs; it needs a lab of its own`},
		{"together with another failure", "[one, two]", "[one, look-alike]", `22:21: look-alike is not inert alone but WrongReason`},
		{"together with what stays", "    undo: [{on: a, cmd: [not-two]}]\n", "    noUndo: gone\n", `22:21: two cannot be taken back; give it an undo, or this fix`},
		{"together and commands", "together: [one, two]", "together: [one, two]\n    run: [{on: a, cmd: [x]}]\n    undo: [{on: a, cmd: [x]}]",
			`22:5: the fix has run and together; write exactly one of run, set, probe, together`},
		{"an inert fix of others", "    run: [{on: a, restart: kube-proxy}]\n    undo: [{on: a, cmd: [not-two]}]\n", "    together: [one, nothing]\n",
			`22:21: two does not act on the lab that runs; it needs a lab of its own
29:5: an inert fix cannot be made of others; write exactly one of run, set`},

		{"a kube-proxy that is no release", "needs: {kernel: 5.10}", "needs: {kubeProxy: v1.31.0}",
			`19:24: "v1.31.0" is not a release of kube-proxy; write its first two numbers, "1.31"`},
		{"a symptom of a fix", "    leaves: [bits]\n", "    leaves: [bits]\n    symptom: {want: refused}\n",
			`18:5: only a look-alike with another reason has a symptom of its own; give the inert fix expect: WrongReason, or take it out`},
		{"the fault's symptom", "symptom: {want: refused}", "symptom: {want: timeout}",
			`35:5: one answer can be both "timeout" and the fault's "timeout"; let the outcome differ, or take it out`},
		{"the mended path as a symptom", "symptom: {want: refused}", "symptom: {want: delivered}",
			`35:5: one answer can be both "delivered" and the fault's "delivered by b"; let the outcome differ, or take it out`},

		{"a matrix without columns", "to: [b, the Service]", "to: []", `40:3: no columns; write the heads of the columns
42:30: 2 of 0 columns; write one for each column
42:58: 2 of 0 columns; write one for each column
43:12: 2 of 0 columns; write one for each column
45:32: 2 of 0 columns; write one for each column`},
		{"a row of another length", `to: ["b:80", "web:80"]`, `to: ["b:80"]`, `42:30: 1 of 2 columns; write one for each column`},
		{"a row from nowhere", "{name: a, node: a, to:", "{name: a, to:", `42:7: no node; name the node that asks`},
		{"a target without port", `to: ["b:80", "web:80"]`, `to: ["b:80", "web"]`,
			`42:39: "web" does not name a port; write "node:port", "service:port" or "node@interface:port"`},
		{"an unknown claim", "[works, once-fixed]", "[work, once-fixed]", `42:59: "work" is not a claim; did you mean "works"?`},
		{"a measured row too many", "before: [[delivered, timeout]]", "before: [[delivered, timeout], [delivered, timeout]]", `43:11: 2 of 1 rows; write a list for each row`},
		{"an outcome that is none", "before: [[delivered, timeout]]", "before: [[delivered, lost]]",
			`43:24: "lost" is not an outcome; one of connected-no-data, delivered, refused, reset, timeout, too-big, unreachable`},
		{"after a fix that is none", "{fix: one}", "{fix: ones}", `46:13: no fix or inert fix "ones" that changes the lab; did you mean "one"?`},
		{"after a fix that only asks", "{fix: one}", "{fix: other probe}",
			`46:13: no fix or inert fix "other probe" that changes the lab; one of joined, look-alike, nothing, one, policy, two`},
		{"a timeout out of bounds", "  to: [b, the Service]", "  timeout: -1s\n  to: [b, the Service]", `40:12: a timeout of -1s: it goes from 1s to 1m0s; leave it out for 4s`},
	} {
		t.Run(row.name, func(t *testing.T) {
			src := strings.Replace(large, row.old, row.new, 1)
			if src == large {
				t.Fatal("the row changes nothing")
			}
			_, err := Parse("s.yaml", []byte(src))
			if diff := cmp.Diff(row.want, brief(err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNamesOfWords(t *testing.T) {
	s, err := Parse("s.yaml", []byte(large))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, n := range s.Names() {
		if strings.HasPrefix(n.Path, "inert") || strings.HasPrefix(n.Path, "matrix") || strings.HasPrefix(n.Path, "fixes[2]") {
			lines = append(lines, fmt.Sprintf("%s %s %s", n.Path, n.Kind, n.Name))
		}
	}
	want := `inert[2].evidence[0].on node b
matrix.evidence[0].on node a
inert[0].run[0].on node a
inert[0].undo[0].on node a
inert[1].run[0].on proxy a
inert[1].undo[0].on node a
inert[2].run[0].on node a
inert[2].undo[0].on node a
matrix.from[0].node node a
matrix.from[0].to[0] target b:80
matrix.from[0].to[1] target web:80`
	if diff := cmp.Diff(want, strings.Join(lines, "\n")); diff != "" {
		t.Error(diff)
	}
}
