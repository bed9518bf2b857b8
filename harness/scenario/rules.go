package scenario

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/probe"
)

// rules holds a scenario against what every scenario must have to be an experiment, and adds what it lacks to the Doc.
type rules struct {
	*yamlfile.Doc
	s     *Scenario
	whole *Scenario // s is it, or one of its variants
}

// names of scenarios become names of directories and of tests.
var nameForm = regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`)

func (r rules) all() {
	r.head()
	each := r.s.experiments()
	if r.Has("variants") {
		r.atLeastOne("variants", "variants", len(r.s.Variants), "take it out where there is but one experiment")
		r.variants(each)
	}
	for _, s := range each {
		rules{Doc: r.Doc, s: s, whole: r.s}.experiment()
	}
}

// topologies adds what is wrong with the topologies that the experiments name.
func (r rules) topologies(wrong func(name string) string) {
	for _, s := range r.s.experiments() {
		if s.Topology == "" {
			continue // told already
		}
		if what := wrong(s.Topology); what != "" {
			r.Errorf(s.at("topology"), "", "%s", what)
		}
	}
}

// experiment checks one experiment: the scenario's only one, or that of a variant. What several of them share is checked
// with each, and a mistake in it is told once.
func (r rules) experiment() {
	r.need("", r.s.at("topology"), r.s.Topology, "name a topology, or write the path to one relative to this file")
	r.runtimes()
	r.atLeastOne("controls", "controls", len(r.s.Controls), "write a probe that works although the fault is there, so that a broken lab is not taken for the fault")
	r.atLeastOne("fixes", "fixes", len(r.s.Fixes), "write what mends the fault")
	r.atLeastOne("inert", "inert fixes", len(r.s.Inert), "write what looks like a fix and must not help, so that a fix is not taken for one that anything would be")
	for _, at := range r.s.probes() {
		if probe := r.s.at("fault") + ".probe"; at.path != probe || r.Has(probe) {
			r.probe(at)
		}
	}
	r.fault()
	for _, at := range r.s.evidence() {
		r.evidence(at)
	}
	for _, at := range r.s.fixes() {
		r.fix(at)
	}
	r.matrix()
	r.unique("control", r.s.controlNames())
	r.unique("fix", r.s.fixNames())
}

func (r rules) head() {
	r.need("", "scenario", r.s.Name, "name the scenario as its directory")
	if r.s.Name != "" && !nameForm.MatchString(r.s.Name) {
		r.Errorf("scenario", "use small letters, digits, and dots or dashes between them", "%q is not a name for a scenario", r.s.Name)
	}
	r.need("", "title", r.s.Title, "say in one sentence what a person sees when it happens")
}

// Runtimes lists the runtimes that a scenario can name, sorted.
func Runtimes() []string { return []string{"kind", "netns", "vm"} }

// usualRuntimes are those of a scenario that names none. On a cluster a scenario has to be tried before it says so.
func usualRuntimes() []string { return []string{"netns", "vm"} }

func (r rules) runtimes() {
	at := r.s.at("runtimes")
	if r.Has(at) && len(r.s.Runtimes) == 0 {
		r.Errorf(at, "leave it out for netns and vm", "runtimes is empty")
	}
	for i, name := range r.s.Runtimes {
		path := fmt.Sprintf("%s[%d]", at, i)
		switch {
		case !slices.Contains(Runtimes(), name):
			r.Errorf(path, yamlfile.Suggest(name, Runtimes()), "unknown runtime %q", name)
		case slices.Contains(r.s.Runtimes[:i], name):
			r.Errorf(path, "", "%s stands here twice", name)
		}
	}
}

func (r rules) atLeastOne(part, what string, n int, hint string) {
	if n == 0 {
		r.KeyErrorf(r.s.at(part), hint, "no %s", what)
	}
}

// need asks for text that must be there.
func (r rules) need(path, key, value, hint string) {
	switch at := below(path, key); {
	case value != "":
	case r.Has(at):
		r.Errorf(at, hint, "%s is empty", key)
	default:
		r.Errorf(at, hint, "no %s", key)
	}
}

func below(path, key string) string {
	if path == "" || key == "" {
		return path + key
	}
	return path + "." + key
}

// The bounds of a probe's timeout. A shorter one ends before the first retransmission of a SYN, after one second (RFC
// 6298), and takes one lost packet for a timeout; a longer one is a slip of the pen that holds a trial up.
const (
	minTimeout = time.Second
	maxTimeout = time.Minute
)

func (r rules) probe(at probeAt) {
	p := at.probe
	r.need(at.path, "name", p.Name, "name the probe: reports speak of it by its name")
	r.need(at.path, "from", p.From, "name the node that asks")
	r.need(at.path, "to", p.To, `write "node:port" or "service:port"`)
	if p.To != "" && !isTarget(p.To) {
		r.Errorf(at.path+".to", `write "node:port", "service:port" or "node@interface:port"`, "%q does not name a port", p.To)
	}
	if !isProto(p.Proto) {
		r.Errorf(at.path+".proto", yamlfile.Suggest(p.Proto, []string{probe.TCP, probe.UDP}), "unknown protocol %q", p.Proto)
	}
	r.timeout(at.path+".timeout", p.Timeout)
	if p.Payload < 0 {
		r.Errorf(at.path+".payload", "leave it out to send the greeting alone", "a payload of %d bytes", p.Payload)
	}
	r.expectation(at.path, p.Expectation)
}

func (r rules) timeout(path string, d time.Duration) {
	if d < minTimeout || d > maxTimeout {
		r.Errorf(path, "leave it out for "+probe.DefaultTimeout.String(), "a timeout of %s: it goes from %s to %s", d, minTimeout, maxTimeout)
	}
}

func isProto(s string) bool { return s == probe.TCP || s == probe.UDP }

// isTarget says whether a name ends in a port, by number or by the name that a Service gives it.
func isTarget(to string) bool {
	i := strings.LastIndexByte(to, ':')
	if i <= 0 || i == len(to)-1 {
		return false
	}
	port, err := strconv.Atoi(to[i+1:])
	return err != nil || 0 < port && port < 1<<16
}

func (r rules) expectation(path string, e Expectation) {
	var outcomes []string
	for _, o := range probe.Outcomes() {
		outcomes = append(outcomes, string(o))
	}
	r.need(path, "want", string(e.Want), "write the one outcome that is wanted, "+yamlfile.OneOf(outcomes))
	if e.Want != "" && !valid(e) {
		r.Errorf(path+".want", yamlfile.Suggest(string(e.Want), outcomes), "%q is not an outcome", e.Want)
	}
	if !valid(e) || e.Want == probe.Delivered {
		return
	}
	if e.Peer != "" {
		r.KeyErrorf(path+".peer", "take it out, or want delivered", "a probe that ends in %s has no peer", e.Want)
	}
	if e.Source != "" {
		r.KeyErrorf(path+".source", "take it out, or want delivered", "a probe that ends in %s has no source", e.Want)
	}
}

func valid(e Expectation) bool { return slices.Contains(probe.Outcomes(), e.Want) }

func (r rules) fault() {
	f, at := r.s.Fault, r.s.at("fault")
	switch {
	case !r.Has(at):
		r.Errorf(at, "write the probe that fails, what it sees once mended, and what the kernel shows", "no fault")
		return
	case !r.Has(at + ".probe"):
		r.Errorf(at+".probe", "write the probe that shows the symptom", "no probe")
	}
	if len(f.Evidence) == 0 {
		r.KeyErrorf(at+".evidence", "write what the kernel shows when the fault has this cause: a symptom alone can have many", "no evidence")
	} else if !someAnywhere(f.Evidence) {
		r.KeyErrorf(at+".evidence", "let some of it need nothing", "all of the evidence has needs: where none of it is to be had, any cause would do")
	}
	if !r.Has(at + ".mended") {
		r.Errorf(at+".mended", "write what the same probe must see once the fault is gone", "no mended")
		return
	}
	r.expectation(at+".mended", f.Mended)
	if valid(f.Mended) && valid(f.Probe.Expectation) && !excludes(f.Mended, f.Probe.Expectation) {
		r.KeyErrorf(at+".mended", "let the outcome, the peer or the source differ from those of the fault's probe",
			"one answer can be both %q and the symptom, %q", f.Mended, f.Probe.Expectation)
	}
}

// excludes says whether no observation can be as wanted by both a and b.
func excludes(a, b Expectation) bool {
	differ := func(a, b string) bool { return a != "" && b != "" && a != b }
	return a.Want != b.Want || differ(a.Peer, b.Peer) || differ(a.Source, b.Source)
}

// someAnywhere says whether some evidence is had in every place.
func someAnywhere(list []evidence.Spec) bool {
	return slices.ContainsFunc(list, func(e evidence.Spec) bool { return e.Needs == Needs{} })
}

// evidence checks each line of evidence as package evidence does, and that it can be spoken of by its name.
func (r rules) evidence(at evidenceAt) {
	var names []named
	for i, e := range at.specs {
		path := fmt.Sprintf("%s[%d]", at.path, i)
		r.needs(path+".needs", e.Needs)
		problems := e.Validate()
		for _, p := range problems {
			r.evidenceProblem(path, p)
		}
		if len(problems) == 0 { // what it is called otherwise may come from the mistake
			names = append(names, named{path, e.Name})
		}
	}
	r.unique("evidence", names)
}

// evidenceProblem adds a mistake in the evidence at path; its message lacks what it is about.
func (r rules) evidenceProblem(path string, p evidence.Problem) {
	switch p.Field {
	case "":
		if r.Broken(path) {
			return // what it lacks may be what could not be read
		}
		p.Msg = "the evidence " + p.Msg
	case "on":
		p.Msg = "the evidence " + p.Msg
	case "grows", "count", "seen", "has", "lacks", "is":
		p.Msg = p.Field + " " + p.Msg
	}
	r.Errorf(below(path, p.Field), p.Hint, "%s", p.Msg)
}

// named is a name with the path of what has it.
type named struct{ path, name string }

func (s *Scenario) controlNames() []named {
	var names []named
	for i, c := range s.Controls {
		names = append(names, named{fmt.Sprintf("%s[%d]", s.at("controls"), i), c.Name})
	}
	return names
}

func (s *Scenario) fixNames() []named {
	var names []named
	for _, f := range s.fixes() {
		names = append(names, named{f.path, f.fix.Name})
	}
	return names
}

func (r rules) unique(what string, names []named) {
	first := map[string]string{}
	for _, n := range names {
		if n.name == "" || r.Broken(n.path+".name") {
			continue
		}
		if path, twice := first[n.name]; twice {
			r.Errorf(n.path+".name", fmt.Sprintf("the first is in line %d, give one of them another name", r.At(path).Line),
				"two are called %s %q", what, n.name)
			continue
		}
		first[n.name] = n.path
	}
}
