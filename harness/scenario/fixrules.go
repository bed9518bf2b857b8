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
	if k := at.fix.Needs.Kernel; r.Has(at.path + ".needs.kernel") {
		if _, ok := version(k); !ok || strings.Count(k, ".") != 1 {
			r.Errorf(at.path+".needs.kernel", `write its first two numbers, "5.13"`, "%q is not a kernel release", k)
		}
	}
	r.leaves(at)
	r.expect(at)
}

// means checks that a fix changes things in one way.
func (r rules) means(at fixAt) {
	ways := []string{"run", "set", "probe"}
	if at.inert {
		ways = ways[:2] // another probe cannot show that the fault stays
	}
	var has []string
	for _, w := range []string{"run", "set", "probe"} {
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
	case has[0] == "set" && len(at.fix.Set) == 0, has[0] == "run" && len(at.fix.Run) == 0:
		r.Errorf(at.path+"."+has[0], "", "%s is empty", has[0])
	}
	if r.Has(at.path+".undo") && !r.Has(at.path+".run") {
		r.KeyErrorf(at.path+".undo", "only commands are undone: settings get a lab of their own", "undo without run")
	} else if r.Has(at.path+".undo") && len(at.fix.Undo) == 0 {
		r.Errorf(at.path+".undo", "take it out if the fix cannot be taken back", "undo is empty")
	}
}

func (r rules) actions(path string, list []Action) {
	for i, a := range list {
		path := fmt.Sprintf("%s[%d]", path, i)
		r.need(path, "on", a.On, "name the node that runs the command")
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
	if r.Broken("fault.evidence") || len(r.s.Fault.Evidence) == 0 {
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
