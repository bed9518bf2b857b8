package scenario

import (
	"fmt"
	"slices"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/probe"
)

// Parse reads a scenario. file is its name in positions. The error is everything that is wrong with the file at once, a
// yamlfile.Errors. Whether the topology has the names that the scenario uses is not asked here: see CheckNames.
func Parse(file string, src []byte) (*Scenario, error) { return ParseWith(file, src, nil) }

// ParseWith is Parse that asks topology about each topology that the file names; what it says is wrong is a mistake of the file.
func ParseWith(file string, src []byte, topology func(name string) (wrong string)) (*Scenario, error) {
	s := &Scenario{doc: yamlfile.Parse(file, src)}
	s.inherit()
	s.doc.Decode(s)
	if !s.doc.Has("runtimes") {
		s.Runtimes = usualRuntimes()
	}
	s.setDefaults()
	for i, v := range s.experiments() {
		v.setDefaults()
		if len(s.Variants) > 0 && s.Variants[i].Fault != nil {
			*s.Variants[i].Fault = v.Fault // the lists are the same ones, the fault is a copy
		}
	}
	check := rules{Doc: s.doc, s: s}
	check.all()
	if topology != nil {
		check.topologies(topology)
	}
	if err := s.doc.Err(); err != nil {
		return nil, err
	}
	s.join()
	return s, nil
}

// inherit gives fixes of variants that are like one of the scenario's what they do not have themselves. It goes before the
// scenario is decoded.
func (s *Scenario) inherit() {
	first := &Scenario{}
	s.doc.Again().Decode(first)
	for i, v := range first.Variants {
		for _, part := range []struct {
			name       string
			from, into []Fix
		}{{"fixes", first.Fixes, v.Fixes}, {"inert", first.Inert, v.Inert}} {
			for k, f := range part.into {
				at := slices.IndexFunc(part.from, func(of Fix) bool { return f.Like != "" && of.Name == f.Like })
				if at >= 0 {
					s.doc.Inherit(fmt.Sprintf("variants[%d].%s[%d]", i, part.name, k), fmt.Sprintf("%s[%d]", part.name, at), "evidence")
				}
			}
		}
	}
}

// Is says whether src is meant to be a scenario file, going by its keys.
func Is(src []byte) bool { return yamlfile.Parse("", src).Has("scenario") }

// setDefaults fills in what the file leaves out.
func (s *Scenario) setDefaults() {
	for _, at := range s.probes() {
		if at.probe.Proto == "" {
			at.probe.Proto = probe.TCP
		}
		if !s.doc.Has(at.path + ".timeout") {
			at.probe.Timeout = probe.DefaultTimeout
		}
	}
	s.Matrix.setDefaults()
	for _, list := range s.evidence() {
		for i := range list.specs {
			if e := &list.specs[i]; e.Name == "" {
				e.Name = e.Title()
			}
		}
	}
}

// probeAt is a probe with its path in the file.
type probeAt struct {
	path  string
	probe *Probe
}

// probes lists every probe of the scenario, in the order of the file.
func (s *Scenario) probes() []probeAt {
	var all []probeAt
	for i := range s.Controls {
		all = append(all, probeAt{fmt.Sprintf("%s[%d]", s.at("controls"), i), &s.Controls[i]})
	}
	all = append(all, probeAt{s.at("fault") + ".probe", &s.Fault.Probe})
	for _, f := range s.fixes() {
		if f.fix.Probe != nil {
			all = append(all, probeAt{f.path + ".probe", f.fix.Probe})
		}
	}
	return all
}

// evidenceAt is a list of evidence with its path in the file.
type evidenceAt struct {
	path     string
	specs    []evidence.Spec
	commands bool // taken after commands, which may have made interfaces
}

// evidence lists every list of evidence of the scenario, the fault's first.
func (s *Scenario) evidence() []evidenceAt {
	all := []evidenceAt{{path: s.at("fault") + ".evidence", specs: s.Fault.Evidence}}
	for _, f := range s.fixes() {
		all = append(all, evidenceAt{f.path + ".evidence", f.fix.Evidence, len(f.fix.Run) > 0})
	}
	if s.Matrix != nil {
		all = append(all, evidenceAt{path: s.at("matrix") + ".evidence", specs: s.Matrix.Evidence})
	}
	return all
}

// FixAt is a fix with its path in the file, "inert[0]".
type FixAt struct {
	Path string
	Fix  Fix
}

// FixesWithSettings lists the fixes and inert fixes that set something, in this order.
func (s *Scenario) FixesWithSettings() []FixAt {
	var all []FixAt
	for _, at := range s.fixes() {
		if len(at.fix.Set) > 0 {
			all = append(all, FixAt{at.path, *at.fix})
		}
	}
	return all
}

// fixAt is a fix with its path in the file.
type fixAt struct {
	path  string
	fix   *Fix
	inert bool
}

// fixes lists documented and inert fixes, in this order.
func (s *Scenario) fixes() []fixAt {
	var all []fixAt
	for i := range s.Fixes {
		all = append(all, fixAt{fmt.Sprintf("%s[%d]", s.at("fixes"), i), &s.Fixes[i], false})
	}
	for i := range s.Inert {
		all = append(all, fixAt{fmt.Sprintf("%s[%d]", s.at("inert"), i), &s.Inert[i], true})
	}
	return all
}
