package topology_test

import (
	"flag"
	"os"
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
