package scenario

import (
	"fmt"
	"maps"
	"slices"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// Each returns the experiments that the scenario stands for, in the order of the file: one for each variant, or the
// scenario itself where it has none.
func (s *Scenario) Each() []*Scenario {
	each := s.experiments()
	for _, one := range each {
		one.join()
	}
	return each
}

// experiments is Each with fixes as they stand in the file: not joined yet.
func (s *Scenario) experiments() []*Scenario {
	if len(s.Variants) == 0 {
		return []*Scenario{s}
	}
	each := make([]*Scenario, len(s.Variants))
	for i, v := range s.Variants {
		from := s
		for k := range i {
			if v.Like != "" && s.Variants[k].Name == v.Like {
				from = each[k]
			}
		}
		each[i] = from.as(v, fmt.Sprintf("variants[%d]", i))
	}
	return each
}

// FullName is the scenario's name, with that of the variant: "nftables-snat/globalnet".
func (s *Scenario) FullName() string {
	if s.Variant == "" {
		return s.Name
	}
	return s.Name + "/" + s.Variant
}

// as is s with what v, which stands at path, has in its place.
func (s *Scenario) as(v Variant, path string) *Scenario {
	one := *s
	one.Variant, one.Says, one.Variants = v.Name, v.Says, nil
	one.Set, one.own = maps.Clone(s.Set), maps.Clone(s.own)
	if one.Set == nil {
		one.Set = map[string]string{}
	}
	maps.Copy(one.Set, v.Set)
	if one.own == nil {
		one.own = map[string]string{}
	}
	has := func(part string) { one.own[part] = path + "." + part }
	for setting := range v.Set {
		has(setPath(setting))
	}
	if v.Topology != "" {
		one.Topology = v.Topology
		has("topology")
	}
	if v.Runtimes != nil {
		one.Runtimes = v.Runtimes
		has("runtimes")
	}
	if v.Controls != nil {
		one.Controls = v.Controls
		has("controls")
	}
	if v.Fault != nil {
		one.Fault = *v.Fault
		has("fault")
	}
	if v.Fixes != nil {
		one.Fixes = v.Fixes
		has("fixes")
	}
	if v.Inert != nil {
		one.Inert = v.Inert
		has("inert")
	}
	if v.Matrix != nil {
		one.Matrix = v.Matrix
		has("matrix")
	}
	return &one
}

// at is the path of a part of the experiment: its own name, or where the variant has it.
func (s *Scenario) at(part string) string {
	if path, ok := s.own[part]; ok {
		return path
	}
	return part
}

// setPath is the path of a setting of the scenario.
func setPath(setting string) string { return "set[" + setting + "]" }

// variants checks what the variants say about themselves, and that nothing stands in the file that none of them uses.
func (r rules) variants(each []*Scenario) {
	var all []named
	for i, v := range r.s.Variants {
		path := fmt.Sprintf("variants[%d]", i)
		r.need(path, "name", v.Name, "name the variant: --variant and the report's directory go by its name")
		if v.Name != "" && !nameForm.MatchString(v.Name) {
			r.Errorf(path+".name", "use small letters, digits, and dots or dashes between them", "%q is not a name for a variant", v.Name)
		}
		if earlier := variantNames(r.s.Variants[:i]); v.Like != "" && !slices.Contains(earlier, v.Like) {
			r.Errorf(path+".like", yamlfile.Suggest(v.Like, earlier), "no earlier variant is called %q", v.Like)
		}
		all = append(all, named{path, v.Name})
	}
	r.unique("variant", all)
	for _, part := range []string{"topology", "runtimes", "controls", "fault", "fixes", "inert", "matrix"} {
		used := false
		for _, s := range each {
			used = used || s.at(part) == part
		}
		if !used && r.Has(part) {
			r.KeyErrorf(part, "take it out", "every variant has %s of its own, so this is never used", part)
		}
	}
}

func variantNames(list []Variant) []string {
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = v.Name
	}
	return names
}
