package topology

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// maxAlternatives bounds the ways to take an option of each choice: the file is checked with every one.
const maxAlternatives = 32

// Alternatives lists the ways to take an option of each choice, as settings, in the order of preference: an earlier
// choice weighs more. A choice of which a setting names an option has that one alone. There is one way at least; it is
// empty where the topology has no choices.
func (t *Topology) Alternatives() []map[string]string {
	ways := []map[string]string{{}}
	for _, c := range t.Choices {
		var longer []map[string]string
		for _, way := range ways {
			for _, o := range c.Options {
				if c.Given && o.Name != c.Taken {
					continue
				}
				one := maps.Clone(way)
				one[c.Name] = o.Name
				longer = append(longer, one)
			}
		}
		ways = longer
	}
	return ways
}

// Way prints one of the Alternatives: "cable=vxlan", each choice with its option, sorted.
func Way(way map[string]string) string {
	var words []string
	for _, name := range slices.Sorted(maps.Keys(way)) {
		words = append(words, name+"="+way[name])
	}
	return strings.Join(words, ", ")
}

// parse is Parse for a file with choices, which t has. The file must be right in every alternative by itself; only then do
// settings count, with the options that they take.
func (t *Topology) parse(name string, src []byte, set map[string]string) (*Topology, error) {
	if err := t.checkAlternatives(name, src); err != nil {
		return nil, err
	}
	d := yamlfile.Parse(name, src)
	taken, rest := map[string]string{}, maps.Clone(set)
	for i := range t.Choices {
		c := &t.Choices[i]
		c.Taken, c.Given = c.Options[0].Name, false
		if option, ok := set[c.Name]; ok {
			delete(rest, c.Name)
			c.Taken, c.Given = option, true
			if names := c.Names(); !slices.Contains(names, option) {
				d.SetErrorf(c.Name, option, yamlfile.Suggest(option, names), "choice %q has no option %q", c.Name, option)
			}
		}
		taken[c.Name] = c.Taken
		for _, path := range slices.Sorted(maps.Keys(rest)) {
			if below, ok := strings.CutPrefix(path, c.Name+"."); ok {
				d.SetErrorf(path, rest[path], "write "+c.Name+"="+c.Options[0].Name, "%q lies below a choice", below)
				delete(rest, path)
			}
		}
	}
	if err := d.Err(); err != nil {
		return nil, err
	}
	parsed, err := read(name, src, rest, t.Choices, taken)
	if err != nil {
		return nil, err
	}
	for i := range parsed.Choices {
		parsed.Choices[i].Taken, parsed.Choices[i].Given = t.Choices[i].Taken, t.Choices[i].Given
	}
	return parsed, nil
}

// checkAlternatives finds what is wrong with the file in any of its alternatives. A mistake that not all of them have
// says which options it takes.
func (t *Topology) checkAlternatives(name string, src []byte) error {
	ways := t.Alternatives()
	have := map[yamlfile.Error][]map[string]string{} // the ways that have it
	for _, way := range ways {
		_, err := read(name, src, nil, t.Choices, way)
		wrong, _ := err.(yamlfile.Errors) //nolint:errorlint // read returns nothing else
		for _, e := range wrong {
			have[*e] = append(have[*e], way)
		}
	}
	var all yamlfile.Errors
	for e, in := range have {
		if options := common(in, ways); len(options) > 0 {
			e.Msg += " (with " + Way(options) + ")"
		}
		all = append(all, &e)
	}
	return all.Sorted().Err()
}

// common returns the options that the ways in some, and no others of all, have in common: none where some is all. Where
// no options tell them apart, it is the first of them whole.
func common(some, all []map[string]string) map[string]string {
	same := maps.Clone(some[0])
	has := func(way map[string]string) bool {
		for name, option := range same {
			if way[name] != option {
				return false
			}
		}
		return true
	}
	for _, way := range some {
		maps.DeleteFunc(same, func(name, option string) bool { return way[name] != option })
	}
	n := 0
	for _, way := range all {
		if has(way) {
			n++
		}
	}
	if n > len(some) {
		return some[0]
	}
	return same
}

// read reads the file with the options that are taken of its choices, and settings on top of them.
func read(name string, src []byte, set map[string]string, choices []Choice, taken map[string]string) (*Topology, error) {
	t := &Topology{}
	d := yamlfile.Parse(name, src)
	var also []string
	for i, c := range choices {
		also = append(also, c.Name)
		for j, o := range c.Options {
			if o.Name == taken[c.Name] {
				d.Overlay(fmt.Sprintf("choices[%d].options[%d].set", i, j), t)
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(set)) {
		if path == "choices" || strings.HasPrefix(path, "choices.") {
			d.SetErrorf(path, set[path], "name an option of a choice, as cable=vxlan", "the choices are the file's own")
			return nil, d.Err()
		}
	}
	d.Set(set, t, also...)
	d.Decode(t)
	t.fill()
	check(d, t)
	if err := d.Err(); err != nil {
		return nil, err
	}
	return t, nil
}

// Names lists the options of c, the preferred one first.
func (c *Choice) Names() []string {
	names := make([]string, len(c.Options))
	for i, o := range c.Options {
		names[i] = o.Name
	}
	return names
}

// choices checks what choices say, not what their options come to.
func (c *checker) choices() {
	names, set := map[string]string{}, map[string]string{}
	ways := 1
	for i := range c.t.Choices {
		choice, at := &c.t.Choices[i], fmt.Sprintf("choices[%d]", i)
		c.name(at+".name", "choice", choice.Name)
		c.once(at+".name", names, choice.Name, "choice %q stands here twice", choice.Name)
		if slices.Contains(words(), choice.Name) {
			c.Errorf(at+".name", "choose another name", "%q is a setting already", choice.Name)
		}
		if n := len(choice.Options); n < 2 && !c.Broken(at+".options") {
			c.KeyErrorf(at+".options", "write at least two, the preferred one first", "a choice of %d", n)
		}
		ways *= max(1, len(choice.Options))
		c.options(at, choice, set)
	}
	if ways > maxAlternatives {
		c.KeyErrorf("choices", fmt.Sprintf("there may be %d", maxAlternatives), "the options of the choices can be combined in %d ways", ways)
	}
}

// options checks the options of a choice. set has the paths that earlier choices set, with their place in the file.
func (c *checker) options(at string, choice *Choice, set map[string]string) {
	names, own := map[string]string{}, map[string]string{}
	for i, o := range choice.Options {
		at := fmt.Sprintf("%s.options[%d]", at, i)
		c.name(at+".name", "choice's option", o.Name)
		c.once(at+".name", names, o.Name, "option %q stands here twice", o.Name)
		for _, path := range o.Set {
			key := at + ".set[" + path + "]"
			if first, _, _ := strings.Cut(path, "."); first == "choices" || first == "topology" {
				c.KeyErrorf(key, "take it out", "an option cannot set %s", first)
			}
			for _, before := range slices.Sorted(maps.Keys(set)) {
				if below(path, before) || below(before, path) {
					c.KeyErrorf(key, c.firstIs(set[before]), "an earlier choice sets %s", before)
				}
			}
			own[path] = key
		}
	}
	maps.Copy(set, own)
}

// below says whether path is base or lies below it.
func below(path, base string) bool { return path == base || strings.HasPrefix(path, base+".") }

// words are the settings at the top of every topology.
func words() []string {
	var words []string
	t := reflect.TypeFor[Topology]()
	for i := range t.NumField() {
		word, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		words = append(words, word)
	}
	return words
}
