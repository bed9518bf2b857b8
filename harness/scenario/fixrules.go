package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

func (r rules) fix(at fixAt) {
	if !r.like(at) {
		return // what it lacks may be what it was to have from there
	}
	r.need(at.path, "name", at.fix.Name, "name the fix: verdicts and --fix speak of it by its name")
	r.means(at)
	r.actions(at.path+".run", at.fix.Run)
	r.actions(at.path+".undo", at.fix.Undo)
	r.needs(at.path+".needs", at.fix.Needs)
	r.leaves(at)
	r.expect(at)
}

func (r rules) needs(path string, n Needs) {
	r.release(path+".kernel", n.Kernel, `"5.13"`, "a kernel release")
	r.release(path+".kubeProxy", n.KubeProxy, `"1.31"`, "a release of kube-proxy")
}

// like checks that a fix has what it lacks from a fix of the scenario itself, and says whether it can be looked at.
func (r rules) like(at fixAt) bool {
	path := at.path + ".like"
	if !r.Has(path) {
		return true
	}
	part, _, _ := strings.Cut(at.path, "[")
	if part != "variants" {
		r.KeyErrorf(path, "write it out", "only a fix of a variant can be like another")
		return false
	}
	list, what := r.whole.Fixes, "fix"
	if at.inert {
		list, what = r.whole.Inert, "inert fix"
	}
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	if !slices.Contains(names, at.fix.Like) {
		r.Errorf(path, yamlfile.Suggest(at.fix.Like, names), "the scenario has no %s %q", what, at.fix.Like)
		return false
	}
	return true
}

func (r rules) release(path, release, example, what string) {
	if !r.Has(path) {
		return
	}
	if _, ok := evidence.Release(release); !ok || strings.Count(release, ".") != 1 {
		r.Errorf(path, "write its first two numbers, "+example, "%q is not %s", release, what)
	}
}

// means checks that a fix changes things in one way.
func (r rules) means(at fixAt) {
	all := []string{"run", "set", "probe", "together"}
	ways := all
	if at.inert {
		ways = ways[:2] // another probe cannot show that the fault stays
	}
	var has []string
	for _, w := range all {
		if r.Has(at.path + "." + w) {
			has = append(has, w)
		}
	}
	hint := "write exactly one of " + strings.Join(ways, ", ")
	switch {
	case len(has) == 0:
		r.Errorf(at.path+".run", hint, "the fix changes nothing")
	case len(has) > 1:
		r.KeyErrorf(at.path+"."+has[1], hint, "the fix has %s", strings.Join(has, " and "))
	case at.inert && has[0] == "probe":
		r.KeyErrorf(at.path+".probe", hint, "an inert fix cannot ask in another way")
	case has[0] == "together":
		r.together(at)
	case has[0] == "set" && len(at.fix.Set) == 0, has[0] == "run" && len(at.fix.Run) == 0:
		r.Errorf(at.path+"."+has[0], "", "%s is empty", has[0])
	}
	r.undo(at)
	r.otherProbe(at)
}

// undo checks that commands are taken back, or that the fix says why they cannot be.
func (r rules) undo(at fixAt) {
	undo, noUndo, run := at.path+".undo", at.path+".noUndo", at.path+".run"
	const reason = `say why it cannot be taken back: noUndo: "the old keys are gone"`
	if !r.Has(run) && !r.Has(at.path+".together") {
		for _, key := range []string{"undo", "noUndo"} {
			if path := at.path + "." + key; r.Has(path) {
				r.KeyErrorf(path, "only commands are undone: settings get a lab of their own", "%s without run", key)
			}
		}
		return
	}
	switch {
	case r.Has(undo) && r.Has(noUndo):
		r.KeyErrorf(noUndo, "write one of them", "the fix has undo and noUndo")
	case r.Has(noUndo) && strings.TrimSpace(at.fix.NoUndo) == "":
		r.Errorf(noUndo, reason, "noUndo is empty")
	case r.Has(undo) && len(at.fix.Undo) == 0:
		r.Errorf(undo, reason, "undo is empty")
	case len(at.fix.Run) > 0 && !r.Has(undo) && !r.Has(noUndo):
		r.KeyErrorf(run, "write the commands that take it back, and the fault must return; or "+reason, "run without undo")
	}
}

