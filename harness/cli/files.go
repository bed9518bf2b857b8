package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
	"github.com/faultline-lab/faultline/scenarios"
	"github.com/faultline-lab/faultline/topologies"
)

// source is a YAML file, from disk or from the binary.
type source struct {
	name string // for error messages: a path, or the path it has in the repository
	dir  string // of a file on disk; empty for one in the binary
	text []byte
}

// isPath reports whether a name on the command line or in a scenario means a file on disk rather than one in the binary.
func isPath(name string) bool {
	return strings.ContainsRune(name, filepath.Separator) || strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")
}

func readFile(path string) (source, error) {
	if path == "" {
		return source{}, &exit{ExitUsage, errors.New("a file is wanted, its name is empty")}
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, unix.EISDIR) {
		files, _ := filepath.Glob(filepath.Join(path, "*.y*ml")) // there is nothing to name in what cannot be read
		err = fmt.Errorf("%s is a directory, a file is wanted: %s", path, cmp.Or(yamlfile.OneOf(files), "it has no YAML file"))
	}
	if err != nil {
		return source{}, &exit{ExitUsage, err}
	}
	return source{name: path, dir: filepath.Dir(path), text: text}, nil
}

// inDir is the path of the file of that name in the directory path, if it has one, else path itself.
func inDir(path, name string) string {
	if _, err := os.Stat(filepath.Join(path, name)); err == nil {
		return filepath.Join(path, name)
	}
	return path
}

// scenarioSource finds a scenario by name in the binary, or by path, which may be that of a directory with a scenario.yaml.
func scenarioSource(name string) (source, error) {
	if isPath(name) {
		src, err := readFile(inDir(name, "scenario.yaml"))
		if of, variant, _ := strings.Cut(name, "/"); errors.Is(err, fs.ErrNotExist) && slices.Contains(scenarios.List(), of) {
			err = fmt.Errorf("%w: did you mean %s --variant %s?", err, of, variant)
		}
		return src, err
	}
	text, err := scenarios.Read(name)
	if err != nil {
		if path := "." + string(filepath.Separator) + name; inDir(path, "scenario.yaml") != path {
			return source{}, &exit{ExitUsage, fmt.Errorf("no scenario %q: did you mean the directory %s?", name, path)}
		}
		return source{}, unknown("scenario", name, scenarios.List())
	}
	return source{name: "scenarios/" + name + "/scenario.yaml", text: text}, nil
}

// topologySource finds a topology by name in the binary, or by a path relative to dir.
func topologySource(name, dir string) (source, error) {
	if isPath(name) {
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return readFile(name)
	}
	text, err := topologies.Read(name)
	if err != nil {
		return source{}, unknown("topology", name, topologies.List())
	}
	return source{name: "topologies/" + name + ".yaml", text: text}, nil
}

// unknown is the error about a name that the binary does not carry.
func unknown(what, name string, have []string) error {
	return &exit{ExitUsage, fmt.Errorf("no %s %q: %s (a file is given by its path, as ./%s.yaml)", what, name, yamlfile.Suggest(name, have), name)}
}

// isTopology refuses a scenario where a topology is wanted.
func (s source) isTopology() error {
	if scenario.Is(s.text) {
		return &exit{ExitUsage, fmt.Errorf("%s is a scenario, a topology is wanted: faultline run runs it", s.name)}
	}
	return nil
}

// isScenario refuses a topology where a scenario is wanted.
func (s source) isScenario() error {
	if topology.Is(s.text) {
		return &exit{ExitUsage, fmt.Errorf("%s is a topology, a scenario is wanted: faultline plan prints how to build it", s.name)}
	}
	return nil
}

// experiment is a scenario, or one of its variants, with its topology's source.
type experiment struct {
	scenario *scenario.Scenario
	topology source
}

// readExperiments reads the scenario of that name or path, and finds the topology of each of its variants.
func readExperiments(name string) ([]experiment, error) {
	src, err := scenarioSource(name)
	if err != nil {
		return nil, err
	}
	return parseExperiments(src)
}

func parseExperiments(src source) ([]experiment, error) {
	if err := src.isScenario(); err != nil {
		return nil, err
	}
	topologies := map[string]source{}
	parsed, err := scenario.ParseWith(src.name, src.text, func(name string) string {
		top, err := topologySource(name, src.dir)
		if err == nil {
			err = top.isTopology()
		}
		if err != nil {
			return err.Error()
		}
		topologies[name] = top
		return ""
	})
	if err != nil {
		return nil, &exit{ExitUsage, err}
	}
	var all []experiment
	for _, sc := range parsed.Each() {
		all = append(all, experiment{scenario: sc, topology: topologies[sc.Topology]})
	}
	return all, nil
}

// parseTopology is the experiment's topology with settings.
func (e *experiment) parseTopology(set map[string]string) (*topology.Topology, error) {
	return topology.Parse(e.topology.name, e.topology.text, set)
}

// settings reads path=value pairs from the command line.
func settings(pairs []string) (map[string]string, error) {
	set := map[string]string{}
	for _, pair := range pairs {
		path, value, ok := strings.Cut(pair, "=")
		if !ok || path == "" {
			return nil, &exit{ExitUsage, fmt.Errorf("--set %q: want PATH=VALUE, for example kubeProxy.mode=iptables", pair)}
		}
		if _, twice := set[path]; twice {
			return nil, &exit{ExitUsage, fmt.Errorf("--set %s is given twice", path)}
		}
		set[path] = value
	}
	return set, nil
}

// usage marks err as bad input unless it has an exit code already.
func usage(err error) error {
	var e *exit
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &exit{ExitUsage, err}
}
