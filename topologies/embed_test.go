package topologies_test

import (
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/topology"
	"github.com/faultline-lab/faultline/topologies"
)

func TestEveryTopologyKeepsTheRules(t *testing.T) {
	names := topologies.List()
	if len(names) == 0 {
		t.Fatal("no topologies")
	}
	for _, name := range names {
		text, err := topologies.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		top, err := topology.Parse(name+".yaml", text, nil)
		if err != nil {
			t.Error(err)
			continue
		}
		if top.Name != name {
			t.Errorf("%s.yaml calls itself %q", name, top.Name)
		}
		if !strings.HasPrefix(string(text), "# ") {
			t.Errorf("%s.yaml does not open with a comment and its picture", name)
		}
	}
}

func TestAnUnknownTopologyListsThoseThereAre(t *testing.T) {
	_, err := topologies.Read("edge-ipsek")
	want := `read topology "edge-ipsek": no such topology; there are ` + strings.Join(topologies.List(), ", ")
	if err == nil || err.Error() != want {
		t.Errorf("Read = %v, want %s", err, want)
	}
}
