package yamlfile

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Shorthand is implemented by (pointers to) structs that may also be written as a single value.
type Shorthand interface {
	// FromScalar fills the struct from the text of that value.
	FromScalar(text string) error
}

// Decode fills the struct that into points to with the Doc's values. Fields go by their yaml tags (name, "-", inline).
// Numbers, booleans and text go into Go's kinds; numbers and booleans also into strings, as they are written. Types
// with UnmarshalText (netip.Addr, netip.Prefix) and time.Duration are read from text, structs that implement Shorthand
// from a mapping or from text, Paths from a mapping. A list of such types may be written as its only item. A pointer is set when its key is there, if only as {}. Whatever cannot be decoded is an
// error of the Doc, and is left as it was.
//
// Decode panics on types that it does not know: they are a mistake in the program.
func (d *Doc) Decode(into any) {
	if d.root != nil {
		d.value("", d.root, reflect.ValueOf(into).Elem())
	}
}

var (
	durationType = reflect.TypeFor[time.Duration]()
	textType     = reflect.TypeFor[encoding.TextUnmarshaler]()
	addrType     = reflect.TypeFor[netip.Addr]()
	prefixType   = reflect.TypeFor[netip.Prefix]()
	pathsType    = reflect.TypeFor[Paths]()
)

// value decodes n into v.
func (d *Doc) value(path string, n *node, v reflect.Value) {
	switch n.kind {
	case refused:
		d.broken = append(d.broken, path)
		return
	case null:
		d.fail(path, n, "take the line out, or write {} for a mapping, [] for a list, \"\" for empty text", "no value")
		return
	}
	if v.Kind() == reflect.Pointer {
		p := reflect.New(v.Type().Elem())
		d.value(path, n, p.Elem())
		v.Set(p)
		return
	}
	if text, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if d.is(path, n, scalar) {
			d.text(path, n, v, text)
		}
		return
	}
	if short, ok := v.Addr().Interface().(Shorthand); ok && n.kind == scalar {
		if err := short.FromScalar(n.text); err != nil {
			d.fail(path, n, "", "%v", err)
		}
		return
	}
	if v.Type() == pathsType {
		if d.is(path, n, mapping) {
			v.Set(reflect.ValueOf(n.keys()))
		}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if d.is(path, n, mapping) {
			d.structure(path, n, v)
		}
	case reflect.Slice:
		if n.kind == scalar && reflect.PointerTo(v.Type().Elem()).Implements(textType) {
			n = &node{kind: sequence, pos: n.pos, items: []*node{n}}
		}
		if d.is(path, n, sequence) {
			d.list(path, n, v)
		}
	case reflect.Map:
		if d.is(path, n, mapping) {
			d.table(path, n, v)
		}
	default:
		if d.is(path, n, scalar) {
			d.scalar(path, n, v)
		}
	}
}

func (d *Doc) list(path string, n *node, v reflect.Value) {
	out := reflect.MakeSlice(v.Type(), len(n.items), len(n.items))
	for i, item := range n.items {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, out.Index(i))
	}
	v.Set(out)
}

func (d *Doc) table(path string, n *node, v reflect.Value) {
	out := reflect.MakeMapWithSize(v.Type(), len(n.fields))
	for _, f := range n.fields {
		e := reflect.New(v.Type().Elem()).Elem()
		d.value(path+"["+f.key+"]", f.value, e)
		out.SetMapIndex(reflect.ValueOf(f.key).Convert(v.Type().Key()), e)
	}
	v.Set(out)
}

