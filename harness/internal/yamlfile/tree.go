package yamlfile

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// node is a value of the file, with nothing left of YAML but its shape.
type node struct {
	kind   kind
	pos    Position
	text   string   // of a scalar
	quoted bool     // of a scalar: certainly text
	items  []*node  // of a sequence
	fields []*field // of a mapping, in the file's order
}

type field struct {
	key   string
	pos   Position
	value *node
}

type kind int

const (
	null    kind = iota
	refused      // an error of its own already
	scalar
	sequence
	mapping
)

func (k kind) String() string {
	return [...]string{"nothing", "nothing", "a single value", "a list", "a mapping"}[k]
}

func (n *node) field(key string) *field {
	for _, f := range n.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

// keys returns the keys of a mapping, in the file's order.
func (n *node) keys() Paths {
	keys := make(Paths, len(n.fields))
	for i, f := range n.fields {
		keys[i] = f.key
	}
	return keys
}

// Parse reads the YAML of src without decoding it, so that settings can be applied before. file is the name used in
// positions.
func Parse(file string, src []byte) *Doc {
	text := strings.ReplaceAll(string(src), "\r\n", "\n")
	d := &Doc{file: file, holes: map[string]bool{}}
	for line := range strings.SplitSeq(text, "\n") {
		// A tab in the excerpt would put the caret elsewhere.
		d.lines = append(d.lines, strings.TrimRight(strings.ReplaceAll(line, "\t", " "), " "))
	}
	f, err := parse(text)
	if err != nil {
		d.syntax(err)
		return d
	}
	var bodies []ast.Node
	for _, doc := range f.Docs {
		if _, comment := doc.Body.(*ast.CommentGroupNode); doc.Body != nil && !comment {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) == 0 {
		d.add(Position{File: file, Line: 1, Column: 1}, "", "the file is empty")
		return d
	}
	if len(bodies) > 1 { // what the first one lacks may be in the others
		d.add(d.tree(bodies[1]).pos, "write it into a file of its own", "a second document in one file")
		return d
	}
	d.root = d.tree(bodies[0])
	return d
}

// parse is the library's parser. It panics on some malformed input; such input is a mistake in the file like any other.
func parse(text string) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("not YAML (%v)", r)
		}
	}()
	return parser.ParseBytes([]byte(text), 0, parser.AllowDuplicateMapKey())
}

func (d *Doc) syntax(err error) {
	at := Position{File: d.file, Line: 1, Column: 1}
	msg, _, _ := strings.Cut(err.Error(), "\n")
	var yamlErr yaml.Error
	if errors.As(err, &yamlErr) {
		msg = yamlErr.GetMessage()
		at = d.place(yamlErr.GetToken())
	}
	d.add(at, "", "%s", msg)
}

func (d *Doc) place(t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{File: d.file, Line: 1, Column: 1}
	}
	return Position{File: d.file, Line: max(t.Position.Line, 1), Column: max(t.Position.Column, 1)}
}

// tree turns the library's syntax tree into nodes. What strict YAML leaves out is an error.
func (d *Doc) tree(n ast.Node) *node {
	if n == nil {
		return &node{pos: Position{File: d.file, Line: 1, Column: 1}}
	}
	at := d.place(n.GetToken())
	switch n := n.(type) {
	case *ast.NullNode:
		return &node{pos: at}
	case *ast.StringNode:
		quoted := n.Token.Type == token.SingleQuoteType || n.Token.Type == token.DoubleQuoteType
		return &node{kind: scalar, pos: at, text: n.Value, quoted: quoted}
	case *ast.LiteralNode:
		return &node{kind: scalar, pos: at, text: n.Value.Value, quoted: true}
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return &node{kind: scalar, pos: at, text: n.GetToken().Value}
	case *ast.MappingNode:
		return d.mapping(at, n.Values, n.IsFlowStyle)
	case *ast.MappingValueNode:
		return d.mapping(at, []*ast.MappingValueNode{n}, false)
	case *ast.SequenceNode:
		seq := &node{kind: sequence, pos: at}
		for _, v := range n.Values {
			seq.items = append(seq.items, d.tree(v))
		}
		return seq
	}
	d.add(at, "write the value out", "%s is not part of this language", strings.ToLower(n.Type().String()))
	return &node{kind: refused, pos: at}
}

func (d *Doc) mapping(at Position, values []*ast.MappingValueNode, flow bool) *node {
	m := &node{kind: mapping, pos: at}
	for i, v := range values {
		key, ok := v.Key.(ast.ScalarNode)
		keyAt := d.place(v.Key.GetToken())
		if i == 0 && !flow {
			m.pos = keyAt // the library's is that of the colon
		}
		if !ok || v.Key.Type() == ast.MergeKeyType || v.Key.Type() == ast.AnchorType || v.Key.Type() == ast.AliasType {
			d.add(keyAt, "write the values out", "a key must be a plain word")
			continue
		}
		name := key.GetToken().Value
		if first := m.field(name); first != nil {
			d.add(keyAt, fmt.Sprintf("the first is in line %d", first.pos.Line), "key %q stands here twice", name)
			continue
		}
		f := &field{key: name, pos: keyAt, value: d.tree(v.Value)}
		if f.value.kind == null {
			f.value.pos = keyAt // a missing value has no place of its own
		}
		m.fields = append(m.fields, f)
	}
	return m
}
