package evidence

import "net/netip"

// Of is s asked of the flow of a probe by that protocol ("tcp" or "udp") from that source. Only conntrack and packets
// tell flows apart; for any other kind it is s.
func (s Spec) Of(proto string, local netip.AddrPort) Spec {
	if s.Conntrack != nil {
		q := *s.Conntrack
		q.From = local
		s.Conntrack = &q
	}
	if s.Packets != nil {
		q := *s.Packets
		q.Proto, q.Local = proto, local
		s.Packets = &q
	}
	return s
}
