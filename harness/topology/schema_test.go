package topology_test

import (
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/internal/golden"
	"github.com/faultline-lab/faultline/harness/topology"
)

func TestSchemaIsTheCommittedOne(t *testing.T) {
	golden.Check(t, "../../topologies/schema.json", topology.Schema())
}

// The descriptions are read by people who have no source at hand.
func TestSchemaNamesTheDefaultVersion(t *testing.T) {
	if want := `"default ` + topology.DefaultKubeProxy + `"`; !strings.Contains(string(topology.Schema()), want) {
		t.Errorf("no description says %s", want)
	}
}
