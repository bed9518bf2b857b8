package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/topology"
)

// routes adds the routes of each node in the order of the file, but those without a next hop first: the kernel refuses
// a next hop that no connected or link-scope route reaches (fib_check_nh in net/ipv4/fib_semantics.c).
func (c *compiler) routes() error {
	for _, n := range c.t.Nodes {
		var direct, via []Step
		for i := range n.Routes {
			s, err := route(n.Name, &n.Routes[i])
			switch {
			case err != nil:
				return fmt.Errorf("node %s: route to %s: %w", n.Name, n.Routes[i].To, err)
			case s.Via.IsValid():
				via = append(via, s)
			default:
				direct = append(direct, s)
			}
		}
		c.add(direct...)
		c.add(via...)
	}
	return nil
}

// tableLocal is where the kernel looks for local addresses first.
const tableLocal = 255

func route(node string, r *topology.Route) (AddRoute, error) {
	to, err := destination(r)
	if err != nil {
		return AddRoute{}, err
	}
	s := AddRoute{
		Node: node, To: to, Via: r.Via, Dev: r.Dev, Src: r.Src, Type: r.Type, Table: r.Table, Metric: r.Metric, OnLink: r.OnLink,
	}
	if s.Type == "unicast" {
		s.Type = ""
	}
	if s.Type == "local" && s.Table == 0 {
		s.Table = tableLocal // as the ip tool does
	}
	return s, nil
}

// destination reads the To of a route. "default" is of the family of the next hop or the source, else IPv4.
func destination(r *topology.Route) (netip.Prefix, error) {
	if r.To == "default" {
		if r.Src.Is6() || (r.Via.Is6() && !r.Src.IsValid()) {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), nil
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), nil
	}
	if !strings.Contains(r.To, "/") {
		a, err := netip.ParseAddr(r.To)
		if err != nil {
			return netip.Prefix{}, fmt.Errorf("neither a prefix nor an address nor \"default\": %w", err)
		}
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(r.To)
	return p.Masked(), err
}

func (c *compiler) rules() error {
	for _, n := range c.t.Nodes {
		for i := range n.Rules {
			s, err := rule(&n, &n.Rules[i])
			if err != nil {
				return fmt.Errorf("node %s: rule %d: %w", n.Name, n.Rules[i].Priority, err)
			}
			c.add(s...)
		}
	}
	return nil
}

// rule returns the step of one rule, or two for a rule without prefixes on a table that has routes of both families.
func rule(n *topology.Node, r *topology.PolicyRule) ([]Step, error) {
	s := AddRule{Node: n.Name, Priority: r.Priority, From: r.From.Masked(), To: r.To.Masked(), IIF: r.IIF, OIF: r.OIF, Table: r.Table}
	if r.Mark != "" {
		mark, mask, masked := strings.Cut(r.Mark, "/")
		var err error
		if s.Mark, err = parseMark(mark); err != nil {
			return nil, err
		}
		if masked {
			if s.Mask, err = parseMark(mask); err != nil {
				return nil, err
			}
		}
	}
	var steps []Step
	for _, ipv6 := range ruleFamilies(n, r) {
		s.IPv6 = ipv6
		steps = append(steps, s)
	}
	return steps, nil
}

func parseMark(s string) (uint32, error) {
	v, err := strconv.ParseUint(s, 0, 32)
	if err != nil {
		return 0, fmt.Errorf("mark %q is not a number of 32 bits", s)
	}
	return uint32(v), nil
}

// ruleFamilies returns whether each rule that r stands for is of IPv6. A rule is of one family: its prefixes tell, else
// the routes of its table, else IPv4.
func ruleFamilies(n *topology.Node, r *topology.PolicyRule) []bool {
	for _, p := range []netip.Prefix{r.From, r.To} {
		if p.IsValid() {
			return []bool{p.Addr().Is6()}
		}
	}
	var families []bool
	for _, ipv6 := range []bool{false, true} {
		if slices.ContainsFunc(n.Routes, func(t topology.Route) bool {
			to, err := destination(&t)
			return err == nil && t.Table == r.Table && to.Addr().Is6() == ipv6
		}) {
			families = append(families, ipv6)
		}
	}
	if families == nil {
		return []bool{false}
	}
	return families
}

func (c *compiler) neighbours() error {
	for _, n := range c.t.Nodes {
		for _, x := range n.Neighbours {
			c.add(AddNeighbour{End: End{n.Name, x.Dev}, Address: x.Address, MAC: x.MAC, Proxy: x.Proxy})
		}
	}
	return nil
}