func (d *Doc) structure(path string, n *node, v reflect.Value) {
	known := fieldsOf(v.Type())
	for _, f := range n.fields {
		i := slices.IndexFunc(known, func(k structField) bool { return k.name == f.key })
		if i < 0 {
			d.holes[path] = true
			d.add(f.pos, Suggest(f.key, names(known)), "unknown field %q", f.key)
			continue
		}
		d.value(join(path, f.key), f.value, v.FieldByIndex(known[i].index))
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// scalar decodes text into Go's simple kinds.
func (d *Doc) scalar(path string, n *node, v reflect.Value) {
	if v.Type() == durationType {
		t, err := time.ParseDuration(n.text)
		if err != nil {
			d.fail(path, n, `write a number with its unit: "500ms", "2s", "1m30s"`, "%q is not a duration", n.text)
			return
		}
		v.SetInt(int64(t))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(n.text)
	case reflect.Bool:
		if n.quoted || n.text != "true" && n.text != "false" {
			d.fail(path, n, "write true or false", "%q is neither true nor false", n.text)
			return
		}
		v.SetBool(n.text == "true")
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		i, err := strconv.ParseInt(n.text, 10, v.Type().Bits())
		if err != nil || n.quoted {
			d.number(path, n, err)
			return
		}
		v.SetInt(i)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		u, err := strconv.ParseUint(n.text, 10, v.Type().Bits())
		if err != nil || n.quoted {
			top := ^uint64(0) >> (64 - v.Type().Bits())
			if _, any := strconv.ParseInt(n.text, 10, 64); any == nil && !n.quoted {
				d.fail(path, n, fmt.Sprintf("it goes from 0 to %d", top), "%s is out of range", n.text)
				return
			}
			d.number(path, n, err)
			return
		}
		v.SetUint(u)
	default:
		panic("yamlfile: cannot decode into " + v.Type().String())
	}
}

func (d *Doc) number(path string, n *node, err error) {
	hint := "write a decimal number"
	if err == nil {
		hint = "take the quotation marks away"
	}
	d.fail(path, n, hint, "%q is not a whole number", n.text)
}

// text decodes into types that read themselves from text. Addresses get words of their own, they are what people mistype.
func (d *Doc) text(path string, n *node, v reflect.Value, into encoding.TextUnmarshaler) {
	err := into.UnmarshalText([]byte(n.text))
	addr, addrErr := netip.ParseAddr(n.text)
	prefix, prefixErr := netip.ParsePrefix(n.text)
	switch {
	case v.Type() == addrType && err != nil && prefixErr == nil:
		d.fail(path, n, "write "+prefix.Addr().String(), "%q has a prefix length, an address is wanted", n.text)
	case v.Type() == addrType && (err != nil || n.text == ""):
		d.fail(path, n, "", "%q is not an IP address", n.text)
	case v.Type() == prefixType && addrErr == nil:
		d.fail(path, n, fmt.Sprintf("write %s/%d for this one address", addr, addr.BitLen()), "%q has no prefix length", n.text)
	case v.Type() == prefixType && (err != nil || n.text == ""):
		d.fail(path, n, "write ADDRESS/LENGTH, as 10.0.0.1/24 or fd00::1/64", "%q is not an address with a prefix length", n.text)
	case err != nil:
		d.fail(path, n, "", "%q: %v", n.text, err)
	}
}

// is says whether n is of the kind that is wanted, and adds an error if not.
func (d *Doc) is(path string, n *node, want kind) bool {
	if n.kind == want {
		return true
	}
	hint := ""
	if want == sequence && n.kind == scalar {
		hint = "write [" + strings.Join(strings.Fields(n.text), ", ") + "]"
	}
	d.fail(path, n, hint, "%s is wanted here, not %s", want, n.kind)
	return false
}

func (d *Doc) fail(path string, n *node, hint, format string, args ...any) {
	d.broken = append(d.broken, path)
	d.add(n.pos, hint, format, args...)
}

type structField struct {
	name  string
	index []int
	typ   reflect.Type
}

func names(fields []structField) []string {
	out := make([]string, len(fields))
	for i, f := range fields {
		out[i] = f.name
	}
	return out
}

// fieldsOf lists the fields of a struct that a file may name, those of inlined structs among them.
func fieldsOf(t reflect.Type) []structField {
	var out []structField
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case strings.Contains(options, "inline"):
			for _, inner := range fieldsOf(f.Type) {
				out = append(out, structField{inner.name, append([]int{i}, inner.index...), inner.typ})
			}
		case name == "":
			panic("yamlfile: no yaml tag on " + t.String() + "." + f.Name)
		default:
			out = append(out, structField{name, []int{i}, f.Type})
		}
	}
	return out
}
