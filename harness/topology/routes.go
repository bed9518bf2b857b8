package topology

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// mainTable is where routes are that name no table (RT_TABLE_MAIN).
const mainTable = 254

// prefix returns what the route is to; "default" is of the family of the next hop or the source, else IPv4.
func (r *Route) prefix() (netip.Prefix, error) {
	if r.To == "default" {
		if r.Via.Is6() || r.Src.Is6() {
			return netip.PrefixFrom(netip.IPv6Unspecified(), 0), nil
		}
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0), nil
	}
	if a, err := netip.ParseAddr(r.To); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.ParsePrefix(r.To)
}

func (c *checker) routes(x *nodeIndex) {
	seen := map[string]string{}
	for i := range x.Routes {
		r := &x.Routes[i]
		at := fmt.Sprintf("%s.routes[%d]", x.path, i)
		to, err := r.prefix()
		switch {
		case r.To == "" && !c.Has(at+".to"):
			c.missing(at + ".to")
			continue
		case err != nil:
			c.Errorf(at+".to", "write a prefix, an address, or default", "%q is not a destination", r.To)
			continue
		}
		c.network(at+".to", to)
		c.within(at+".table", "table", r.Table, 0, math.MaxInt32)
		c.within(at+".metric", "metric", r.Metric, 0, math.MaxInt32)
		key := fmt.Sprint(to, cmp.Or(r.Table, mainTable), r.Metric)
		c.once(at+".to", seen, key, "there is a route to %s with this table and metric already", r.To)
		c.routeFamilies(at, r, to)
		c.routeKind(x, at, r)
		if r.Dev != "" && !slices.Contains(x.names, r.Dev) {
			c.unknown(at+".dev", "interface", r.Dev, x.names)
			continue
		}
		if r.Src.IsValid() {
			c.own(x, at+".src", r.Src)
		}
		if r.Via.IsValid() && r.Via.Is4() == to.Addr().Is4() {
			c.onLink(x, at, r)
		}
	}
}

func (c *checker) routeFamilies(at string, r *Route, to netip.Prefix) {
	for _, f := range []struct {
		key  string
		addr netip.Addr
	}{{"via", r.Via}, {"src", r.Src}} {
		if f.addr.IsValid() && f.addr.Is4() != to.Addr().Is4() {
			c.Errorf(at+"."+f.key, "", "%s is %s, but the route's destination is %s", f.addr, family(f.addr), family(to.Addr()))
		}
	}
}

func (c *checker) routeKind(x *nodeIndex, at string, r *Route) {
	switch r.Type {
	case "", "unicast":
		if !r.Via.IsValid() && r.Dev == "" {
			c.Errorf(at+".via", "give it via or dev, or a type such as blackhole", "the route leads nowhere")
		}
	case "local":
		if r.Dev == "" {
			c.Errorf(at+".dev", "give it dev: lo", "a local route needs an interface")
		}
	case "blackhole", "unreachable", "prohibit", "throw":
		if r.Via.IsValid() || r.Dev != "" {
			c.Errorf(at+".type", "take via and dev out", "a route of type %s leads nowhere", r.Type)
		}
	default:
		c.enum(at+".type", "type", r.Type, routeTypes)
	}
	if r.OnLink && (!r.Via.IsValid() || r.Dev == "") {
		c.Errorf(at+".onlink", "", "onlink needs both via and dev")
	}
}

// onLink checks that the next hop can be reached without a router, as the kernel does when a route is added
// (fib_check_nh in net/ipv4/fib_semantics.c).
func (c *checker) onLink(x *nodeIndex, at string, r *Route) {
	if slices.Contains(x.addresses(), r.Via) {
		c.Errorf(at+".via", "", "%s is an address of the node itself", r.Via)
		return
	}
	if r.OnLink || x.brokenNets || c.Broken(x.path+".routes") {
		return
	}
	if r.Via.Is6() && r.Via.IsLinkLocalUnicast() {
		if r.Dev == "" {
			c.Errorf(at+".dev", "", "a link-local next hop needs an interface")
		}
		return
	}
	reach := x.onLink(r.Dev, r.Via.Is4())
	if slices.ContainsFunc(reach, func(p netip.Prefix) bool { return p.Contains(r.Via) }) {
		return
	}
	var list []string
	for _, p := range reach {
		list = append(list, p.String())
	}
	where := "node " + x.Name
	if r.Dev != "" {
		where = r.Dev
	}
	hint := where + " has no subnet"
	if len(list) > 0 {
		hint = where + " reaches " + strings.Join(list, ", ")
	}
	c.Errorf(at+".via", hint+"; onlink: true with dev takes it as it is", "next hop %s is not on-link", r.Via)
}

