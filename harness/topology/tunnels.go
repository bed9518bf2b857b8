package topology

import (
	"fmt"
	"net/netip"
)

// maxReqID is IPSEC_MANUAL_REQID_MAX of include/uapi/linux/ipsec.h: larger ones are the kernel's own.
const maxReqID = 0x3fff

func (c *checker) tunnels() {
	names, ids, pairs := map[string]string{}, map[string]string{}, map[string]string{}
	for i := range c.t.IPsec {
		t := &c.t.IPsec[i]
		at := fmt.Sprintf("ipsec[%d]", i)
		c.name(at+".name", "tunnel", t.Name)
		c.once(at+".name", names, t.Name, "tunnel %q stands here twice", t.Name)
		c.within(at+".reqid", "reqid", t.ReqID, 1, maxReqID)
		c.once(at+".reqid", ids, fmt.Sprint(t.ReqID), "reqid %d stands here twice", t.ReqID)
		c.gateway(at+".left", t.Left)
		c.gateway(at+".right", t.Right)
		if t.Left.Node == t.Right.Node && t.Left.Node != "" {
			c.Errorf(at+".right.node", "", "both ends of the tunnel are on node %q", t.Left.Node)
		}
		l, r := t.Left.Address, t.Right.Address
		if l.IsValid() && r.IsValid() && l.Is4() != r.Is4() {
			c.Errorf(at+".right.address", "", "%s is %s, but the left gateway's %s is %s", r, family(r), l, family(l))
		}
		if len(t.Selectors) == 0 {
			c.Errorf(at+".selectors", "write selectors: [{left: 10.244.0.0/24, right: 10.244.1.0/24}]",
				"the tunnel has no selectors: no packet would enter it")
		}
		for j, s := range t.Selectors {
			c.selector(fmt.Sprintf("%s.selectors[%d]", at, j), t, s, pairs)
		}
	}
}

func (c *checker) gateway(at string, g Gateway) {
	x := c.nodes[g.Node]
	switch {
	case x == nil || g.Node == "":
		c.unknown(at+".node", "node", g.Node, c.t.names(false))
	case !g.Address.IsValid():
		c.missing(at + ".address")
	default:
		c.own(x, at+".address", g.Address)
	}
}

func (c *checker) selector(at string, t *Tunnel, s Selector, pairs map[string]string) {
	c.network(at+".left", s.Left)
	c.network(at+".right", s.Right)
	if !s.Left.IsValid() || !s.Right.IsValid() {
		return
	}
	if s.Left.Addr().Is4() != s.Right.Addr().Is4() {
		c.Errorf(at+".right", "", "%s is %s, but left %s is %s", s.Right, family(s.Right.Addr()), s.Left, family(s.Left.Addr()))
		return
	}
	if s.Left.Overlaps(s.Right) {
		c.Errorf(at+".right", "", "%s overlaps left %s: the tunnel would take a node's traffic to itself", s.Right, s.Left)
	}
	// A node has one policy for a pair of subnets and a direction, whichever tunnel it is for.
	for _, end := range []struct {
		node     string
		src, dst netip.Prefix
	}{{t.Left.Node, s.Left, s.Right}, {t.Right.Node, s.Right, s.Left}} {
		key := fmt.Sprint(end.node, end.src, end.dst)
		if before, twice := pairs[key]; twice {
			c.Errorf(at, c.firstIs(before), "node %q has a policy for %s to %s already", end.node, end.src, end.dst)
			return
		}
		pairs[key] = at
	}
}
