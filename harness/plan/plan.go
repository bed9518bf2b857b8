// Package plan turns a topology into the ordered steps that build it.
//
// In: a topology.Topology. Out: a Plan: the same file gives the same steps, byte for byte. A Plan prints as a shell
// script that a person can run without faultline, and travels as JSON to where the lab is built. It is pure: knowledge
// of order lives here, so that runtimes need none.
package plan

import (
	"slices"

	"golang.org/x/mod/semver"
)

// Plan is the ordered list of steps that builds a topology. A step refers only to nodes and interfaces that an earlier
// step made.
type Plan struct {
	Topology string   // name of the topology
	Options  []string // what was taken of its choices, for a person: "cable=ipsec, of ipsec, vxlan"
	Steps    []Step
}

// Nodes returns the names of the nodes in the order in which they are made.
func (p *Plan) Nodes() []string {
	var nodes []string
	for _, s := range p.Steps {
		if s, ok := s.(AddNode); ok {
			nodes = append(nodes, s.Node)
		}
	}
	return nodes
}

// KubeProxyVersions returns the versions of kube-proxy that the plan starts, oldest first, each once.
func (p *Plan) KubeProxyVersions() []string {
	var versions []string
	for _, s := range p.Steps {
		if s, ok := s.(StartKubeProxy); ok {
			versions = append(versions, s.Version)
		}
	}
	semver.Sort(versions)
	return slices.Compact(versions)
}
