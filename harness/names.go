package harness

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
)

// checkChange finds settings of a fix that change nothing in the lab of the scenario: what was seen with them would be
// chance. Settings of the trial, which may take the cause away just as the fix does, are left out. way has an option of
// each choice of the topology.
func (t *Trial) checkChange(at scenario.FixAt, way map[string]string) error {
	way = maps.Clone(way)
	maps.DeleteFunc(way, func(choice, _ string) bool { _, given := t.Set[choice]; return given })
	before, err := t.compile(t.Scenario.Set, way)
	if err != nil {
		return nil // the trial's own settings mend a scenario that cannot be built without them
	}
	after, err := t.compile(t.Scenario.Set, way, at.Fix.Set)
	if err != nil || !reflect.DeepEqual(before.plan.Steps, after.plan.Steps) {
		return nil
	}
	return t.Scenario.Mistake(at.Path+".set", "change what makes the fault go, or, of an inert fix, what does not",
		fmt.Sprintf("the settings of fix %q change nothing in the lab", at.Fix.Name))
}

// inFile gives mistakes in settings of the scenario, and of a fix of it, their places in the file. Those that came by the
// command line, or by an option of a choice, stay as they are; of what the fix's settings bring about, the fix is named.
func (t *Trial) inFile(err error, at *scenario.FixAt, way map[string]string) error {
	var placed []error
	var all, left yamlfile.Errors
	if errors.As(err, &all) {
		for _, e := range all {
			if inFile := t.placeOf(e, at, way); inFile != nil {
				placed = append(placed, inFile)
			} else {
				left = append(left, e)
			}
		}
		err = left.Err()
	}
	if err != nil && at != nil {
		err = fmt.Errorf("fix %s: %w", at.Fix.Name, err)
	}
	return errors.Join(append(placed, err)...)
}

// placeOf is a mistake in a setting at its place in the scenario's file, or nil where it does not stand there.
func (t *Trial) placeOf(e *yamlfile.Error, at *scenario.FixAt, way map[string]string) error {
	if at != nil {
		for path, value := range at.Fix.Set {
			if e.File == yamlfile.Setting(path, value) {
				return t.Scenario.Mistake(at.Path+".set["+path+"]", e.Hint, e.Msg)
			}
		}
	}
	for path, value := range t.Scenario.Set {
		_, byTrial := t.Set[path]
		_, byWay := way[path]
		if !byTrial && !byWay && e.File == yamlfile.Setting(path, value) {
			return t.Scenario.MistakenSetting(path, e.Hint, e.Msg)
		}
	}
	return nil
}

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
		case ref.Kind == scenario.Interface:
			return checkInterface(top, ref)
		case ref.Kind == scenario.Target:
			if _, err = top.Resolve(ref.Name); err == nil {
				return checkProtocol(top, ref)
			}
		case ref.Kind == scenario.Place && strings.Contains(ref.Name, ":"):
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

// ipvsInterface is what kube-proxy makes in IPVS mode.
const ipvsInterface = "kube-ipvs0"

// checkInterface finds an interface that a node does not have. What a node's processes make is not known.
func checkInterface(top *topology.Topology, ref scenario.Reference) (wrong, hint string) {
	i := slices.IndexFunc(top.Nodes, func(n topology.Node) bool { return n.Name == ref.Node })
	if i < 0 || len(top.Nodes[i].Processes) > 0 {
		return "", "" // a node that does not exist is told where it is named
	}
	have := top.Interfaces(ref.Node)
	if top.Nodes[i].KubeProxy != nil {
		have = append(have, ipvsInterface)
	}
	if slices.Contains(have, ref.Name) {
		return "", ""
	}
	return fmt.Sprintf("node %q has no interface %q", ref.Node, ref.Name), yamlfile.Suggest(ref.Name, have)
}

// checkProtocol finds a Service's port that is asked by a protocol which the Service does not have there.
func checkProtocol(top *topology.Topology, ref scenario.Reference) (wrong, hint string) {
	have := top.Protocols(ref.Name)
	if len(have) == 0 || slices.Contains(have, ref.Proto) {
		return "", ""
	}
	return fmt.Sprintf("%s is a port for %s, not for %s", ref.Name, strings.Join(have, " and "), ref.Proto), "write proto: " + have[0]
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
			return fmt.Errorf("scenario %s has no fix %q: %s", t.Scenario.Name, name, yamlfile.Suggest(name, have))
		}
	}
	return nil
}
