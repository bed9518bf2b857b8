package report

import (
	"bytes"
	_ "embed"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of report.json. A test of this package writes it from the types.
func Schema() []byte { return bytes.Clone(schema) }
