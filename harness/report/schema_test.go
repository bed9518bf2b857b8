package report

import (
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"github.com/invopop/jsonschema"

	"github.com/faultline-lab/faultline/harness/internal/golden"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/verdict"
)

func TestSchemaIsThatOfTheTypes(t *testing.T) {
	r := &jsonschema.Reflector{Anonymous: true, AllowAdditionalProperties: true, Mapper: func(t reflect.Type) *jsonschema.Schema {
		words := &jsonschema.Schema{Type: "string"}
		switch t {
		case reflect.TypeFor[verdict.Verdict]():
			for _, v := range verdict.Verdicts() {
				words.Enum = append(words.Enum, v)
			}
		case reflect.TypeFor[probe.Outcome]():
			for _, o := range append(probe.Outcomes(), "") {
				words.Enum = append(words.Enum, o)
			}
		default:
			return nil
		}
		return words
	}}
	const here = "github.com/faultline-lab/faultline/harness/report"
	for _, dir := range []string{".", "../evidence"} {
		if err := r.AddGoComments(here, dir); err != nil {
			t.Fatal(err)
		}
	}
	s := r.Reflect(&Report{})
	s.Title = SchemaVersion
	got, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "schema.json", append(got, '\n'))
}

// TestReportHasWhatTheSchemaRequires holds the golden report against the schema's lists of required and of known
// fields.
func TestReportHasWhatTheSchemaRequires(t *testing.T) {
	var s struct {
		Defs map[string]struct {
			Required   []string                   `json:"required"`
			Properties map[string]json.RawMessage `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &s); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("testdata/report.json")
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]json.RawMessage
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	check := func(what string, object map[string]json.RawMessage) {
		for _, key := range s.Defs[what].Required {
			if _, ok := object[key]; !ok {
				t.Errorf("%s has no %s", what, key)
			}
		}
		for key := range object {
			if _, ok := s.Defs[what].Properties[key]; !ok {
				t.Errorf("%s has %s, which the schema does not know", what, key)
			}
		}
	}
	check("Report", r)
	for list, what := range map[string]string{"controls": "Control", "fixes": "Fix", "inert": "Fix"} {
		var objects []map[string]json.RawMessage
		if err := json.Unmarshal(r[list], &objects); err != nil || len(objects) == 0 {
			t.Fatal(list, err)
		}
		for _, o := range objects {
			check(what, o)
		}
	}
}
