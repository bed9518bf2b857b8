package topology_test

import (
	"os"
	"testing"

	"github.com/faultline-lab/faultline/harness/topology"
)

func TestParseEverything(t *testing.T) {
	for _, f := range []string{"testdata/everything.yaml", "../../topologies/edge-ipsec.yaml"} {
		src, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := topology.Parse(f, src, nil); err != nil {
			t.Error(err)
		}
	}
}