// otherProbe checks that a fix by another probe asks what the fault's probe asks, from elsewhere: any other question may
// well be answered while the fault is there. One that is to hide the fault can ask from where the fault's probe does.
func (r rules) otherProbe(at fixAt) {
	fault, path := r.s.Fault, at.path+".probe"
	if at.fix.Probe == nil || at.inert || !r.Has(r.s.at("fault")+".probe") || !valid(fault.Mended) || !excludes(fault.Mended, fault.Probe.Expectation) {
		return // or there is nothing yet to be held against
	}
	p := *at.fix.Probe
	if p.To != "" && p.To != fault.Probe.To {
		r.Errorf(path+".to", "write "+fault.Probe.To, "the fix asks %s, the fault's probe %s", p.To, fault.Probe.To)
	}
	if isProto(p.Proto) && p.Proto != fault.Probe.Proto {
		r.Errorf(path+".proto", "write proto: "+fault.Probe.Proto, "the fix asks by %s, the fault's probe by %s", p.Proto, fault.Probe.Proto)
	}
	if p.Payload >= 0 && p.Payload != fault.Probe.Payload {
		r.Errorf(path+".payload", fmt.Sprintf("write payload: %d", fault.Probe.Payload),
			"the fix asks with a payload of %d, the fault's probe with one of %d", p.Payload, fault.Probe.Payload)
	}
	if p.From != "" && p.From == fault.Probe.From && at.fix.Expect != "Hidden" {
		r.Errorf(path+".from", "name another node", "the fix asks from %s, as the fault's probe does", p.From)
	}
	if valid(p.Expectation) && p.Want != fault.Mended.Want {
		r.Errorf(path+".want", "write want: "+string(fault.Mended.Want), "the fix wants %s, a mended path shows %s", p.Want, fault.Mended.Want)
	} else if fault.Mended.Peer != "" && p.Peer != fault.Mended.Peer {
		r.Errorf(path+".peer", "write peer: "+fault.Mended.Peer, "the fix does not ask for the peer of a mended path, %s", fault.Mended.Peer)
	}
}

func (r rules) actions(path string, list []Action) {
	for i, a := range list {
		path := fmt.Sprintf("%s[%d]", path, i)
		r.need(path, "on", a.On, "name the node that runs the command")
		if r.Has(path + ".restart") {
			r.restart(path, a)
			continue
		}
		if len(a.Cmd) == 0 || a.Cmd[0] == "" {
			r.Errorf(path+".cmd", "write the program and its arguments as a list: [ip, link, show]", "no command")
		}
	}
}

// leaves checks the evidence that a fix says it does not take away.
func (r rules) leaves(at fixAt) {
	path := at.path + ".leaves"
	if at.inert {
		if r.Has(path) {
			r.KeyErrorf(path, "take it out", "an inert fix leaves all of the evidence")
		}
		return
	}
	if r.Broken(r.s.at("fault")+".evidence") || len(r.s.Fault.Evidence) == 0 {
		return
	}
	var names []string
	gone := false // some evidence goes wherever it is tried
	for _, e := range r.s.Fault.Evidence {
		names = append(names, e.Name)
		gone = gone || e.Needs == Needs{} && !slices.Contains(at.fix.Leaves, e.Name)
	}
	for i, name := range at.fix.Leaves {
		if !slices.Contains(names, name) {
			r.Errorf(fmt.Sprintf("%s[%d]", path, i), yamlfile.Suggest(name, names), "the fault has no evidence %q", name)
		}
	}
	if !gone && len(at.fix.Leaves) > 0 {
		r.KeyErrorf(path, "a fix must take away some evidence wherever it is tried, or it may mend by chance", "the fix leaves all of the evidence")
	}
}
