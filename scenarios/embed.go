// Package scenarios carries the scenario files of this directory, and their JSON Schema, in the binary.
//
// Out: the text of a scenario by its name. It knows nothing of what the text means.
package scenarios

import (
	"bytes"
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed */scenario.yaml
var files embed.FS

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of scenario files, for editors.
func Schema() []byte { return bytes.Clone(schema) }

// Read returns the scenario file of that name. The error lists the names there are.
func Read(name string) ([]byte, error) {
	text, err := files.ReadFile(name + "/scenario.yaml")
	if err != nil {
		return nil, fmt.Errorf("no scenario %q: there are %s; for a file write its path", name, strings.Join(List(), ", "))
	}
	return text, nil
}

// List returns the names of all scenarios, sorted.
func List() []string {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // the directory is part of the binary
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	slices.Sort(names)
	return names
}
