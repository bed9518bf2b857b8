// Package plan turns a topology into the ordered steps that build it.
//
// In: a topology.Topology. Out: a Plan: the same file gives the same steps, byte for byte. A Plan prints as a shell
// script that a person can run without faultline, and travels as JSON to where the lab is built. It is pure: knowledge
// of order lives here, so that runtimes need none.
package plan

// Plan is the ordered list of steps that builds a topology.
type Plan struct {
	Topology string // name of the topology
	Steps    []Step
}
