package scenario

import (
	"fmt"
	"slices"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// together checks that a fix joins inert ones that can be done one after the other.
func (r rules) together(at fixAt) {
	path := at.path + ".together"
	if at.inert {
		r.KeyErrorf(path, "write exactly one of run, set", "an inert fix cannot be made of others")
		return
	}
	if len(at.fix.Together) < 2 {
		r.Errorf(path, "name two or more, or write run", "one fix alone is not together")
	}
	var names []string
	for _, f := range r.s.Inert {
		names = append(names, f.Name)
	}
	for i, name := range at.fix.Together {
		path := fmt.Sprintf("%s[%d]", path, i)
		part := r.s.inert(name)
		switch {
		case part == nil:
			r.Errorf(path, yamlfile.Suggest(name, names), "no inert fix %q", name)
		case slices.Contains(at.fix.Together[:i], name):
			r.Errorf(path, "", "%s stands here twice", name)
		case len(part.Run) == 0:
			r.Errorf(path, "it needs a lab of its own", "%s does not act on the lab that runs", name)
		case part.Expect != "":
			r.Errorf(path, "", "%s is not inert alone but %s", name, part.Expect)
		case len(part.Undo) == 0 && !r.Has(at.path+".undo") && !r.Has(at.path+".noUndo"):
			r.Errorf(path, "give it an undo, or this fix", "%s cannot be taken back", name)
		}
	}
}

// inert returns the inert fix of that name, or nil.
func (s *Scenario) inert(name string) *Fix {
	for i := range s.Inert {
		if s.Inert[i].Name == name {
			return &s.Inert[i]
		}
	}
	return nil
}

// join gives fixes that are made of inert ones what those do. Variants share fixes and can differ in the inert ones, so
// the list becomes one of the experiment's own.
func (s *Scenario) join() {
	s.Fixes = slices.Clone(s.Fixes)
	for i := range s.Fixes {
		f := &s.Fixes[i]
		if len(f.Together) == 0 {
			continue
		}
		var run, undo []Action
		for _, name := range f.Together {
			if part := s.inert(name); part != nil { // where each variant has inert fixes of its own, the scenario has none
				run, undo = slices.Concat(run, part.Run), slices.Concat(part.Undo, undo)
			}
		}
		f.Run = run
		if f.NoUndo == "" && !s.doc.Has(fmt.Sprintf("%s[%d].undo", s.at("fixes"), i)) {
			f.Undo = undo
		}
	}
}

// restart checks an action that restarts something.
func (r rules) restart(path string, a Action) {
	if r.Has(path+".cmd") || r.Has(path+".stdin") {
		r.KeyErrorf(path+".restart", "write an action for each", "an action has a command or a restart")
	}
	if a.Restart != KubeProxy {
		r.Errorf(path+".restart", "only "+KubeProxy+" can be restarted", "unknown program %q", a.Restart)
	}
}
