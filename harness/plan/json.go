package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
)

// kinds is every type of step, for decoding.
var kinds = []Step{
	AddNode{}, AddVeth{}, AddBridge{}, AddVLAN{}, AddMacvlan{}, AddDummy{}, AddVXLAN{}, AddIPIP{},
	SetMTU{}, SetMAC{}, SetMaster{}, SetHairpin{}, AddBridgeVLAN{}, DelBridgeVLAN{}, SetUp{}, AddAddress{},
	SetSysctl{}, AddRoute{}, AddRule{}, AddNeighbour{}, AddXfrmState{}, AddXfrmPolicy{}, LoadRuleset{},
	Serve{}, StartProcess{}, ServeAPI{}, SetService{}, StartKubeProxy{},
}

var kindByName = func() map[string]reflect.Type {
	m := make(map[string]reflect.Type, len(kinds))
	for _, k := range kinds {
		t := reflect.TypeOf(k)
		m[t.Name()] = t
	}
	return m
}()

// MarshalStep returns s as a JSON object: its type in the member "step", its fields beside that.
func MarshalStep(s Step) ([]byte, error) {
	if s == nil {
		return nil, errors.New("encode step: no step")
	}
	name := reflect.TypeOf(s).Name()
	if kindByName[name] == nil {
		return nil, fmt.Errorf("encode step: %T is not a step by value", s)
	}
	fields, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode step %s: %w", name, err)
	}
	head := fmt.Sprintf(`{"step":%q`, name)
	if string(fields) == "{}" {
		return []byte(head + "}"), nil
	}
	return append([]byte(head+","), fields[1:]...), nil
}

// UnmarshalStep reads what MarshalStep wrote. A step, a field or a value that it does not know is an error: what is left
// out of a lab unnoticed would be measured as if it were there.
func UnmarshalStep(data []byte) (Step, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, fmt.Errorf("decode step: %w", err)
	}
	var name string
	if err := json.Unmarshal(fields["step"], &name); err != nil {
		return nil, errors.New(`decode step: it has no "step" with the name of its type`)
	}
	kind, ok := kindByName[name]
	if !ok {
		return nil, fmt.Errorf("decode step: no step is called %q", name)
	}
	delete(fields, "step")
	rest, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("decode step %s: %w", name, err)
	}
	v := reflect.New(kind)
	if err := strict(rest, v.Interface()); err != nil {
		return nil, fmt.Errorf("decode step %s: %w", name, err)
	}
	return v.Elem().Interface().(Step), nil
}

// strict decodes the one value in data into v and refuses fields that v does not have.
func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}

// wire is a Plan as JSON.
type wire struct {
	Topology string            `json:"topology"`
	Options  []string          `json:"options,omitempty"`
	Steps    []json.RawMessage `json:"steps"`
}

// MarshalJSON writes p with one object per step.
func (p Plan) MarshalJSON() ([]byte, error) {
	w := wire{Topology: p.Topology, Options: p.Options, Steps: make([]json.RawMessage, len(p.Steps))}
	for i, s := range p.Steps {
		var err error
		if w.Steps[i], err = MarshalStep(s); err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON wrote, as strictly as UnmarshalStep.
func (p *Plan) UnmarshalJSON(data []byte) error {
	var w wire
	if err := strict(data, &w); err != nil {
		return fmt.Errorf("decode plan: %w", err)
	}
	steps := make([]Step, len(w.Steps))
	for i, raw := range w.Steps {
		var err error
		if steps[i], err = UnmarshalStep(raw); err != nil {
			return fmt.Errorf("decode plan: step %d: %w", i, err)
		}
	}
	*p = Plan{Topology: w.Topology, Options: w.Options, Steps: steps}
	return nil
}
