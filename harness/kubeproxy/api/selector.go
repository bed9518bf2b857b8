package api

import (
	"fmt"
	"strings"
)

// selector is a label selector and a field selector, of the forms that informers send: key, !key, key=value,
// key==value, key!=value, all of which must hold.
type selector []requirement

type requirement struct {
	field bool
	key   string
	value string
	op    string // "exists", "lacks", "=", "!="
}

func parseSelector(labels, fields string) (selector, error) {
	var sel selector
	for _, q := range []struct {
		text  string
		field bool
	}{{labels, false}, {fields, true}} {
		for term := range strings.SplitSeq(q.text, ",") {
			if term = strings.TrimSpace(term); term == "" {
				continue
			}
			r, err := parseRequirement(term)
			if err != nil {
				return nil, err
			}
			r.field = q.field
			if _, known := (object{}).field(r.key); q.field && (!known || r.op == "exists" || r.op == "lacks") {
				return nil, fmt.Errorf("field selector %q is not supported", term)
			}
			sel = append(sel, r)
		}
	}
	return sel, nil
}

func parseRequirement(term string) (requirement, error) {
	if strings.ContainsAny(term, "() ") {
		return requirement{}, fmt.Errorf("selector %q is not supported", term)
	}
	for _, op := range []string{"!=", "==", "="} {
		if key, value, ok := strings.Cut(term, op); ok {
			return requirement{key: key, value: value, op: strings.Replace(op, "==", "=", 1)}, nil
		}
	}
	if key, ok := strings.CutPrefix(term, "!"); ok {
		return requirement{key: key, op: "lacks"}, nil
	}
	return requirement{key: term, op: "exists"}, nil
}

func (s selector) selects(o object) bool {
	for _, r := range s {
		value, have := o.labels[r.key]
		if r.field {
			value, have = o.field(r.key)
		}
		var ok bool
		switch r.op {
		case "exists":
			ok = have
		case "lacks":
			ok = !have
		case "=":
			ok = have && value == r.value
		case "!=": // holds for what is not there at all, as in Kubernetes
			ok = !have || value != r.value
		}
		if !ok {
			return false
		}
	}
	return true
}

func (o object) field(key string) (value string, known bool) {
	switch key {
	case "metadata.name":
		return o.name, true
	case "metadata.namespace":
		return o.namespace, true
	case "spec.clusterIP":
		return o.clusterIP, true
	}
	return "", false
}
