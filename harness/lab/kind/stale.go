package kind

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// Kept is a cluster that stays after the run that made it.
type Kept struct {
	Name  string
	Lines []string // how to use it, for a person
}

// state is what a kept site's directory says about it.
type state struct {
	Image    string              `json:"image"`
	Clusters []clusterState      `json:"clusters"`
	Pristine map[string]snapshot `json:"pristine"`
}

type clusterState struct {
	Name    string   `json:"name"`
	Members []string `json:"members"`
	Shape   shape    `json:"shape"`
}

// keptFile is in the directory of a site that is kept: it is not stale, whoever has gone.
const keptFile = "kept.json"

// keep leaves a site to a person: the agent ends, all else stays as the last lab has left it.
func (s *site) keep() (Kept, error) {
	k := state{Image: s.image, Pristine: s.pristine}
	for _, c := range s.clusters {
		k.Clusters = append(k.Clusters, clusterState{c.name, c.plan.members, c.shape})
	}
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return Kept{}, errors.Join(err, s.remove())
	}
	err = errors.Join(
		ignoreLost(s.base.Close()), ignoreLost(s.agent.close()),
		os.WriteFile(filepath.Join(s.dir, keptFile), text, 0o600), s.lock.Close(),
	)
	return Kept{Name: s.name, Lines: s.manual()}, err
}

// giveUp removes the site, or leaves it to the person who has kept it before.
func (s *site) giveUp() error {
	if !s.reused {
		return s.remove()
	}
	_, err := s.keep()
	return err
}

// manual says how to use the site.
func (s *site) manual() []string {
	var lines []string
	for _, c := range s.clusters {
		lines = append(lines, "kubectl --kubeconfig "+s.kubeconfig(c.name)+" get pods --all-namespaces --output wide")
		for _, m := range c.plan.members {
			lines = append(lines, fmt.Sprintf("%s exec -it %s bash   # node %s", s.engine.Command, c.nodes[m], m))
		}
		for _, p := range c.plan.pods {
			if !p.host {
				lines = append(lines, fmt.Sprintf("%s exec -it %s nsenter --net=$(%s exec %s cat %s/%s) bash   # pod %s",
					s.engine.Command, c.nodes[p.on], s.engine.Command, c.nodes[p.on], cniFound, p.name, p.name))
			}
		}
	}
	return append(lines, "faultline down "+s.name+"   # removes it")
}

// Removed is what RemoveStale did about a cluster.
type Removed struct {
	Name string
	Left string // why it was left alone; empty if it was removed
}

// RemoveStale removes every cluster whose owner is gone, with all that has its label: what this tool made with this cache
// directory, and nothing else. What is kept, and what somebody works with, is left alone and said.
func RemoveStale(ctx context.Context, o Options) ([]Removed, error) {
	entries, err := os.ReadDir(stateDir(o.Cache))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out []Removed
	var errs []error
	for _, entry := range entries {
		if !strings.HasPrefix(entry.Name(), namePrefix) {
			continue
		}
		r := Removed{Name: entry.Name()}
		if _, err := os.Stat(filepath.Join(stateDir(o.Cache), entry.Name(), keptFile)); err == nil {
			r.Left = "it is kept; `faultline down " + entry.Name() + "` removes it"
		} else if any, err := remove(ctx, o, entry.Name(), true); errors.Is(err, errHeld) {
			r.Left = errHeld.Error()
		} else if err != nil || !any {
			errs = append(errs, err)
			continue
		}
		out = append(out, r)
	}
	return out, errors.Join(errs...)
}

// ErrName is wrapped by errors about a cluster that there is not.
var ErrName = errors.New("no cluster of that name")

// Remove removes a cluster by its name, kept or stale. What somebody works with is an error.
func Remove(ctx context.Context, o Options, name string) error {
	entries, err := os.ReadDir(stateDir(o.Cache))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var have []string
	for _, entry := range entries {
		have = append(have, entry.Name())
	}
	if !slices.Contains(have, name) {
		return fmt.Errorf("%w, %q, in %s: %s", ErrName, name, stateDir(o.Cache), cmp.Or(yamlfile.Suggest(name, have), "there is none"))
	}
	_, err = remove(ctx, o, name, false)
	return err
}

func remove(ctx context.Context, o Options, name string, killed bool) (bool, error) {
	dir := filepath.Join(stateDir(o.Cache), name)
	lock, err := lockDir(dir)
	if err != nil {
		return false, fmt.Errorf("remove cluster %s: %w", name, err)
	}
	command, err := engineOf(dir)
	if err != nil {
		return false, errors.Join(fmt.Errorf("remove cluster %s: %w", name, err), lock.Close())
	}
	e, err := engine.Find(ctx, cmp.Or(command, o.Engine))
	if err != nil {
		return false, errors.Join(fmt.Errorf("remove cluster %s: %w", name, err), lock.Close())
	}
	s := &site{engine: e, name: name, dir: dir, lock: lock}
	return s.removeUnless(killed)
}
