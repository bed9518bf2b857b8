package scenario_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/invopop/jsonschema"

	"github.com/faultline-lab/faultline/harness/internal/golden"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
)

func TestSchemaIsThatOfTheTypes(t *testing.T) {
	golden.Check(t, "../../scenarios/schema.json", schema(t))
}

// schema is the schema of the types as they are now, their comments as descriptions.
func schema(t *testing.T) []byte {
	t.Helper()
	r := &jsonschema.Reflector{FieldNameTag: "yaml", Anonymous: true, Mapper: yamlForm}
	const here = "github.com/faultline-lab/faultline/harness/scenario"
	for _, dir := range []string{".", "../evidence"} {
		if err := r.AddGoComments(here, dir); err != nil {
			t.Fatal(err)
		}
	}
	s := r.Reflect(&scenario.Scenario{})
	one := uint64(1)
	for _, list := range []struct{ in, field string }{
		{"Scenario", "controls"}, {"Scenario", "fixes"}, {"Scenario", "inert"}, {"Scenario", "variants"},
		{"Variant", "controls"}, {"Variant", "fixes"}, {"Variant", "inert"}, {"Fault", "evidence"}, {"Action", "cmd"},
		{"Matrix", "to"}, {"Matrix", "from"},
	} {
		property(t, s, list.in, list.field).MinItems = &one
	}
	for _, in := range []string{"Scenario", "Variant"} {
		runtimes := property(t, s, in, "runtimes")
		runtimes.MinItems, runtimes.UniqueItems = &one, true
		for _, name := range scenario.Runtimes() {
			runtimes.Items.Enum = append(runtimes.Items.Enum, name)
		}
	}
	// What every variant has of its own need not stand at the top.
	top := s.Definitions["Scenario"]
	top.AnyOf = []*jsonschema.Schema{{Required: top.Required}, {Required: []string{"variants"}}}
	top.Required = []string{"scenario", "title"}
	property(t, s, "Probe", "proto").Enum = []any{probe.TCP, probe.UDP}
	for _, in := range []string{"Probe", "Expectation"} {
		for _, o := range probe.Outcomes() {
			p := property(t, s, in, "want")
			p.Enum = append(p.Enum, o)
		}
	}
	for _, what := range []string{"kernel", "kubeProxy"} {
		release := property(t, s, "Needs", what)
		release.Type, release.OneOf = "", []*jsonschema.Schema{{Type: "string"}, {Type: "number"}}
	}
	fix := s.Definitions["Fix"]
	whole := &jsonschema.Schema{Required: fix.Required}
	for _, way := range []string{"run", "set", "probe", "together"} {
		whole.OneOf = append(whole.OneOf, &jsonschema.Schema{Required: []string{way}})
	}
	fix.AnyOf, fix.Required = []*jsonschema.Schema{whole, {Required: []string{"like"}}}, nil // one that is like another has what it lacks from there
	for _, what := range []string{"cmd", "restart"} {
		s.Definitions["Action"].OneOf = append(s.Definitions["Action"].OneOf, &jsonschema.Schema{Required: []string{what}})
	}
	property(t, s, "Action", "restart").Enum = []any{scenario.KubeProxy}
	for _, c := range scenario.Claims() {
		claims := property(t, s, "MatrixRow", "claims").Items
		claims.Enum = append(claims.Enum, c)
	}
	for in, field := range map[string]string{"Matrix": "before", "MatrixAfter": "measured"} {
		for _, o := range probe.Outcomes() {
			outcomes := property(t, s, in, field).Items.Items
			outcomes.Enum = append(outcomes.Enum, o)
		}
	}
	out, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return append(out, '\n')
}

// yamlForm gives the schemas of types that YAML has in another form than Go.
func yamlForm(t reflect.Type) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[time.Duration]():
		return &jsonschema.Schema{Type: "string", Pattern: `^([0-9]+(\.[0-9]+)?(ns|us|ms|s|m|h))+$`}
	case reflect.TypeFor[map[string]string]():
		return &jsonschema.Schema{Type: "object", AdditionalProperties: &jsonschema.Schema{Type: "", OneOf: []*jsonschema.Schema{
			{Type: "string"}, {Type: "number"}, {Type: "boolean"},
		}}}
	}
	return nil
}

func property(t *testing.T, s *jsonschema.Schema, in, field string) *jsonschema.Schema {
	t.Helper()
	p, ok := s.Definitions[in].Properties.Get(field)
	if !ok {
		t.Fatalf("the schema has no %s.%s", in, field)
	}
	return p
}

// The descriptions are read by people who have no source at hand.
func TestSchemaNamesTheDefaultTimeout(t *testing.T) {
	if want := "default " + probe.DefaultTimeout.String() + `"`; !strings.Contains(string(scenario.Schema()), want) {
		t.Errorf("no description says %s", want)
	}
}
