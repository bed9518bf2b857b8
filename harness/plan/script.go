package plan

import (
	"fmt"
	"reflect"
	"strings"
)

// sections are the headings of a script, each with the steps under it. A heading is printed where the plan goes over to
// its steps.
var sections = []struct {
	title string
	steps []Step
}{
	{"Nodes: a network namespace each", []Step{AddNode{}}},
	{"Sysctls", []Step{SetSysctl{}}},
	{"Links between nodes", []Step{AddVeth{}}},
	{"Interfaces: parents first, each with its settings before anything is made on top of it", []Step{
		AddBridge{}, AddVLAN{}, AddMacvlan{}, AddDummy{}, AddVXLAN{}, AddIPIP{},
		SetMTU{}, SetMAC{}, SetMaster{}, SetHairpin{}, AddBridgeVLAN{}, DelBridgeVLAN{},
	}},
	{"Addresses", []Step{AddAddress{}}},
	{"Interfaces up: parents first", []Step{SetUp{}}},
	{"Routes: those that next hops need first", []Step{AddRoute{}}},
	{"Routing policy rules", []Step{AddRule{}}},
	{"Neighbours", []Step{AddNeighbour{}}},
	{"IPsec: ESP in tunnel mode, both ends", []Step{AddXfrmState{}, AddXfrmPolicy{}}},
	{"Rulesets", []Step{LoadRuleset{}}},
	{"Servers that answer with their name: they need faultline", []Step{Serve{}}},
	{"Processes", []Step{StartProcess{}}},
	{"The cluster: kube-proxy and the objects it sees", []Step{ServeAPI{}, SetService{}, StartKubeProxy{}}},
}

var titleOf = func() map[reflect.Type]string {
	m := map[reflect.Type]string{}
	for _, s := range sections {
		for _, step := range s.steps {
			m[reflect.TypeOf(step)] = s.title
		}
	}
	return m
}()

// Script returns a POSIX shell script that builds p's network out of named network namespaces when root runs it: with
// the tools alone, without faultline. Processes are no part of the network; the script shows in comments how they are
// started, the holder of the socket for ESP in UDP among them.
func (p *Plan) Script() string {
	var b strings.Builder
	fmt.Fprintf(&b, `#!/bin/sh
# The network of topology %s. Run it as root; it needs ip and bridge (iproute2) and sysctl%s.
`, p.Topology, p.tools())
	for _, o := range p.Options {
		b.WriteString("# Its options: " + o + "; --set takes another.\n")
	}
	b.WriteString("# Each node is a network namespace: \"ip netns exec NODE sh\" is a shell in it. Take it all down again with:\n")
	for _, l := range strings.Split(strings.TrimSuffix(p.Teardown(), "\n"), "\n") {
		b.WriteString("#   " + l + "\n")
	}
	b.WriteString("set -eu\n")
	title := ""
	holds := map[string]bool{} // nodes with a socket for ESP in UDP
	for _, s := range p.Steps {
		if t := titleOf[reflect.TypeOf(s)]; t != title {
			title = t
			fmt.Fprintf(&b, "\n# %s\n", title)
		}
		if s, ok := s.(AddXfrmState); ok && s.UDPEncap && !holds[s.Node] {
			holds[s.Node] = true
			b.WriteString(espSocket(s.Node) + "\n")
		}
		for _, command := range s.step() {
			if isProcess(s) {
				command = comment(command)
			}
			b.WriteString(command + "\n")
		}
	}
	return b.String()
}

// Teardown returns the commands that remove what Script makes. Interfaces go with their namespaces.
func (p *Plan) Teardown() string {
	var b strings.Builder
	for _, n := range p.Nodes() {
		b.WriteString(Shell("ip", "netns", "del", n) + "\n")
	}
	return b.String()
}

// tools names the rule tools that the script calls.
func (p *Plan) tools() string {
	var out string
	seen := map[string]bool{}
	for _, s := range p.Steps {
		if s, ok := s.(LoadRuleset); ok && !seen[s.Tool] {
			seen[s.Tool] = true
			out += ", " + s.Tool
		}
	}
	return out
}

// isProcess tells whether s starts something that runs on, or speaks to it.
func isProcess(s Step) bool {
	switch s.(type) {
	case Serve, StartProcess, ServeAPI, SetService, StartKubeProxy:
		return true
	}
	return false
}

// comment makes every line of a command a comment.
func comment(command string) string {
	lines := strings.Split(command, "\n")
	for i, l := range lines {
		if !strings.HasPrefix(l, "#") {
			lines[i] = "# " + l
		}
	}
	return strings.Join(lines, "\n")
}
