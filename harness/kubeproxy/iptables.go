package kubeproxy

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/plan"
)

// checkIPTables says what is missing in the kernel for services in iptables mode.
//
// kube-proxy first adds the jumps from the built-in chains, one by one, and then gives everything else to one
// iptables-restore, which commits the filter table and after it the nat table, each at once (syncProxyRules in
// pkg/proxy/iptables/proxier.go). Chains of backends that are gone may stay a while without a reference: only what
// can be reached counts.
func checkIPTables(ctx context.Context, n Node, services []plan.Service) ([]string, error) {
	for _, f := range families(services) {
		save, err := n.Run(ctx, f.tool("iptables-save"))
		if err != nil {
			return nil, err
		}
		if missing := inIPTables(parseRules(string(save)), wanted(services, f)); len(missing) > 0 {
			return missing, nil
		}
	}
	// kube-proxy leaves virtual servers behind when it changes from IPVS mode.
	return leftByIPVS(n)
}

// tool is the name of an iptables tool for the family.
func (f family) tool(name string) string {
	if f.ipv6 {
		return strings.Replace(name, "ip", "ip6", 1)
	}
	return name
}

func inIPTables(rules ruleset, want table) []string {
	return append(missingIn(rules,
		jump{"filter", "INPUT", "KUBE-EXTERNAL-SERVICES"},
		jump{"filter", "FORWARD", "KUBE-FORWARD"},
		jump{"filter", "FORWARD", "KUBE-SERVICES"},
		jump{"filter", "OUTPUT", "KUBE-SERVICES"},
		jump{"filter", "KUBE-FORWARD", "ACCEPT"},
		jump{"nat", "PREROUTING", "KUBE-SERVICES"},
		jump{"nat", "OUTPUT", "KUBE-SERVICES"},
		jump{"nat", "POSTROUTING", "KUBE-POSTROUTING"},
		jump{"nat", "KUBE-SERVICES", "KUBE-NODEPORTS"},
		jump{"nat", "KUBE-MARK-MASQ", "MARK"},
		jump{"nat", "KUBE-POSTROUTING", "MASQUERADE"},
	), differences(want, frontendsOf(rules))...)
}

// frontendsOf follows the rules of kube-proxy's chains to where they lead.
func frontendsOf(rules ruleset) table {
	have := table{}
	for _, place := range []struct {
		table, chain string
		nodePort     bool
	}{
		{"filter", "KUBE-SERVICES", false}, {"filter", "KUBE-EXTERNAL-SERVICES", true}, // REJECT without backends
		{"nat", "KUBE-SERVICES", false}, {"nat", "KUBE-NODEPORTS", true},
	} {
		for _, r := range rules[place.table][place.chain] {
			port, err := strconv.ParseUint(r.value("--dport"), 10, 16)
			if err != nil {
				continue
			}
			f := frontend{protocol: r.value("-p"), port: uint16(port)}
			if !place.nodePort {
				if dst, err := netip.ParsePrefix(r.value("-d")); err == nil {
					f.addr = dst.Addr()
				}
			}
			have[f] = sortBackends(append(have[f], rules.backends(place.table, r.target(), map[string]bool{})...))
		}
	}
	return have
}

// backends returns where chain leads by DNAT.
func (rs ruleset) backends(table, chain string, seen map[string]bool) []netip.AddrPort {
	var all []netip.AddrPort
	if seen[chain] {
		return nil
	}
	seen[chain] = true
	for _, r := range rs[table][chain] {
		if r.target() != "DNAT" {
			all = append(all, rs.backends(table, r.target(), seen)...)
		} else if to, err := netip.ParseAddrPort(r.value("--to-destination")); err == nil {
			all = append(all, to)
		}
	}
	return all
}

// ruleset is what iptables-save printed: table, chain, rules in order.
type ruleset map[string]map[string][]rule

// rule is the words of a rule after its chain's name.
type rule []string

// parseRules reads the output of iptables-save.
func parseRules(save string) ruleset {
	rs := ruleset{}
	var table string
	for line := range strings.Lines(save) {
		line = strings.TrimSpace(line)
		if name, ok := strings.CutPrefix(line, "*"); ok {
			table = name
			rs[table] = map[string][]rule{}
		} else if text, ok := strings.CutPrefix(line, "-A "); ok && table != "" {
			w := words(text)
			rs[table][w[0]] = append(rs[table][w[0]], w[1:])
		}
	}
	return rs
}

// words splits a rule as iptables-save quotes it: double quotes, backslash before a quote or a backslash.
func words(s string) []string {
	var all []string
	var word strings.Builder
	quoted, inWord := false, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\' && quoted && i+1 < len(s):
			i++
			word.WriteByte(s[i])
		case c == '"':
			quoted, inWord = !quoted, true
		case c == ' ' && !quoted:
			if inWord {
				all = append(all, word.String())
			}
			word.Reset()
			inWord = false
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	if inWord || len(all) == 0 {
		all = append(all, word.String())
	}
	return all
}

// value returns the word after option, empty if it is not there or is negated.
func (r rule) value(option string) string {
	i := slices.Index(r, option)
	if i < 0 || i+1 >= len(r) || i > 0 && r[i-1] == "!" {
		return ""
	}
	return r[i+1]
}

func (r rule) target() string {
	if t := r.value("-j"); t != "" {
		return t
	}
	return r.value("-g")
}

// jump is a rule that must be there, whatever else it matches on.
type jump struct{ table, chain, target string }

func missingIn(rs ruleset, jumps ...jump) []string {
	var all []string
	for _, j := range jumps {
		if !slices.ContainsFunc(rs[j.table][j.chain], func(r rule) bool { return r.target() == j.target }) {
			all = append(all, "table "+j.table+" has no rule from "+j.chain+" to "+j.target)
		}
	}
	return all
}
