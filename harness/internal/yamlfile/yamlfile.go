// Package yamlfile reads strict YAML and remembers where everything stands.
//
// In: the bytes of a file, settings by path, and a pointer to a struct with yaml tags. Out: the struct filled, a Doc
// that knows the position of every value, and every mistake at once, each with file, line, column, an excerpt and a
// suggestion. It never reads files, and it knows nothing of what the values mean: its callers add such mistakes with
// Doc.Errorf.
//
// The YAML is strict: one document; no anchors, aliases, merge keys or tags; a key once; only fields that the struct
// has; no key without a value.
package yamlfile

import (
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file.
type Position struct {
	File   string // or "set PATH=VALUE", for what came by a setting
	Line   int    // from 1; 0 for a setting
	Column int    // from 1, in characters; 0 for a setting
}

// Doc is a file that was read. Values in it are named by paths: "nodes[2].name", "nodes[0].sysctls[net.ipv4.ip_forward]"
// (keys of a Go map stand in brackets), "" for the whole file.
type Doc struct {
	file  string
	lines []string
	root  *node // nil if the file has no usable content

	errs   Errors
	broken []string        // paths that could not be decoded
	holes  map[string]bool // paths of mappings in which a key is unknown
}

// Decode reads src into the struct that into points to. file is the name used in positions. The returned Errors are
// those found so far; the Doc is never nil, and collects more with Errorf.
func Decode(file string, src []byte, into any) (*Doc, Errors) {
	d := Parse(file, src)
	d.Decode(into)
	return d, d.Errors()
}

// Errors returns everything that is wrong so far, sorted.
func (d *Doc) Errors() Errors { return d.errs.Sorted() }

// Err returns Errors as an error, nil if nothing is wrong.
func (d *Doc) Err() error { return d.Errors().Err() }

// Again returns a Doc of the same values of which nothing was decoded yet, for who must look at them before. Its mistakes
// are its own.
func (d *Doc) Again() *Doc {
	return &Doc{file: d.file, lines: d.lines, root: d.root, errs: slices.Clone(d.errs), holes: map[string]bool{}}
}

// At returns the position of the value at path, or of the nearest value around it if there is none.
func (d *Doc) At(path string) Position {
	_, _, n := d.find(path)
	return n.pos
}

// Has says whether the file (or a setting) has a value at path.
func (d *Doc) Has(path string) bool {
	rest, _, _ := d.find(path)
	return d.root != nil && rest == ""
}

// Broken says whether something at path, around it or below it could not be decoded, so that conclusions from it are idle.
func (d *Doc) Broken(path string) bool {
	if d.root == nil {
		return true
	}
	for _, b := range d.broken {
		if within(b, path) || within(path, b) {
			return true
		}
	}
	for h := range d.holes {
		if within(h, path) {
			return true
		}
	}
	return false
}

// Errorf adds a mistake about the value at path. The hint may be empty. What follows from a mistake already known is
// left out: one about a value that could not be decoded, or about a missing value in a mapping with an unknown key.
func (d *Doc) Errorf(path, hint, format string, args ...any) {
	rest, _, n := d.find(path)
	if d.follows(path, rest) {
		return
	}
	d.add(n.pos, hint, format, args...)
}

// KeyErrorf is Errorf with the position of the key in front of the value.
func (d *Doc) KeyErrorf(path, hint, format string, args ...any) {
	rest, f, n := d.find(path)
	if d.follows(path, rest) {
		return
	}
	if rest == "" && f != nil {
		n = &node{pos: f.pos}
	}
	d.add(n.pos, hint, format, args...)
}

// follows says whether a mistake at path, of which rest does not exist, comes from one that is already known.
func (d *Doc) follows(path, rest string) bool {
	if d.root == nil {
		return true
	}
	for _, b := range d.broken {
		if within(path, b) {
			return true
		}
	}
	around := strings.TrimSuffix(strings.TrimSuffix(path, rest), ".")
	return rest != "" && d.holes[around]
}

// within says whether path is base or lies below it.
func within(path, base string) bool {
	rest, ok := strings.CutPrefix(path, base)
	return ok && (base == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (d *Doc) add(at Position, hint, format string, args ...any) {
	e := &Error{File: at.File, Line: at.Line, Column: at.Column, Msg: fmt.Sprintf(format, args...), Hint: hint}
	if at.Line > 0 && at.Line <= len(d.lines) {
		e.Excerpt = d.lines[at.Line-1]
	}
	d.errs = append(d.errs, e)
}

// find walks path. It returns the part of path that does not exist, the field by which the last value was reached (nil
// in a list or at the root), and that value.
func (d *Doc) find(path string) (rest string, by *field, n *node) {
	if d.root == nil {
		return path, nil, &node{pos: Position{File: d.file, Line: 1, Column: 1}}
	}
	n = d.root
	for path != "" {
		f, item, after := n.step(path)
		if item == nil {
			return path, by, n
		}
		by, n, path = f, item, strings.TrimPrefix(after, ".")
	}
	return "", by, n
}

// step takes the first element of path. The item is nil if n has none of that name.
func (n *node) step(path string) (by *field, item *node, rest string) {
	if inner, ok := strings.CutPrefix(path, "["); ok {
		name, rest, _ := strings.Cut(inner, "]")
		if n.kind == sequence {
			var i int
			if _, err := fmt.Sscanf(name, "%d", &i); err == nil && i >= 0 && i < len(n.items) {
				return nil, n.items[i], rest
			}
			return nil, nil, path
		}
		if f := n.field(name); f != nil {
			return f, f.value, rest
		}
		return nil, nil, path
	}
	end := strings.IndexAny(path, ".[")
	if end < 0 {
		end = len(path)
	}
	if f := n.field(path[:end]); f != nil {
		return f, f.value, path[end:]
	}
	return nil, nil, path
}
