package evidence

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// names turns the topology's names into addresses.
type names struct {
	addr  func(string) (netip.AddrPort, error)
	addrs func(string) ([]netip.Addr, error)
}

// addrPort resolves "web:80" to "10.96.0.10:80".
func (n names) addrPort(s string) (string, error) {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.String(), nil
	}
	a, err := n.addr(s)
	if err != nil {
		return "", err
	}
	return a.String(), nil
}

// ends resolves "web:80" or "web" to every address that it stands for: "10.96.0.10:80,[fd00::10]:80".
func (n names) ends(s string) (string, error) {
	if s == "" {
		return "", nil
	}
	if _, err := ParseEnds(s); err == nil {
		return s, nil
	}
	name, port := s, uint16(0)
	if i := strings.LastIndexByte(s, ':'); i >= 0 {
		a, err := n.addr(s)
		if err != nil {
			return "", err
		}
		name, port = s[:i], a.Port()
	}
	all, err := n.addrs(name)
	if err != nil {
		return "", err
	}
	var ends []string
	for _, a := range all {
		if port == 0 {
			ends = append(ends, a.String())
		} else {
			ends = append(ends, netip.AddrPortFrom(a, port).String())
		}
	}
	if len(ends) == 0 {
		return "", fmt.Errorf("%q has no address", name)
	}
	return strings.Join(ends, ","), nil
}

// ParseEnds parses what Resolve made of Packets.From or Packets.To: addresses with or without a port, separated by
// commas. Port 0 stands for any port; an empty text gives none.
func ParseEnds(s string) ([]netip.AddrPort, error) {
	var ends []netip.AddrPort
	if s == "" {
		return nil, nil
	}
	for word := range strings.SplitSeq(s, ",") {
		if a, err := netip.ParseAddr(word); err == nil {
			ends = append(ends, netip.AddrPortFrom(a, 0))
			continue
		}
		a, err := netip.ParseAddrPort(word)
		if err != nil {
			return nil, fmt.Errorf("%q is neither an address nor an address with a port", word)
		}
		ends = append(ends, a)
	}
	return ends, nil
}

// checkAddrPort finds what is wrong with a "name:port". The port may be the name of a Service's port.
func checkAddrPort(field, s string) []Problem {
	i := strings.LastIndexByte(s, ':')
	if i <= 0 || i == len(s)-1 {
		return []Problem{{field, fmt.Sprintf("%q is not a name with a port", s), `write "NAME:PORT", such as "web:80"`}}
	}
	if n, err := strconv.Atoi(s[i+1:]); err == nil && (n < 1 || n > 65535) {
		return []Problem{{field, fmt.Sprintf("%d is not a port", n), "1 to 65535"}}
	}
	return nil
}

// checkEnd finds what is wrong with an end that may have a port or none; empty is any.
func checkEnd(field, s string) []Problem {
	if _, err := ParseEnds(s); err == nil || !strings.Contains(s, ":") {
		return nil
	}
	return checkAddrPort(field, s)
}

// HasEnd says whether a is one of ends, of which those with port 0 stand for any port. No ends stand for any.
func HasEnd(ends []netip.AddrPort, a netip.AddrPort) bool {
	return len(ends) == 0 || slices.ContainsFunc(ends, func(e netip.AddrPort) bool {
		return e.Addr() == a.Addr() && (e.Port() == 0 || e.Port() == a.Port())
	})
}

// checkProto finds what is wrong with the protocol of a flow.
func checkProto(s string) []Problem {
	switch s {
	case "", "tcp", "udp":
		return nil
	}
	return []Problem{{"proto", fmt.Sprintf("unknown protocol %q", s), "tcp or udp"}}
}
