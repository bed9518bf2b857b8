package plan

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var comparer = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
var prefixComparer = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// stepTypes returns the names of all types of this package that have a step method, from the source: a type that was
// forgotten elsewhere is found here.
func stepTypes(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if d, ok := d.(*ast.FuncDecl); ok && d.Name.Name == "step" && d.Recv != nil {
				names = append(names, d.Recv.List[0].Type.(*ast.Ident).Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

func TestEveryStepIsKnownEverywhere(t *testing.T) {
	var kindNames, titled []string
	for _, k := range kinds {
		kindNames = append(kindNames, reflect.TypeOf(k).Name())
	}
	for typ := range titleOf {
		titled = append(titled, typ.Name())
	}
	slices.Sort(kindNames)
	slices.Sort(titled)
	want := stepTypes(t)
	if len(want) == 0 {
		t.Fatal("found no steps")
	}
	if d := cmp.Diff(want, kindNames); d != "" {
		t.Errorf("kinds -want +got:\n%s", d)
	}
	if d := cmp.Diff(want, titled); d != "" {
		t.Errorf("sections -want +got:\n%s", d)
	}
}

// fill gives every field of v a value of its own that is not zero.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.AddrFrom4([4]byte{10, 0, 0, byte(*n)})))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(*n), 0, 0}), 16)))
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			fill(v.Index(i), n)
		}
	case reflect.String:
		v.SetString("<'é\n" + strings.Repeat("x", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(int64(*n))
	case reflect.Uint16, reflect.Uint32:
		v.SetUint(uint64(*n))
	default:
		panic("no value for " + v.Type().String())
	}
}

func TestEveryStepTravels(t *testing.T) {
	for _, k := range kinds {
		name := reflect.TypeOf(k).Name()
		full := reflect.New(reflect.TypeOf(k)).Elem()
		n := 0
		fill(full, &n)
		for _, s := range []Step{k, full.Interface().(Step)} {
			data, err := MarshalStep(s)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !strings.HasPrefix(string(data), `{"step":"`+name+`"`) || !json.Valid(data) {
				t.Errorf("%s: odd JSON: %s", name, data)
			}
			got, err := UnmarshalStep(data)
			if err != nil {
				t.Errorf("%v\nin %s", err, data)
				continue
			}
			if d := cmp.Diff(s, got, comparer, prefixComparer); d != "" {
				t.Errorf("%s -sent +arrived:\n%s", name, d)
			}
		}
	}
}

func TestPlanTravels(t *testing.T) {
	for _, topo := range networks(t) {
		sent := compile(t, topo)
		data, err := json.Marshal(sent)
		if err != nil {
			t.Fatal(err)
		}
		var got Plan
		if err := json.Unmarshal(data, &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(sent, &got, comparer, prefixComparer); d != "" {
			t.Errorf("%s -sent +arrived:\n%s", topo.Name, d)
		}
	}
}

func TestStepAsJSON(t *testing.T) {
	got, err := MarshalStep(AddVeth{A: End{"a", "eth0"}, B: End{"b", "eth1"}})
	if want := `{"step":"AddVeth","a":{"node":"a","interface":"eth0"},"b":{"node":"b","interface":"eth1"}}`; string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}

func TestDecodingIsStrict(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"no object", `[]`, "decode step: json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
		{"no name", `{"node":"a"}`, `decode step: it has no "step" with the name of its type`},
		{"a name that is no text", `{"step":1}`, `decode step: it has no "step" with the name of its type`},
		{"an unknown step", `{"step":"AddCloud"}`, `decode step: no step is called "AddCloud"`},
		{"an unknown field", `{"step":"AddNode","node":"a","colour":"red"}`, `decode step AddNode: json: unknown field "colour"`},
		{
			"an unknown field further in", `{"step":"AddVeth","a":{"x":1}}`, `decode step AddVeth: json: unknown field "x"`,
		},
		{
			"a value of another type", `{"step":"SetMTU","mtu":"big"}`,
			"decode step SetMTU: json: cannot unmarshal string into Go struct field SetMTU.mtu of type int",
		},
		{"no address", `{"step":"AddNeighbour","address":"x"}`, `decode step AddNeighbour: ParseAddr("x"): unable to parse IP`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := UnmarshalStep([]byte(test.in))
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, %v\nwant %s", s, err, test.want)
			}
		})
	}
	plans := []struct{ name, in, want string }{
		{"a plan's unknown field", `{"topology":"t","stages":[]}`, `decode plan: json: unknown field "stages"`},
		{"a plan's unknown step", `{"topology":"t","steps":[{"step":"X"}]}`, `decode plan: step 0: decode step: no step is called "X"`},
	}
	for _, test := range plans {
		t.Run(test.name, func(t *testing.T) {
			var p Plan
			if err := p.UnmarshalJSON([]byte(test.in)); err == nil || err.Error() != test.want {
				t.Errorf("got %v\nwant %s", err, test.want)
			}
		})
	}
}

func TestEncodingRefusesWhatIsNoStepByValue(t *testing.T) {
	for want, s := range map[string]Step{
		"encode step: no step":                              nil,
		"encode step: *plan.AddNode is not a step by value": &AddNode{},
	} {
		if _, err := MarshalStep(s); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
