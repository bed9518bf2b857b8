package plan

import (
	"fmt"
	"strings"

	"github.com/faultline-lab/faultline/harness/topology"
)

// Compile returns the steps that build t. It expects what topology.Parse returns; the error names the first thing in a
// Topology made otherwise that it cannot make sense of.
//
// The order is that of a careful person: all namespaces with the sysctls that shape what comes later, interfaces with
// their parents before them, addresses, links up, routes, rules, IPsec, rulesets, servers, and kube-proxy at the end.
func Compile(t *topology.Topology) (*Plan, error) {
	c := &compiler{t: t, ifaces: map[End]*iface{}}
	for _, stage := range []func() error{
		c.nodes, c.interfaces, c.addresses, c.ups, c.routes, c.rules, c.neighbours, c.ipsec, c.rulesets, c.servers, c.cluster,
	} {
		if err := stage(); err != nil {
			return nil, fmt.Errorf("compile topology %s: %w", t.Name, err)
		}
	}
	return &Plan{Topology: t.Name, Options: options(t), Steps: c.steps}, nil
}

// options says what was taken of t's choices.
func options(t *topology.Topology) []string {
	var said []string
	for _, c := range t.Choices {
		said = append(said, fmt.Sprintf("%s=%s, of %s", c.Name, c.Taken, strings.Join(c.Names(), ", ")))
	}
	return said
}

// compiler collects the steps of one topology.
type compiler struct {
	t       *topology.Topology
	steps   []Step
	ifaces  map[End]*iface
	ordered []*iface // parents before children, bridges before their ports
}

func (c *compiler) add(steps ...Step) { c.steps = append(c.steps, steps...) }

func (c *compiler) nodes() error {
	for _, n := range c.t.Nodes {
		c.add(AddNode{Node: n.Name, Host: n.Host})
	}
	ipv6 := usesIPv6(c.t)
	for _, n := range c.t.Nodes {
		c.add(nodeSysctls(&n, ipv6)...)
	}
	return nil
}

func usesIPv6(t *topology.Topology) bool {
	for _, n := range t.Nodes {
		for _, i := range n.Interfaces {
			for _, a := range i.Addresses {
				if a.Addr().Is6() {
					return true
				}
			}
		}
	}
	return false
}

func (c *compiler) addresses() error {
	for _, n := range c.t.Nodes {
		for _, i := range n.Interfaces {
			for _, a := range i.Addresses {
				c.add(AddAddress{End: End{n.Name, i.Name}, Address: a})
			}
		}
	}
	return nil
}

func (c *compiler) ups() error {
	for _, i := range c.ordered {
		if i.end.Interface != "lo" { // AddNode sets it up
			c.add(SetUp{i.end})
		}
	}
	for _, n := range c.t.Nodes {
		for _, i := range n.Interfaces {
			if i.ProxyARP {
				c.add(SetSysctl{Node: n.Name, Name: "net.ipv4.conf." + sysctlPart(i.Name) + ".proxy_arp", Value: "1"})
			}
		}
	}
	return nil
}

func (c *compiler) rulesets() error {
	for _, n := range c.t.Nodes {
		for _, r := range n.Rulesets {
			c.add(LoadRuleset{Node: n.Name, Tool: r.Tool, Text: r.Text})
		}
	}
	return nil
}

func (c *compiler) servers() error {
	for _, n := range c.t.Nodes {
		for _, s := range n.Servers {
			c.add(Serve{Node: n.Name, TCP: s.TCP, UDP: s.UDP})
		}
	}
	for _, n := range c.t.Nodes {
		for _, p := range n.Processes {
			c.add(StartProcess{Node: n.Name, Name: p.Name, Cmd: p.Cmd, Ready: p.Ready})
		}
	}
	return nil
}

// node returns the node of that name, or nil.
func (c *compiler) node(name string) *topology.Node {
	for i := range c.t.Nodes {
		if c.t.Nodes[i].Name == name {
			return &c.t.Nodes[i]
		}
	}
	return nil
}

// parseEnd reads "node:interface".
func parseEnd(s string) (End, error) {
	node, name, ok := strings.Cut(s, ":")
	if !ok || node == "" || name == "" {
		return End{}, fmt.Errorf("endpoint %q is not node:interface", s)
	}
	return End{node, name}, nil
}
