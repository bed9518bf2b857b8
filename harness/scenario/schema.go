package scenario

import "github.com/faultline-lab/faultline/scenarios"

// Schema returns the JSON Schema of scenario files, for editors. It is the language's shape only: whether a scenario
// could prove anything, Parse alone knows. A test of this package writes it from the types.
func Schema() []byte { return scenarios.Schema() }
