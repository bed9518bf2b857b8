// Package topologies holds the topologies that come with faultline, so that the binary runs without its sources.
package topologies

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
)

//go:embed *.yaml
var files embed.FS

// Read returns the file of the topology of that name, "edge-ipsec" for edge-ipsec.yaml. The error lists the names
// there are.
func Read(name string) ([]byte, error) {
	text, err := files.ReadFile(name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("read topology %q: no such topology; there are %s", name, strings.Join(List(), ", "))
	}
	return text, nil
}

// List returns the names of all topologies, sorted.
func List() []string {
	paths, err := fs.Glob(files, "*.yaml")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	for i, p := range paths {
		paths[i] = strings.TrimSuffix(p, ".yaml")
	}
	return paths
}
