package plan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/faultline-lab/faultline/harness/topology"
)

// iface is one interface of the topology, by a link or by an entry of its node or by both.
type iface struct {
	end    End
	spec   *topology.Interface // nil for the end of a link without settings
	link   bool
	parent *iface
	master *iface
	ports  []*iface // of a bridge
}

func (c *compiler) interfaces() error {
	for _, l := range c.t.Links {
		if err := c.link(&l); err != nil {
			return fmt.Errorf("link %s to %s: %w", l.A, l.B, err)
		}
	}
	all, err := c.indexInterfaces()
	if err != nil {
		return err
	}
	if err := c.relate(all); err != nil {
		return err
	}
	state := map[*iface]visit{}
	for _, i := range all {
		if err := c.order(i, state, nil); err != nil {
			return err
		}
	}
	for _, i := range c.ordered {
		c.add(i.create()...)
		c.add(i.configure()...)
	}
	for _, n := range c.t.Nodes {
		c.add(interfaceSysctls(&n)...)
	}
	return nil
}

func (c *compiler) link(l *topology.Link) error {
	a, err := parseEnd(l.A)
	if err != nil {
		return err
	}
	b, err := parseEnd(l.B)
	if err != nil {
		return err
	}
	for _, e := range []End{a, b} {
		if c.node(e.Node) == nil {
			return fmt.Errorf("no node %s", e.Node)
		}
		if c.ifaces[e] != nil {
			return fmt.Errorf("%s:%s is the end of two links", e.Node, e.Interface)
		}
		c.ifaces[e] = &iface{end: e, link: true}
	}
	c.add(AddVeth{A: a, B: b, MTU: l.MTU})
	return nil
}

// indexInterfaces returns all interfaces: a node's entries in the order of the file, then the ends of links that have
// none.
func (c *compiler) indexInterfaces() ([]*iface, error) {
	var all []*iface
	for n := range c.t.Nodes {
		node := &c.t.Nodes[n]
		for s := range node.Interfaces {
			spec := &node.Interfaces[s]
			e := End{node.Name, spec.Name}
			i := c.ifaces[e]
			if i == nil {
				i = &iface{end: e}
				c.ifaces[e] = i
			}
			if i.spec != nil {
				return nil, fmt.Errorf("interface %s: two entries", e.name())
			}
			i.spec = spec
			if !i.link && spec.Name != "lo" && i.create() == nil {
				return nil, fmt.Errorf("interface %s: no link ends here and nothing makes it", e.name())
			}
			all = append(all, i)
		}
	}
	for _, l := range c.t.Links {
		for _, s := range []string{l.A, l.B} {
			if e, _ := parseEnd(s); c.ifaces[e].spec == nil {
				all = append(all, c.ifaces[e])
			}
		}
	}
	return all, nil
}

// relate resolves the names of parents and bridges.
func (c *compiler) relate(all []*iface) error {
	for _, i := range all {
		if i.spec == nil {
			continue
		}
		if p := i.parentEnd(); p != (End{}) {
			if i.parent = c.ifaces[p]; i.parent == nil {
				return fmt.Errorf("interface %s: no parent %s", i.end.name(), p.name())
			}
		}
		if i.spec.Master == "" {
			continue
		}
		i.master = c.ifaces[End{i.end.Node, i.spec.Master}]
		if i.master == nil || i.master.spec == nil || i.master.spec.Bridge == nil {
			return fmt.Errorf("interface %s: master %s is not a bridge of the node", i.end.name(), i.spec.Master)
		}
		i.master.ports = append(i.master.ports, i)
	}
	return nil
}

// parentEnd returns what i is made on top of, or the zero End.
func (i *iface) parentEnd() End {
	switch s := i.spec; {
	case s.VLAN != nil:
		return End{i.end.Node, s.VLAN.Parent}
	case s.Macvlan != nil:
		if e, err := parseEnd(s.Macvlan.Parent); err == nil {
			return e
		}
		return End{i.end.Node, s.Macvlan.Parent}
	case s.VXLAN != nil && s.VXLAN.Parent != "":
		return End{i.end.Node, s.VXLAN.Parent}
	}
	return End{}
}

type visit int

const (
	under visit = iota + 1 // its dependencies are being visited
	done
)

// order appends i to c.ordered after all that it depends on: its parent, its bridge, and the ports of a parent that is
// a bridge, for these decide that bridge's MTU and MAC, which children take over when they are made.
func (c *compiler) order(i *iface, state map[*iface]visit, path []string) error {
	path = append(path, i.end.name())
	switch state[i] {
	case done:
		return nil
	case under:
		return errors.New("interfaces depend on each other: " + strings.Join(path, ", "))
	}
	state[i] = under
	var needs []*iface
	if i.master != nil {
		needs = append(needs, i.master)
	}
	if i.parent != nil {
		needs = append(needs, i.parent)
		needs = append(needs, i.parent.ports...)
	}
	for _, need := range needs {
		if err := c.order(need, state, path); err != nil {
			return err
		}
	}
	state[i] = done
	c.ordered = append(c.ordered, i)
	return nil
}

// create returns the step that makes i, none for lo and the end of a link.
func (i *iface) create() []Step {
	s := i.spec
	switch {
	case s == nil:
		return nil
	case s.Bridge != nil:
		return []Step{AddBridge{End: i.end, VLANFiltering: s.Bridge.VLANFiltering}}
	case s.VLAN != nil:
		return []Step{AddVLAN{End: i.end, Parent: s.VLAN.Parent, ID: s.VLAN.ID}}
	case s.Macvlan != nil:
		mode := s.Macvlan.Mode
		if mode == "" {
			mode = "bridge"
		}
		return []Step{AddMacvlan{End: i.end, Parent: i.parentEnd(), Mode: mode}}
	case s.Dummy != nil:
		return []Step{AddDummy{i.end}}
	case s.VXLAN != nil:
		v := *s.VXLAN
		if v.Port == 0 {
			v.Port = 4789
		}
		return []Step{AddVXLAN{End: i.end, ID: v.ID, Local: v.Local, Remote: v.Remote, Port: v.Port, Parent: v.Parent}}
	case s.IPIP != nil:
		return []Step{AddIPIP{End: i.end, Local: s.IPIP.Local, Remote: s.IPIP.Remote}}
	}
	return nil
}

// configure returns the steps that give i its own settings, before anything is made on top of it: children take over
// MAC and MTU.
func (i *iface) configure() []Step {
	s := i.spec
	if s == nil {
		return nil
	}
	var steps []Step
	if s.MAC != "" {
		steps = append(steps, SetMAC{i.end, s.MAC})
	}
	if s.MTU != 0 {
		steps = append(steps, SetMTU{i.end, s.MTU})
	}
	if s.Master != "" {
		steps = append(steps, SetMaster{i.end, s.Master})
	}
	if s.Port == nil {
		return steps
	}
	if s.Port.Hairpin && s.Master != "" {
		steps = append(steps, SetHairpin{i.end, true})
	}
	self := s.Master == ""
	if len(s.Port.VLANs) > 0 {
		steps = append(steps, DelBridgeVLAN{End: i.end, VID: 1, Self: self})
	}
	for _, v := range s.Port.VLANs {
		steps = append(steps, AddBridgeVLAN{End: i.end, VID: v.VID, PVID: v.PVID, Untagged: v.Untagged, Self: self})
	}
	return steps
}
