package evidence

import (
	"fmt"
	"slices"
	"strings"
)

// Rule asks for the packet counters of firewall rules. The count is the sum over all rules that match. Where one of them
// has no counter, only seen can be asked.
type Rule struct {
	// Backend is "nft", "iptables" (both backends together), "iptables-nft" or "iptables-legacy" (also ip6tables...).
	Backend string `yaml:"backend" json:"backend"`
	// Table is "nat" for iptables, "inet ovn-kubernetes" (family and name) for nft.
	Table string `yaml:"table" json:"table"`
	Chain string `yaml:"chain,omitempty" json:"chain,omitempty"` // empty: every chain of the table
	// Contains is text that the rule has as iptables-save or nft list print it, without its counter.
	Contains string `yaml:"contains" json:"contains"`
}

// Backends lists the values of Rule.Backend.
func Backends() []string {
	return []string{"nft", "iptables", "iptables-nft", "iptables-legacy", "ip6tables", "ip6tables-nft", "ip6tables-legacy"}
}

var (
	nftFamilies    = []string{"ip", "ip6", "inet", "arp", "bridge", "netdev"}
	iptablesTables = []string{"filter", "nat", "mangle", "raw", "security"}
)

func (Rule) kind() string          { return "rule" }
func (Rule) wants() []string       { return []string{"grows", "count", "seen"} }
func (Rule) show(r Reading) string { return showCount(r) }

func (q Rule) subject() string {
	where := q.Backend + " " + q.Table
	if q.Chain != "" {
		where += " " + q.Chain
	}
	return fmt.Sprintf("rule %q in %s", q.Contains, where)
}

func (q Rule) check() []Problem {
	var ps []Problem
	switch words := strings.Fields(q.Table); {
	case !slices.Contains(Backends(), q.Backend):
		ps = append(ps, Problem{"backend", fmt.Sprintf("unknown backend %q", q.Backend), strings.Join(Backends(), ", ")})
	case q.Backend == "nft" && (len(words) != 2 || !slices.Contains(nftFamilies, words[0])):
		ps = append(ps, Problem{"table", fmt.Sprintf("%q is no nft table", q.Table), `family and name, "ip kube-proxy"`})
	case q.Backend != "nft" && !slices.Contains(iptablesTables, q.Table):
		ps = append(ps, Problem{"table", fmt.Sprintf("%q is no table of iptables", q.Table), strings.Join(iptablesTables, ", ")})
	}
	if strings.TrimSpace(q.Contains) == "" {
		ps = append(ps, Problem{"contains", "says nothing about the rule", "some text that the rule has"})
	}
	return ps
}

func (Rule) resolve(*Spec, names) error { return nil }
