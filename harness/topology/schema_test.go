package topology_test

import (
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/topology"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with the file, or writes the file with -update.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is out of date, run this test with -update if that is meant:\n%s", file, diff)
	}
}

func TestSchemaIsTheCommittedOne(t *testing.T) {
	golden(t, "../../topologies/schema.json", topology.Schema())
}

// The descriptions are read by people who have no source at hand.
func TestSchemaNamesTheDefaultVersion(t *testing.T) {
	if want := `"default ` + topology.DefaultKubeProxy + `"`; !strings.Contains(string(topology.Schema()), want) {
		t.Errorf("no description says %s", want)
	}
}
