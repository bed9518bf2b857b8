package yamlfile

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Set puts values at paths, as if the file had them there, before the Doc is decoded into into (a pointer to the same
// struct; it is not written to). A path is the way through the file, "kubeProxy.mode"; an item of a list goes by its
// "name" (or "node"), or by its number from 0: "nodes.cloud.kubeProxy.mode", "links.0.mtu". The rest of a path below a
// map is the map's key: "nodes.cloud.sysctls.net.ipv4.ip_forward". Values for lists and mappings are YAML.
//
// Mistakes in paths and values are errors of the Doc whose File is "set PATH=VALUE". also are words that the caller takes
// as settings beside the struct's fields: they are suggested to who mistypes one.
func (d *Doc) Set(settings map[string]string, into any, also ...string) {
	if d.root == nil {
		return
	}
	for _, path := range slices.Sorted(maps.Keys(settings)) {
		s := setting{doc: d, value: settings[path], at: setAt(path, settings[path]), also: also}
		if n := s.put(path, reflect.TypeOf(into).Elem(), d.root); n != nil {
			d.root = n
		}
	}
}

// SetErrorf adds a mistake about the setting of path to value.
func (d *Doc) SetErrorf(path, value, hint, format string, args ...any) {
	d.add(setAt(path, value), hint, format, args...)
}

func setAt(path, value string) Position { return Position{File: Setting(path, value)} }

// Setting is what stands for a file in mistakes about the setting of path to value.
func Setting(path, value string) string { return "set " + path + "=" + value }

// Overlay is Set with settings that stand in the file itself: the mapping at path has them, values by their paths, in
// place of text the YAML itself. They keep their positions, and so do mistakes in them.
func (d *Doc) Overlay(path string, into any) {
	_, _, n := d.find(path)
	if d.root == nil || !d.Has(path) || n.kind != mapping {
		return // nothing there, or what Decode tells
	}
	for _, f := range n.fields {
		s := setting{doc: d, node: f.value, at: f.pos}
		if n := s.put(f.key, reflect.TypeOf(into).Elem(), d.root); n != nil {
			d.root = n
		}
	}
}

// Inherit gives the mapping at path those fields of the mapping at from that it lacks. They keep their positions. merged
// are fields that both may have, lists: of these it gets the items of whose name it has none, in front of its own.
func (d *Doc) Inherit(path, from string, merged ...string) {
	_, _, to := d.find(path)
	_, _, other := d.find(from)
	if !d.Has(path) || !d.Has(from) || to.kind != mapping || other.kind != mapping {
		return
	}
	for _, f := range other.fields {
		own := to.field(f.key)
		switch {
		case own == nil:
			to.fields = append(to.fields, f)
		case slices.Contains(merged, f.key) && own.value.kind == sequence && f.value.kind == sequence:
			list := *own.value
			list.items = slices.DeleteFunc(slices.Clone(f.value.items), func(n *node) bool {
				return slices.ContainsFunc(own.value.items, func(o *node) bool { return n.name() != "" && o.name() == n.name() })
			})
			list.items = append(list.items, own.value.items...)
			own.value = &list
		}
	}
}

// Paths is decoded from a mapping: its keys, in the file's order. What stands below them is left for Overlay.
type Paths []string

type setting struct {
	doc   *Doc
	value string
	node  *node // in place of value: what stands in the file
	at    Position
	also  []string
}

func (s *setting) errorf(hint, format string, args ...any) *node {
	s.doc.add(s.at, hint, format, args...)
	return nil
}

// put returns n with the value put at path below it, or nil after an error. n is nil where the file has nothing yet; t
// is the Go type that n will be decoded into.
func (s *setting) put(path string, t reflect.Type, n *node) *node {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if path == "" {
		return s.parse(t)
	}
	switch {
	case single(t):
		return s.errorf("", "%q lies below a single value", path)
	case t.Kind() == reflect.Struct:
		return s.putField(path, t, n)
	case t.Kind() == reflect.Map:
		return s.putKey(path, "", t.Elem(), n)
	case t.Kind() == reflect.Slice:
		return s.putItem(path, t.Elem(), n)
	}
	return s.errorf("", "%q lies below a single value", path)
}

func (s *setting) putField(path string, t reflect.Type, n *node) *node {
	name, rest, _ := strings.Cut(path, ".")
	known := fieldsOf(t)
	i := slices.IndexFunc(known, func(k structField) bool { return k.name == name })
	if i < 0 {
		words := names(known)
		if n == s.doc.root {
			words = append(words, s.also...)
		}
		return s.errorf(Suggest(name, words), "unknown setting %q", name)
	}
	return s.putKey(name, rest, known[i].typ, n)
}

// putKey puts the value at path below n's field key.
func (s *setting) putKey(key, path string, t reflect.Type, n *node) *node {
	if n == nil || n.kind == null {
		n = &node{kind: mapping, pos: s.at}
	}
	if n.kind != mapping {
		return s.errorf("", "%q is %s in the file, not a mapping", key, n.kind)
	}
	f := n.field(key)
	if f == nil {
		value := s.put(path, t, nil)
		if value == nil {
			return nil
		}
		n.fields = append(n.fields, &field{key: key, pos: s.at, value: value})
		return n
	}
	value := s.put(path, t, f.value)
	if value == nil {
		return nil
	}
	if path == "" {
		f.pos = s.at
	}
	f.value = value
	return n
}

func (s *setting) putItem(path string, t reflect.Type, n *node) *node {
	if n == nil || n.kind != sequence {
		return s.errorf("", "there is no list with %q", path)
	}
	found, after := -1, ""
	var known []string
	for i, item := range n.items {
		for _, name := range []string{item.name(), strconv.Itoa(i)} {
			rest, ok := strings.CutPrefix(path, name)
			if name == "" || !ok || rest != "" && rest[0] != '.' {
				continue
			}
			// Names may have dots: of "eth0" and "eth0.178" the longer one is meant.
			if rest = strings.TrimPrefix(rest, "."); found < 0 || len(rest) < len(after) {
				found, after = i, rest
			}
		}
		if name := item.name(); name != "" {
			known = append(known, name)
		}
	}
	if found < 0 {
		word, _, _ := strings.Cut(path, ".")
		return s.errorf(Suggest(word, known), "no %q in this list of %d", word, len(n.items))
	}
	value := s.put(after, t, n.items[found])
	if value == nil {
		return nil
	}
	n.items[found] = value
	return n
}

// name is what an item of a list goes by.
func (n *node) name() string {
	if n.kind == scalar {
		return n.text
	}
	for _, key := range []string{"name", "node"} {
		if f := n.field(key); f != nil && f.value.kind == scalar {
			return f.value.text
		}
	}
	return ""
}

// parse makes a node of the setting's value.
func (s *setting) parse(t reflect.Type) *node {
	if s.node != nil {
		return s.fitting(t, s.node)
	}
	short := reflect.PointerTo(t).Implements(reflect.TypeFor[Shorthand]()) && !strings.HasPrefix(s.value, "{")
	if single(t) || short {
		return &node{kind: scalar, pos: s.at, text: s.value}
	}
	inner := Parse(s.at.File, []byte(s.value))
	for _, e := range inner.errs {
		s.doc.add(s.at, e.Hint, "%s", e.Msg)
	}
	if len(inner.errs) > 0 || inner.root == nil {
		return nil
	}
	if s.fitting(t, inner.root) == nil {
		return nil
	}
	inner.root.move(s.at)
	return inner.root
}

// fitting returns n if it has the shape of what it is put in place of, else nil after an error: put into the file, a value
// of another shape would take away what everything else refers to.
func (s *setting) fitting(t reflect.Type, n *node) *node {
	want := mapping
	switch {
	case n.kind == refused: // told already
		return nil
	case single(t):
		want = scalar
	case t.Kind() == reflect.Slice:
		want = sequence
	}
	item := n.kind == scalar && t.Kind() == reflect.Slice // of a list that may be written as its only item
	short := n.kind == scalar && reflect.PointerTo(t).Implements(reflect.TypeFor[Shorthand]())
	if n.kind != want && !item && !short {
		return s.errorf("", "%s is wanted here, not %s", want, n.kind)
	}
	return n
}

// move gives n and everything below it the position at.
func (n *node) move(at Position) {
	n.pos = at
	for _, item := range n.items {
		item.move(at)
	}
	for _, f := range n.fields {
		f.pos = at
		f.value.move(at)
	}
}

// single says whether values of t are written as a single value.
func single(t reflect.Type) bool {
	if reflect.PointerTo(t).Implements(textType) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Slice, reflect.Map:
		return false
	case reflect.Pointer:
		panic(fmt.Sprintf("yamlfile: pointer to pointer in %s", t))
	}
	return true
}
