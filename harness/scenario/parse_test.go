package scenario

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/probe"
)

const small = `scenario: small
title: A client cannot ask
topology: two-nodes
set: {kubeProxy.mode: ipvs, links.0.mtu: 1400, x.on: true}
controls:
  - {name: by address, from: a, to: "b:80", want: delivered, peer: b, source: a}
fault:
  probe: {name: by Service, from: a, to: "web:80", want: timeout}
  mended: {want: delivered, peer: b}
  evidence:
    - {on: a, xfrm: XfrmInNoPols, grows: true}
    - {name: bits, on: a, conntrack: {to: "web:80"}, lacks: [DST_NAT]}
fixes:
  - name: policy
    run: [{on: a, cmd: [ip, link]}]
    undo: [{on: a, cmd: [ip, link]}]
    leaves: [bits]
  - name: other probe
    needs: {kernel: 5.10}
    probe: {name: asked otherwise, from: b, to: "web:80", proto: tcp, timeout: 1500ms, want: delivered, peer: b}
inert:
  - name: nothing
    set: {a.b: 1}
`

func TestParse(t *testing.T) {
	got, err := Parse("small.yaml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	grows := true
	want := &Scenario{
		Name: "small", Title: "A client cannot ask", Topology: "two-nodes",
		Set:      map[string]string{"kubeProxy.mode": "ipvs", "links.0.mtu": "1400", "x.on": "true"},
		Runtimes: []string{"netns", "vm"},
		Controls: []Probe{{Name: "by address", From: "a", To: "b:80", Proto: "tcp", Timeout: probe.DefaultTimeout,
			Expectation: Expectation{Want: probe.Delivered, Peer: "b", Source: "a"}}},
		Fault: Fault{
			Probe: Probe{Name: "by Service", From: "a", To: "web:80", Proto: "tcp", Timeout: probe.DefaultTimeout,
				Expectation: Expectation{Want: probe.Timeout}},
			Mended: Expectation{Want: probe.Delivered, Peer: "b"},
			Evidence: []evidence.Spec{
				{Name: "XfrmInNoPols on a", On: "a", Xfrm: "XfrmInNoPols", Want: evidence.Want{Grows: &grows}},
				{Name: "bits", On: "a", Conntrack: &evidence.Conntrack{To: "web:80"}, Want: evidence.Want{Lacks: []string{"DST_NAT"}}},
			},
		},
		Fixes: []Fix{
			{Name: "policy", Run: []Action{{On: "a", Cmd: []string{"ip", "link"}}}, Undo: []Action{{On: "a", Cmd: []string{"ip", "link"}}}, Leaves: []string{"bits"}},
			{Name: "other probe", Needs: Needs{Kernel: "5.10"}, Probe: &Probe{Name: "asked otherwise", From: "b", To: "web:80", Proto: "tcp",
				Timeout: 1500 * time.Millisecond, Expectation: Expectation{Want: probe.Delivered, Peer: "b"}}},
		},
		Inert: []Fix{{Name: "nothing", Set: map[string]string{"a.b": "1"}}},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(Scenario{}), cmpopts.EquateComparable(netip.AddrPort{})); diff != "" {
		t.Error(diff)
	}
}

// TestRules changes one thing in a good file; the row says what the parser has to say about it.
func TestRules(t *testing.T) {
	const fixes = "    run: [{on: a, cmd: [ip, link]}]\n    undo: [{on: a, cmd: [ip, link]}]\n    leaves: [bits]\n"
	const inert = "    set: {a.b: 1}\n"
	for _, row := range []struct{ name, old, new, want string }{
		{"no name", "scenario: small\n", "", `1:1: no scenario; name the scenario as its directory`},
		{"a name that is no directory", "scenario: small", "scenario: ../small",
			`1:11: "../small" is not a name for a scenario; use small letters, digits, and dots or dashes between them`},
		{"no topology", "topology: two-nodes\n", "", `1:1: no topology; name a topology, or write the path to one relative to this file`},
		{"an empty title", "title: A client cannot ask", `title: ""`, `2:8: title is empty; say in one sentence what a person sees when it happens`},
		{"one runtime", "controls:", "runtimes: [vm]\ncontrols:", ``},
		{"no runtime", "controls:", "runtimes: []\ncontrols:", `5:11: runtimes is empty; leave it out for netns and vm`},
		{"an unknown runtime", "controls:", "runtimes: [vm, nets]\ncontrols:", `5:16: unknown runtime "nets"; did you mean "netns"?`},
		{"a runtime twice", "controls:", "runtimes: [vm, vm]\ncontrols:", `5:16: vm stands here twice`},
		{"an unknown field", "title: A", "titel: A", `2:1: unknown field "titel"; did you mean "title"?`},

		{"no control", `controls:
  - {name: by address, from: a, to: "b:80", want: delivered, peer: b, source: a}
`, "", `1:1: no controls; write a probe that works although the fault is there, so that a broken lab is not taken for the fault`},
		{"an empty list of controls", `controls:
  - {name: by address, from: a, to: "b:80", want: delivered, peer: b, source: a}
`, "controls: []\n", `5:1: no controls; write a probe that works although the fault is there, so that a broken lab is not taken for the fault`},
		{"no fix", small[strings.Index(small, "fixes:"):strings.Index(small, "inert:")], "", `1:1: no fixes; write what mends the fault`},
		{"no inert fix", small[max(strings.Index(small, "inert:"), 0):], "",
			`1:1: no inert fixes; write what looks like a fix and must not help, so that a fix is not taken for one that anything would be`},
		{"no fault", small[strings.Index(small, "fault:"):strings.Index(small, "fixes:")], "",
			`1:1: no fault; write the probe that fails, what it sees once mended, and what the kernel shows`},
		{"a symptom alone", small[strings.Index(small, "  evidence:"):strings.Index(small, "fixes:")], "",
			`8:3: no evidence; write what the kernel shows when the fault has this cause: a symptom alone can have many`},
		{"no probe of the fault", "  probe: {name: by Service, from: a, to: \"web:80\", want: timeout}\n", "", `8:3: no probe; write the probe that shows the symptom`},
		{"nothing said of the mended path", "  mended: {want: delivered, peer: b}\n", "", `8:3: no mended; write what the same probe must see once the fault is gone`},
		{"mended as the symptom", "mended: {want: delivered, peer: b}", "mended: {want: timeout}",
			`9:3: one answer can be both "timeout" and the symptom, "timeout"; let the outcome, the peer or the source differ from those of the fault's probe`},
		{"mended as a case of the symptom", `to: "web:80", want: timeout}`, `to: "web:80", want: delivered}`,
			`9:3: one answer can be both "delivered by b" and the symptom, "delivered"; let the outcome, the peer or the source differ from those of the fault's probe`},
		{"mended by another peer", `to: "web:80", want: timeout}`, `to: "web:80", want: delivered, peer: a}`, ``},

		{"a vague outcome", "want: timeout}", "want: failed}",
			`8:58: "failed" is not an outcome; one of connected-no-data, delivered, refused, reset, timeout, too-big, unreachable`},
		{"a mistyped outcome", "want: timeout}", "want: timeuot}", `8:58: "timeuot" is not an outcome; did you mean "timeout"?`},
		{"no outcome", "{want: delivered, peer: b}", "{peer: b}",
			`9:11: no want; write the one outcome that is wanted, one of connected-no-data, delivered, refused, reset, timeout, too-big, unreachable`},
		{"a peer of what was not delivered", "want: timeout}", "want: timeout, peer: b}", `8:67: a probe that ends in timeout has no peer; take it out, or want delivered`},
		{"a source of what was not delivered", "want: timeout}", "want: timeout, source: b}", `8:67: a probe that ends in timeout has no source; take it out, or want delivered`},
		{"a probe without a name", "name: by Service, ", "", `8:10: no name; name the probe: reports speak of it by its name`},
		{"a probe from nowhere", "by Service, from: a, ", "by Service, ", `8:10: no from; name the node that asks`},
		{"a target without port", `to: "b:80"`, `to: b`, `6:37: "b" does not name a port; write "node:port", "service:port" or "node@interface:port"`},
		{"a port out of range", `to: "b:80"`, `to: "b:70000"`, `6:37: "b:70000" does not name a port; write "node:port", "service:port" or "node@interface:port"`},
		{"an unknown protocol", "proto: tcp", "proto: ucp", `20:66: unknown protocol "ucp"; did you mean "tcp"?`},
		{"a timeout of nothing", "timeout: 1500ms", "timeout: 0s", `20:80: a timeout of 0s: it goes from 1s to 1m0s; leave it out for 4s`},
		{"a timeout before a SYN is sent again", "timeout: 1500ms", "timeout: 999ms", `20:80: a timeout of 999ms: it goes from 1s to 1m0s; leave it out for 4s`},
		{"the shortest timeout", "timeout: 1500ms", "timeout: 1s", ``},
		{"the longest timeout", "timeout: 1500ms", "timeout: 1m", ``},
		{"a timeout without end", "timeout: 1500ms", "timeout: 61s", `20:80: a timeout of 1m1s: it goes from 1s to 1m0s; leave it out for 4s`},
		{"a timeout without unit", "timeout: 1500ms", "timeout: 3", `20:80: "3" is not a duration; write a number with its unit: "500ms", "2s", "1m30s"`},
		{"a negative payload", "timeout: 1500ms", "payload: -1", `20:80: a payload of -1 bytes; leave it out to send the greeting alone`},

		{"two controls of one name", "fault:\n", "  - {name: by address, from: a, to: \"b:81\", want: delivered}\nfault:\n",
			`7:12: two are called control "by address"; the first is in line 6, give one of them another name`},
		{"an inert fix called like a fix", "name: nothing", "name: policy", `22:11: two are called fix "policy"; the first is in line 14, give one of them another name`},
		{"two pieces of evidence of one name", "- {name: bits, on: a, conntrack", "- {name: XfrmInNoPols on a, on: a, conntrack",
			`12:14: two are called evidence "XfrmInNoPols on a"; the first is in line 11, give one of them another name
17:14: the fault has no evidence "bits"; it can only be XfrmInNoPols on a`},

		{"evidence of nothing", "- {on: a, xfrm: XfrmInNoPols, grows: true}", "- {on: a, grows: true}\n    - {on: a, grows: true}", `11:7: the evidence says nothing about what to read; set one of xfrm, netstat, nfacct, sysctl, conntrack, rule, packets, ipvs
12:7: the evidence says nothing about what to read; set one of xfrm, netstat, nfacct, sysctl, conntrack, rule, packets, ipvs`},
		{"evidence of two kinds", "- {on: a, xfrm: XfrmInNoPols, grows: true}", "- {on: a, xfrm: XfrmInNoPols, sysctl: a.b, grows: true}", `11:7: the evidence reads xfrm and sysctl at once; write a line of evidence for each`},
		{"evidence that wants nothing", "- {on: a, xfrm: XfrmInNoPols, grows: true}", "- {on: a, xfrm: XfrmInNoPols}", `11:7: the evidence says nothing about what must be there; xfrm evidence takes grows, count`},
		{"evidence on no node", "- {on: a, xfrm", "- {xfrm", `11:7: the evidence names no node; on: NODE says where to look`},
		{"a port that evidence cannot read", `conntrack: {to: "web:80"}`, `conntrack: {to: web}`, `12:43: "web" is not a name with a port; write "NAME:PORT", such as "web:80"`},
		{"a want that does not fit", "lacks: [DST_NAT]", "is: x", `12:58: is does not fit conntrack evidence; conntrack evidence takes seen, has, lacks`},
		{"an evidence field that does not exist", "xfrm: XfrmInNoPols", "xfmr: XfrmInNoPols", `11:15: unknown field "xfmr"; did you mean "xfrm"?`},

		{"a fix that changes nothing", fixes, "", `14:5: the fix changes nothing; write exactly one of run, set, probe, together`},
		{"a fix that changes two things", fixes, fixes + "    set: {a: b}\n", `18:5: the fix has run and set; write exactly one of run, set, probe, together`},
		{"an empty run", fixes, "    run: []\n", `15:10: run is empty`},
		{"an empty set", inert, "    set: {}\n", `23:10: set is empty`},
		{"an undo without run", fixes, "    set: {a: b}\n    undo: [{on: a, cmd: [ip]}]\n", `16:5: undo without run; only commands are undone: settings get a lab of their own`},
		{"an empty undo", "undo: [{on: a, cmd: [ip, link]}]", "undo: []", `16:11: undo is empty; say why it cannot be taken back: noUndo: "the old keys are gone"`},
		{"a run without undo", "    undo: [{on: a, cmd: [ip, link]}]\n", "",
			`15:5: run without undo; write the commands that take it back, and the fault must return; or say why it cannot be taken back: noUndo: "the old keys are gone"`},
		{"an inert run without undo", inert, "    run: [{on: a, cmd: [ip, link]}]\n",
			`23:5: run without undo; write the commands that take it back, and the fault must return; or say why it cannot be taken back: noUndo: "the old keys are gone"`},
		{"a run that cannot be undone", "undo: [{on: a, cmd: [ip, link]}]", "noUndo: the old keys are gone", ``},
		{"a run that cannot be undone for no reason", "undo: [{on: a, cmd: [ip, link]}]", `noUndo: " "`,
			`16:13: noUndo is empty; say why it cannot be taken back: noUndo: "the old keys are gone"`},
		{"an undo that cannot be", fixes, fixes + "    noUndo: the old keys are gone\n", `18:5: the fix has undo and noUndo; write one of them`},
		{"nothing that cannot be undone", inert, inert + "    noUndo: it is set\n", `24:5: noUndo without run; only commands are undone: settings get a lab of their own`},
		{"a fix that asks for something else", `from: b, to: "web:80"`, `from: b, to: "b:80"`, `20:49: the fix asks b:80, the fault's probe web:80; write web:80`},
		{"a fix that asks by another protocol", "proto: tcp, timeout", "proto: udp, timeout", `20:66: the fix asks by udp, the fault's probe by tcp; write proto: tcp`},
		{"a fix that asks for more", "timeout: 1500ms", "payload: 9", `20:80: the fix asks with a payload of 9, the fault's probe with one of 0; write payload: 0`},
		{"a fix that asks from where the fault shows", "asked otherwise, from: b", "asked otherwise, from: a", `20:42: the fix asks from a, as the fault's probe does; name another node`},
		{"a fix that wants another failure", "want: delivered, peer: b}\ninert", "want: refused}\ninert", `20:94: the fix wants refused, a mended path shows delivered; write want: delivered`},
		{"a fix that takes an answer from anybody", "want: delivered, peer: b}\ninert", "want: delivered}\ninert",
			`20:12: the fix does not ask for the peer of a mended path, b; write peer: b`},
		{"a fix that takes an answer from another", "want: delivered, peer: b}\ninert", "want: delivered, peer: a}\ninert",
			`20:111: the fix does not ask for the peer of a mended path, b; write peer: b`},
		{"a command on no node", "run: [{on: a, cmd: [ip, link]}]", "run: [{cmd: [ip, link]}]", `15:11: no on; name the node that runs the command`},
		{"no command", "run: [{on: a, cmd: [ip, link]}]", "run: [{on: a, cmd: []}]", `15:24: no command; write the program and its arguments as a list: [ip, link, show]`},
		{"a command as text", "run: [{on: a, cmd: [ip, link]}]", "run: [{on: a, cmd: ip link}]", `15:24: a list is wanted here, not a single value; write [ip, link]`},
		{"evidence that does not exist is left", "leaves: [bits]", "leaves: [bit]", `17:14: the fault has no evidence "bit"; did you mean "bits"?`},
		{"all evidence is left", "leaves: [bits]", "leaves: [bits, XfrmInNoPols on a]",
			`17:5: the fix leaves all of the evidence; a fix must take away some evidence wherever it is tried, or it may mend by chance`},
		{"a kernel that is no release", "kernel: 5.10", "kernel: newest", `19:21: "newest" is not a kernel release; write its first two numbers, "5.13"`},
		{"an inert fix by another probe", inert, "    probe: {name: x, from: a, to: \"b:1\", want: refused}\n",
			`23:5: an inert fix cannot ask in another way; write exactly one of run, set`},
		{"evidence that not every place has", "grows: true}\n    - {name: bits,", "grows: true}\n    - {needs: {kernel: 5.13, kubeProxy: 1.31}, name: bits,", ``},
		{"evidence that needs no release", "lacks: [DST_NAT]}", "lacks: [DST_NAT], needs: {kubeProxy: v1.31}}",
			`12:91: "v1.31" is not a release of kube-proxy; write its first two numbers, "1.31"`},
		{"a fix that leaves all of the evidence that every place has", "grows: true}", "grows: true, needs: {kernel: 5.13}}",
			`17:5: the fix leaves all of the evidence; a fix must take away some evidence wherever it is tried, or it may mend by chance`},
		{"no evidence that every place has", "    - {on: a, xfrm: XfrmInNoPols, grows: true}\n    - {name: bits,", "    - {needs: {kernel: 5.13}, name: bits,",
			`10:3: all of the evidence has needs: where none of it is to be had, any cause would do; let some of it need nothing
16:5: the fix leaves all of the evidence; a fix must take away some evidence wherever it is tried, or it may mend by chance`},
		{"an inert fix that leaves evidence", inert, inert + "    leaves: [bits]\n", `24:5: an inert fix leaves all of the evidence; take it out`},
		{"a price that is documented", fixes, fixes + "    expect: SideEffect\n    breaks: [by address]\n", ``},
		{"a price that nobody knows", fixes, fixes + "    expect: SideEffect\n",
			`18:13: a side effect is expected, and nothing says which; name the controls that the fix breaks: breaks: [NAME]`},
		{"a price that is not expected", fixes, fixes + "    breaks: [by address]\n",
			`18:5: the fix breaks controls, and that is not expected; write expect: SideEffect, too, or take it out`},
		{"a price paid by nobody", fixes, fixes + "    expect: SideEffect\n    breaks: [by addrss]\n", `19:14: there is no control "by addrss"; did you mean "by address"?`},
		{"a price paid twice", fixes, fixes + "    expect: SideEffect\n    breaks: [by address, by address]\n", `19:26: "by address" stands here twice`},
		{"an inert fix with a price", inert, inert + "    expect: SideEffect\n    breaks: [by address]\n", ``},
		{"a verdict that no fix is documented for", fixes, fixes + "    expect: WrongReason\n",
			`18:13: "WrongReason" cannot be expected here; write SideEffect or Hidden, or leave it out for Fixed`},
		{"a verdict that no inert fix is documented for", inert, inert + "    expect: Helped\n",
			`24:13: "Helped" cannot be expected here; write SideEffect or WrongReason, or leave it out for Inert`},
		{"a probe that hides the fault", "peer: b}\ninert", "peer: b}\n    expect: Hidden\ninert", ``},
		{"a probe that hides the fault from where it is", "from: b, to: \"web:80\", proto: tcp, timeout: 1500ms, want: delivered, peer: b}", "from: a, to: \"web:80\", want: delivered, peer: b}\n    expect: Hidden", ``},
		{"a command that hides the fault", fixes, strings.Replace(fixes, "leaves: [bits]", "expect: Hidden", 1),
			`17:13: a fix that changes the lab cannot hide the fault; only another probe can pass where the fault still is`},
		{"a fault that is hidden in part", "peer: b}\ninert", "peer: b}\n    leaves: [bits]\n    expect: Hidden\ninert",
			`21:5: where the fault is Hidden all of its evidence stays; take it out`},
		{"another reason without evidence", inert, inert + "    expect: WrongReason\n",
			`24:13: another reason is expected, and nothing would show it; add evidence that shows the other reason`},
		{"another reason that not every place shows", inert,
			inert + "    expect: WrongReason\n    evidence: [{on: a, needs: {kernel: \"5.13\"}, nfacct: drops, grows: true}]\n",
			`24:13: another reason is expected, and where the evidence has what it needs not, nothing would show it; let some of it need nothing, or the inert fix what it needs`},
		{"another reason where it is shown", inert,
			inert + "    needs: {kernel: \"5.13\"}\n    expect: WrongReason\n    evidence: [{on: a, nfacct: drops, grows: true}]\n", ``},

		{"an empty file", small, "", `1:1: the file is empty`},
		{"not a mapping", small, "- a\n", `1:1: a mapping is wanted here, not a list`},
	} {
		t.Run(row.name, func(t *testing.T) {
			src := strings.Replace(small, row.old, row.new, 1)
			if src == small {
				t.Fatal("the row changes nothing")
			}
			s, err := Parse("s.yaml", []byte(src))
			if (s == nil) != (err != nil) {
				t.Errorf("scenario %v with error %v", s, err)
			}
			if diff := cmp.Diff(row.want, brief(err)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// brief is one line for each error: position, message, hint.
func brief(err error) string {
	if err == nil {
		return ""
	}
	var all yamlfile.Errors
	if !errors.As(err, &all) {
		return "not a list of positions: " + err.Error()
	}
	var lines []string
	for _, e := range all {
		line := strings.TrimPrefix(strings.SplitN(e.Error(), "\n", 2)[0], "s.yaml:")
		if e.Hint != "" {
			line += "; " + e.Hint
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestEveryErrorAtOnce(t *testing.T) {
	_, err := Parse("s.yaml", []byte("scenario: X\ncontrols: []\nfault: {probe: {want: nothing}}\ninert: [{name: a}]\n"))
	want := `1:1: no fixes; write what mends the fault
1:1: no title; say in one sentence what a person sees when it happens
1:1: no topology; name a topology, or write the path to one relative to this file
1:11: "X" is not a name for a scenario; use small letters, digits, and dots or dashes between them
2:1: no controls; write a probe that works although the fault is there, so that a broken lab is not taken for the fault
3:8: no evidence; write what the kernel shows when the fault has this cause: a symptom alone can have many
3:8: no mended; write what the same probe must see once the fault is gone
3:16: no from; name the node that asks
3:16: no name; name the probe: reports speak of it by its name
3:16: no to; write "node:port" or "service:port"
3:23: "nothing" is not an outcome; one of connected-no-data, delivered, refused, reset, timeout, too-big, unreachable
4:9: the fix changes nothing; write exactly one of run, set`
	if diff := cmp.Diff(want, brief(err)); diff != "" {
		t.Error(diff)
	}
}

func TestEveryScenarioParses(t *testing.T) {
	files, err := filepath.Glob("../../scenarios/*/scenario.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Parse(file, src)
		if err != nil {
			t.Error(err)
			continue
		}
		if dir := filepath.Base(filepath.Dir(file)); s.Name != dir {
			t.Errorf("%s is called %q", file, s.Name)
		}
	}
}
