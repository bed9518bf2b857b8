package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

func (r rules) fix(at fixAt) {
	r.need(at.path, "name", at.fix.Name, "name the fix: verdicts and --fix speak of it by its name")
	r.means(at)
	r.actions(at.path+".run", at.fix.Run)
	r.actions(at.path+".undo", at.fix.Undo)
	r.release(at.path+".needs.kernel", at.fix.Needs.Kernel, `"5.13"`, "a kernel release")
	r.release(at.path+".needs.kubeProxy", at.fix.Needs.KubeProxy, `"1.31"`, "a release of kube-proxy")
	r.leaves(at)
	r.expect(at)
}

func (r rules) release(path, release, example, what string) {
	if !r.Has(path) {
		return
	}
	if _, ok := version(release); !ok || strings.Count(release, ".") != 1 {
		r.Errorf(path, "write its first two numbers, "+example, "%q is not %s", release, what)
	}
}

// expect checks the documented verdict where a fix names one, and what goes with it.
func (r rules) expect(at fixAt) {
	path, usual, others := at.path+".expect", "Fixed", []string{"SideEffect", "Hidden"}
	if at.inert {
		usual, others = "Inert", []string{"WrongReason", "SideEffect"}
	}
	if r.Has(path) && !slices.Contains(others, at.fix.Expect) {
		r.Errorf(path, fmt.Sprintf("write %s, or leave it out for %s", strings.Join(others, " or "), usual), "%q cannot be expected here", at.fix.Expect)
		return
	}
	if at.fix.Expect == "Hidden" {
		r.hidden(at)
	}
	otherReason := at.fix.Expect == "WrongReason"
	if otherReason && len(at.fix.Evidence) == 0 {
		r.Errorf(path, "add evidence that shows the other reason", "another reason is expected, and nothing would show it")
	}
	if other := at.fix.Symptom; other != nil && !otherReason {
		r.KeyErrorf(at.path+".symptom", "give the inert fix expect: WrongReason, or take it out", "only a look-alike with another reason has a symptom of its own")
	} else if other != nil {
		r.otherSymptom(at.path+".symptom", *other)
	}
}

// hidden checks a fix that is expected to pass where the fault still is.
func (r rules) hidden(at fixAt) {
	if at.fix.Probe == nil {
		r.Errorf(at.path+".expect", "only another probe can pass where the fault still is", "a fix that changes the lab cannot hide the fault")
	}
	if r.Has(at.path + ".leaves") {
		r.KeyErrorf(at.path+".leaves", "take it out", "where the fault is Hidden all of its evidence stays")
	}
}

// otherSymptom checks that the symptom of another failure is neither the fault's nor its end.
func (r rules) otherSymptom(path string, e Expectation) {
	r.expectation(path, e)
	fault := r.s.Fault
	for _, not := range []Expectation{fault.Probe.Expectation, fault.Mended} {
		if valid(e) && valid(not) && !excludes(e, not) {
			r.KeyErrorf(path, "let the outcome differ, or take it out", "one answer can be both %q and the fault's %q", e, not)
		}
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
	if r.Has(at.path+".undo") && !r.Has(at.path+".run") && !r.Has(at.path+".together") {
		r.KeyErrorf(at.path+".undo", "only commands are undone: settings get a lab of their own", "undo without run")
	} else if r.Has(at.path+".undo") && len(at.fix.Undo) == 0 {
		r.Errorf(at.path+".undo", "take it out if the fix cannot be taken back", "undo is empty")
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
	for _, e := range r.s.Fault.Evidence {
		names = append(names, e.Name)
	}
	left := map[string]bool{}
	for i, name := range at.fix.Leaves {
		if !slices.Contains(names, name) {
			r.Errorf(fmt.Sprintf("%s[%d]", path, i), yamlfile.Suggest(name, names), "the fault has no evidence %q", name)
			continue
		}
		left[name] = true
	}
	if len(left) == len(names) {
		r.KeyErrorf(path, "a fix must take away some evidence, or it may mend by chance", "the fix leaves all of the evidence")
	}
}
