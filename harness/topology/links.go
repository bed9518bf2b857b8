package topology

import (
	"fmt"
	"strings"
)

func (c *checker) links() {
	seen := map[string]string{}
	for i := range c.t.Links {
		l := &c.t.Links[i]
		at := fmt.Sprintf("links[%d]", i)
		okA := c.endpoint(at+".a", l.A, seen)
		okB := c.endpoint(at+".b", l.B, seen)
		if l.MTU != 0 {
			c.mtu(at+".mtu", l.MTU)
		}
		if okA && okB {
			c.sameSubnet(at, l)
		}
	}
}

// endpoint checks one end of a link, and says whether it is usable.
func (c *checker) endpoint(path, end string, seen map[string]string) bool {
	node, name, ok := strings.Cut(end, ":")
	x := c.nodes[node]
	switch {
	case end == "" && !c.Has(path):
		c.missing(path)
	case !ok || node == "" || name == "":
		c.Errorf(path, `write "node:interface"`, "%q is not the end of a link", end)
	case x == nil:
		c.unknown(path, "node", node, c.t.names(false))
	case name == "lo":
		c.Errorf(path, "", "lo cannot be the end of a link")
	default:
		before := len(c.Errors())
		if x.byName[name] == nil { // else it is checked where its entry stands
			c.interfaceName(path, name)
		}
		c.once(path, seen, end, "%s is the end of two links", end)
		return before == len(c.Errors())
	}
	return false
}

// sameSubnet reports ends of one link whose subnets overlap without being equal: each then takes other addresses for
// its neighbours. Subnets that have nothing in common are left alone, point-to-point addresses are used so.
func (c *checker) sameSubnet(at string, l *Link) {
	nodeA, nameA, _ := strings.Cut(l.A, ":")
	nodeB, nameB, _ := strings.Cut(l.B, ":")
	a, b := c.nodes[nodeA].byName[nameA], c.nodes[nodeB].byName[nameB]
	if a == nil || b == nil {
		return
	}
	for _, p := range a.Addresses {
		for _, q := range b.Addresses {
			if p.IsSingleIP() || q.IsSingleIP() || !p.IsValid() || !q.IsValid() || !p.Overlaps(q) || p.Bits() == q.Bits() {
				continue
			}
			c.Errorf(at, "give both the same prefix length", "the ends of this link have different subnets: %s %s, %s %s", l.A, p, l.B, q)
		}
	}
}

// subnets reports interfaces of one node whose subnets overlap without being equal: which of them an address is
// reached by then depends on the longer prefix alone. Single addresses and lo are left alone, so are equal subnets,
// which a node with two legs in one network has.
func (c *checker) subnets(x *nodeIndex) {
	for j := range x.Interfaces {
		for k, q := range x.Interfaces[j].Addresses {
			for i := range j {
				for _, p := range x.Interfaces[i].Addresses {
					if x.Interfaces[i].Name == "lo" || x.Interfaces[j].Name == "lo" || !p.IsValid() || !q.IsValid() ||
						p.IsSingleIP() || q.IsSingleIP() || p.Bits() == q.Bits() || !p.Overlaps(q) || p.Addr().IsLinkLocalUnicast() {
						continue
					}
					c.Errorf(fmt.Sprintf("%s.interfaces[%d].addresses[%d]", x.path, j, k), "",
						"subnet %s of %s overlaps %s of %s on the same node", q.Masked(), x.Interfaces[j].Name, p.Masked(), x.Interfaces[i].Name)
				}
			}
		}
	}
}
