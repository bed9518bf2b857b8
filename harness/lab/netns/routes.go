package netns

import (
	"fmt"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/plan"
)

var routeTypes = map[string]int{
	"":            unix.RTN_UNICAST,
	"unicast":     unix.RTN_UNICAST,
	"local":       unix.RTN_LOCAL,
	"blackhole":   unix.RTN_BLACKHOLE,
	"unreachable": unix.RTN_UNREACHABLE,
	"prohibit":    unix.RTN_PROHIBIT,
	"throw":       unix.RTN_THROW,
}

// addRoute adds a route with the scope and table that ip gives one (iproute_modify in iproute2's ip/iproute.c):
// IPv4 routes without a next hop are of scope link, local routes of scope host and in table local.
func (n *node) addRoute(s plan.AddRoute) error {
	what := fmt.Sprintf("add route to %s", s.To)
	kind, ok := routeTypes[s.Type]
	if !ok {
		return fmt.Errorf("%s: no type %q", what, s.Type)
	}
	r := &netlink.Route{
		Dst: ipNet(s.To), Src: ip(s.Src), Type: kind, Table: s.Table, Priority: s.Metric, Protocol: unix.RTPROT_BOOT,
	}
	if s.Dev != "" {
		dev, err := n.index(s.Dev)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		r.LinkIndex = dev
	}
	if s.OnLink {
		r.Flags = unix.RTNH_F_ONLINK
	}
	switch {
	case !s.Via.IsValid():
	case s.Via.Is6() && s.To.Addr().Is4(): // RFC 8950
		r.Via = &netlink.Via{AddrFamily: unix.AF_INET6, Addr: ip(s.Via)}
	default:
		r.Gw = ip(s.Via)
	}
	if kind == unix.RTN_LOCAL && s.Table == 0 {
		r.Table = unix.RT_TABLE_LOCAL
	}
	switch {
	case s.To.Addr().Is6():
	case kind == unix.RTN_LOCAL:
		r.Scope = unix.RT_SCOPE_HOST
	case kind == unix.RTN_UNICAST && !s.Via.IsValid():
		r.Scope = unix.RT_SCOPE_LINK
	}
	if err := n.handle.RouteAdd(r); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// addRule adds a routing policy rule. Without a mask the kernel compares all bits of a mark.
func (n *node) addRule(s plan.AddRule) error {
	r := netlink.NewRule()
	r.Family = netlink.FAMILY_V4
	if s.IPv6 {
		r.Family = netlink.FAMILY_V6
	}
	r.Priority, r.Table = s.Priority, s.Table
	r.Src, r.Dst = ipNet(s.From), ipNet(s.To)
	r.IifName, r.OifName = s.IIF, s.OIF
	r.Mark = s.Mark
	if s.Mask != 0 {
		r.Mask = &s.Mask
	}
	if err := n.handle.RuleAdd(r); err != nil {
		return fmt.Errorf("add rule %d: %w", s.Priority, err)
	}
	return nil
}