// onLink returns the prefixes that are reached without a router: the subnets of interfaces and device routes.
func (x *nodeIndex) onLink(dev string, v4 bool) []netip.Prefix {
	var reach []netip.Prefix
	add := func(name string, p netip.Prefix) {
		if p.IsValid() && p.Addr().Is4() == v4 && (dev == "" || dev == name) && !slices.Contains(reach, p) {
			reach = append(reach, p)
		}
	}
	for _, f := range x.Interfaces {
		for _, p := range f.Addresses {
			if !p.IsSingleIP() {
				add(f.Name, p.Masked())
			}
		}
	}
	for _, r := range x.Routes {
		if p, err := r.prefix(); err == nil && r.Dev != "" && !r.Via.IsValid() && (r.Type == "" || r.Type == "unicast") {
			add(r.Dev, p)
		}
	}
	return reach
}

func (c *checker) rules(x *nodeIndex) {
	seen := map[string]string{}
	for i := range x.Rules {
		r := &x.Rules[i]
		at := fmt.Sprintf("%s.rules[%d]", x.path, i)
		c.within(at+".priority", "priority", r.Priority, 1, math.MaxInt32)
		c.within(at+".table", "table", r.Table, 1, math.MaxInt32)
		for _, f := range []struct {
			key    string
			prefix netip.Prefix
		}{{"from", r.From}, {"to", r.To}} {
			if f.prefix.IsValid() {
				c.network(at+"."+f.key, f.prefix)
			}
		}
		if r.From.IsValid() && r.To.IsValid() && r.From.Addr().Is4() != r.To.Addr().Is4() {
			c.Errorf(at+".to", "", "%s is %s, but from %s is %s", r.To, family(r.To.Addr()), r.From, family(r.From.Addr()))
		}
		for _, f := range []struct{ key, name string }{{"iif", r.IIF}, {"oif", r.OIF}} {
			if f.name != "" && !slices.Contains(x.names, f.name) {
				c.unknown(at+"."+f.key, "interface", f.name, x.names)
			}
		}
		if r.Mark != "" && !isMark(r.Mark) {
			c.Errorf(at+".mark", "write 0x4000 or 0x4000/0x4000", "%q is not a mark", r.Mark)
		}
		c.once(at, seen, fmt.Sprint(*r), "this rule stands here twice")
	}
}

// isMark says whether s is a mark with or without a mask, each a decimal or hexadecimal number.
func isMark(s string) bool {
	value, mask, masked := strings.Cut(s, "/")
	_, err := strconv.ParseUint(value, 0, 32)
	if masked && err == nil {
		_, err = strconv.ParseUint(mask, 0, 32)
	}
	return err == nil
}

func (c *checker) neighbours(x *nodeIndex) {
	seen := map[string]string{}
	for i, n := range x.Neighbours {
		at := fmt.Sprintf("%s.neighbours[%d]", x.path, i)
		if !n.Address.IsValid() {
			c.missing(at + ".address")
		} else {
			c.once(at+".address", seen, fmt.Sprint(n.Address, n.Dev, n.Proxy), "neighbour %s of %s stands here twice", n.Address, n.Dev)
		}
		if !slices.Contains(x.names, n.Dev) {
			c.unknown(at+".dev", "interface", n.Dev, x.names)
		}
		switch {
		case n.Proxy && n.MAC != "":
			c.Errorf(at+".mac", "take it out", "a proxy entry answers with the interface's own MAC address")
		case !n.Proxy && n.MAC == "" && !c.Has(at+".mac"):
			c.missing(at + ".mac")
		case !n.Proxy:
			c.macSyntax(at+".mac", n.MAC)
		}
	}
}
