package api

import (
	"encoding/json"
	"fmt"

	"github.com/faultline-lab/faultline/harness/plan"
)

// Objects are the Service and the EndpointSlice that the store serves for s, as a real API server takes them: without
// what it decides by itself.
func Objects(s plan.Service) ([]map[string]any, error) {
	var list []map[string]any
	for _, build := range []builder{buildService(s), buildSlice(s)} {
		var o map[string]any
		if err := json.Unmarshal(build(0).json, &o); err != nil {
			return nil, fmt.Errorf("read the object of service %s: %w", s.Name, err)
		}
		meta := o["metadata"].(map[string]any)
		delete(meta, "uid")
		delete(meta, "resourceVersion")
		list = append(list, o)
	}
	return list, nil
}
