package evidence

import (
	"fmt"
	"slices"
	"strings"
)

// IPVS asks for the destinations of an IPVS virtual service (words: "ADDRESS:PORT" of each destination, and the
// scheduler's name). Has and Lacks may name a destination as "NAME:PORT" of the topology.
type IPVS struct {
	Service string `yaml:"service" json:"service"`                 // "web:80"
	Proto   string `yaml:"proto,omitempty" json:"proto,omitempty"` // "tcp" (default) or "udp"
}

func (IPVS) kind() string      { return "ipvs" }
func (IPVS) wants() []string   { return []string{"seen", "has", "lacks"} }
func (q IPVS) subject() string { return "ipvs " + withProto(q.Service, q.Proto) }

// withProto says the protocol where it is not TCP.
func withProto(what, proto string) string {
	if proto == "" || proto == "tcp" {
		return what
	}
	return what + "/" + proto
}

func (IPVS) show(r Reading) string {
	if !r.Exists {
		return absent
	}
	return strings.Join(r.Words, " ")
}

func (q IPVS) check() []Problem {
	return append(checkAddrPort("service", q.Service), checkProto(q.Proto)...)
}

func (q IPVS) resolve(s *Spec, n names) (err error) {
	if q.Service, err = n.addrPort(q.Service); err != nil {
		return fmt.Errorf("ipvs.service: %w", err)
	}
	s.IPVS = &q
	s.Has, s.Lacks = slices.Clone(s.Has), slices.Clone(s.Lacks)
	for _, words := range [][]string{s.Has, s.Lacks} {
		for i, word := range words {
			if !strings.Contains(word, ":") {
				continue // a scheduler
			}
			if words[i], err = n.addrPort(word); err != nil {
				return fmt.Errorf("word %q: %w", word, err)
			}
		}
	}
	return nil
}
