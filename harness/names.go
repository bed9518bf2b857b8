package harness

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
)

// checkNames finds names in the scenario that its topology does not have, all at once, at their places in the file.
func (t *Trial) checkNames(top *topology.Topology) error {
	return t.Scenario.CheckNames(func(ref scenario.Reference) (wrong, hint string) {
		var err error
		switch {
		case ref.Kind == scenario.Node:
			if !slices.ContainsFunc(top.Nodes, func(n topology.Node) bool { return n.Name == ref.Name }) {
				return fmt.Sprintf("topology %s has no node %q", top.Name, ref.Name), yamlfile.Suggest(ref.Name, nodeNames(top))
			}
		case ref.Kind == scenario.Proxy:
			if !slices.ContainsFunc(top.Nodes, func(n topology.Node) bool { return n.Name == ref.Name && n.KubeProxy != nil }) {
				return fmt.Sprintf("node %q of topology %s runs no kube-proxy", ref.Name, top.Name), ""
			}
		case ref.Kind == scenario.Target, ref.Kind == scenario.Place && strings.Contains(ref.Name, ":"):
			_, err = top.Resolve(ref.Name)
		default:
			_, err = top.Addresses(ref.Name)
		}
		if err != nil {
			return err.Error(), ""
		}
		return "", ""
	})
}

func nodeNames(top *topology.Topology) []string {
	var names []string
	for _, n := range top.Nodes {
		names = append(names, n.Name)
	}
	return names
}

// checkOnly finds names of fixes on the command line that the scenario does not have.
func (t *Trial) checkOnly() error {
	var have []string
	for _, f := range slices.Concat(t.Scenario.Fixes, t.Scenario.Inert) {
		have = append(have, f.Name)
	}
	for _, name := range t.Only {
		if !slices.Contains(have, name) {
			return fmt.Errorf("scenario %s has no fix %q: it has %s", t.Scenario.Name, name, strings.Join(have, ", "))
		}
	}
	return nil
}
