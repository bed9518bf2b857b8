package evidence

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// query is what is needed of a kind of evidence to check, resolve and judge it. Each kind is one small file with the
// type that implements it, a field of Spec, and a line in Spec.queries.
type query interface {
	kind() string    // its key in a scenario file
	subject() string // what is read, for a person: "XfrmInNoPols"
	wants() []string // keys of the Wants that fit
	check() []Problem
	// resolve puts the query with addresses for names into s.
	resolve(s *Spec, n names) error
	// show is a reading in a word or a line.
	show(Reading) string
}

// queries lists the kinds that are set.
func (s Spec) queries() []query {
	var all []query
	if s.Xfrm != "" {
		all = append(all, xfrm(s.Xfrm))
	}
	if s.Netstat != "" {
		all = append(all, netstat(s.Netstat))
	}
	if s.Nfacct != "" {
		all = append(all, nfacct(s.Nfacct))
	}
	if s.Sysctl != "" {
		all = append(all, sysctl(s.Sysctl))
	}
	if s.Conntrack != nil {
		all = append(all, *s.Conntrack)
	}
	if s.Rule != nil {
		all = append(all, *s.Rule)
	}
	if s.Packets != nil {
		all = append(all, *s.Packets)
	}
	if s.IPVS != nil {
		all = append(all, *s.IPVS)
	}
	return all
}

const kinds = "xfrm, netstat, nfacct, sysctl, conntrack, rule, packets, ipvs"

// query is the one kind that is set, or nil where there is not exactly one.
func (s Spec) query() query {
	if q := s.queries(); len(q) == 1 {
		return q[0]
	}
	return nil
}

// Kind is the key of the kind that is set, "xfrm" or "conntrack"; empty where there is not exactly one.
func (s Spec) Kind() string {
	if q := s.query(); q != nil {
		return q.kind()
	}
	return ""
}

// Title is the name of the evidence: its own, or one made of what is read and where.
func (s Spec) Title() string {
	if s.Name != "" {
		return s.Name
	}
	return s.subject() + " on " + s.On
}

func (s Spec) subject() string {
	if q := s.query(); q != nil {
		return q.subject()
	}
	return "nothing"
}

// Problem is a mistake in a Spec.
type Problem struct {
	Field string // path of the field in the Spec as the file has it, "has[1]" or "conntrack.to"; empty: the Spec as a whole
	Msg   string // what is wrong
	Hint  string // what to do about it; may be empty
}

// Validate lists every mistake in s that can be seen without the topology.
func (s Spec) Validate() []Problem {
	var ps []Problem
	if s.On == "" {
		ps = append(ps, Problem{"on", "names no node", "on: NODE says where to look"})
	}
	all := s.queries()
	switch len(all) {
	case 0:
		ps = append(ps, Problem{"", "says nothing about what to read", "set one of " + kinds})
	case 1:
		for _, p := range all[0].check() {
			p.Field = strings.TrimSuffix(all[0].kind()+"."+p.Field, ".")
			ps = append(ps, p)
		}
		ps = append(ps, s.checkWants(all[0])...)
	default:
		var set []string
		for _, q := range all {
			set = append(set, q.kind())
		}
		ps = append(ps, Problem{"", "reads " + strings.Join(set, " and ") + " at once", "write a line of evidence for each"})
	}
	return ps
}

func (s Spec) checkWants(q query) []Problem {
	fit := q.wants()
	hint := fmt.Sprintf("%s evidence takes %s", q.kind(), strings.Join(fit, ", "))
	set := s.set()
	if len(set) == 0 {
		return []Problem{{"", "says nothing about what must be there", hint}}
	}
	var ps []Problem
	for _, key := range set {
		if !slices.Contains(fit, key) {
			ps = append(ps, Problem{key, fmt.Sprintf("does not fit %s evidence", q.kind()), hint})
		}
	}
	if s.Seen != nil && !*s.Seen {
		for _, key := range set {
			if key != "seen" {
				ps = append(ps, Problem{key, "contradicts seen: false", "what is not there has nothing"})
			}
		}
	}
	if s.Count != nil && *s.Count < 0 {
		ps = append(ps, Problem{"count", "is below 0", ""})
	}
	if s.Count != nil && *s.Count == 0 {
		ps = append(ps, s.checkNone(q)...)
	}
	return append(ps, s.checkWords(q)...)
}

// checkNone finds what contradicts a count of 0.
func (s Spec) checkNone(q query) []Problem {
	var ps []Problem
	if s.Grows != nil && *s.Grows {
		ps = append(ps, Problem{"grows", "contradicts count: 0", "what grew is above 0"})
	}
	if _, packets := q.(Packets); !packets {
		return ps // a rule is there before it counts
	}
	if s.Seen != nil && *s.Seen {
		ps = append(ps, Problem{"seen", "contradicts count: 0", "a packet that is seen is counted"})
	}
	for _, list := range []struct {
		key   string
		words []string
	}{{"has", s.Has}, {"lacks", s.Lacks}} {
		if len(list.words) > 0 {
			ps = append(ps, Problem{list.key, "contradicts count: 0", "no packet has no words"})
		}
	}
	return ps
}

// checkWords looks at the words of Has and Lacks, which some kinds know all of.
func (s Spec) checkWords(q query) []Problem {
	var ps []Problem
	vocabulary, _ := q.(interface {
		checkWord(word string) (msg, hint string)
	})
	seen := map[string]string{}
	look := func(list string, words []string) {
		for i, word := range words {
			field := fmt.Sprintf("%s[%d]", list, i)
			if first, ok := seen[word]; ok {
				ps = append(ps, Problem{field, fmt.Sprintf("%q stands in %s already", word, first), ""})
				continue
			}
			seen[word] = field
			if vocabulary == nil {
				continue
			}
			if msg, hint := vocabulary.checkWord(word); msg != "" {
				ps = append(ps, Problem{field, msg, hint})
			}
		}
	}
	look("has", s.Has)
	look("lacks", s.Lacks)
	return ps
}

// Resolve is s with literal addresses in place of the topology's names. addr gives the address and port of "web:80";
// addrs gives every address of a node, a node's interface or a Service. Addresses that stand there already stay. The
// title stays the one with names.
func (s Spec) Resolve(addr func(name string) (netip.AddrPort, error), addrs func(name string) ([]netip.Addr, error)) (Spec, error) {
	q := s.query()
	if q == nil {
		return s, fmt.Errorf("resolve evidence %q: it has not exactly one kind", s.Name)
	}
	s.Name = s.Title()
	if err := q.resolve(&s, names{addr, addrs}); err != nil {
		return s, fmt.Errorf("resolve evidence %q: %w", s.Name, err)
	}
	return s, nil
}
