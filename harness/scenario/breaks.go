package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// expect checks the documented verdict where a fix names one, and what goes with it.
func (r rules) expect(at fixAt) {
	path, usual, others := at.path+".expect", "Fixed", []string{"SideEffect", "Hidden"}
	if at.inert {
		usual, others = "Inert", []string{"SideEffect", "WrongReason"}
	}
	if r.Has(path) && !slices.Contains(others, at.fix.Expect) {
		r.Errorf(path, fmt.Sprintf("write %s, or leave it out for %s", strings.Join(others, " or "), usual), "%q cannot be expected here", at.fix.Expect)
		return
	}
	if at.fix.Expect == "WrongReason" && len(at.fix.Evidence) == 0 {
		r.Errorf(path, "add evidence that shows the other reason", "another reason is expected, and nothing would show it")
	} else if at.fix.Expect == "WrongReason" && !someAnywhere(at.fix.Evidence) {
		r.Errorf(path, "let some of it need nothing, or the inert fix what it needs",
			"another reason is expected, and where the evidence has what it needs not, nothing would show it")
	}
	r.symptom(at)
	r.hidden(at)
	r.breaks(at)
}

// symptom checks the symptom of the other failure, which is neither the fault's nor its end.
func (r rules) symptom(at fixAt) {
	path, fault := at.path+".symptom", r.s.Fault
	if at.fix.Symptom == nil {
		return
	}
	if at.fix.Expect != "WrongReason" {
		r.KeyErrorf(path, "give the inert fix expect: WrongReason, or take it out", "only a look-alike with another reason has a symptom of its own")
		return
	}
	e := *at.fix.Symptom
	r.expectation(path, e)
	for _, not := range []Expectation{fault.Probe.Expectation, fault.Mended} {
		if valid(e) && valid(not) && !excludes(e, not) {
			r.KeyErrorf(path, "let the outcome differ, or take it out", "one answer can be both %q and the fault's %q", e, not)
		}
	}
}

// hidden checks a fix that is expected to pass where the fault still is.
func (r rules) hidden(at fixAt) {
	if at.fix.Expect != "Hidden" {
		return
	}
	if at.fix.Probe == nil {
		r.Errorf(at.path+".expect", "only another probe can pass where the fault still is", "a fix that changes the lab cannot hide the fault")
	}
	if r.Has(at.path + ".leaves") {
		r.KeyErrorf(at.path+".leaves", "take it out", "where the fault is Hidden all of its evidence stays")
	}
}

// breaks checks the controls that a fix is documented to break.
func (r rules) breaks(at fixAt) {
	path := at.path + ".breaks"
	var controls []string
	for _, c := range r.s.Controls {
		controls = append(controls, c.Name)
	}
	switch {
	case at.fix.Expect == "SideEffect" && len(at.fix.Breaks) == 0 && !r.Broken(path):
		r.Errorf(at.path+".expect", "name the controls that the fix breaks: breaks: [NAME]", "a side effect is expected, and nothing says which")
	case at.fix.Expect == "" && r.Has(path):
		r.KeyErrorf(path, "write expect: SideEffect, too, or take it out", "the fix breaks controls, and that is not expected")
	}
	for i, name := range at.fix.Breaks {
		item := fmt.Sprintf("%s[%d]", path, i)
		switch {
		case !slices.Contains(controls, name):
			r.Errorf(item, yamlfile.Suggest(name, controls), "there is no control %q", name)
		case slices.Contains(at.fix.Breaks[:i], name):
			r.Errorf(item, "", "%q stands here twice", name)
		}
	}
}
