package kubeproxy

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/plan"
)

// checkNFTables says what is missing in the kernel for services in nftables mode.
//
// All of a family is in one table and comes and changes in one transaction, which the kernel commits at once
// (pkg/proxy/nftables/proxier.go). Chains of backends that are gone stay for some seconds without a reference: only
// what can be reached counts.
func checkNFTables(ctx context.Context, n Node, services []plan.Service) ([]string, error) {
	for _, f := range families(services) {
		name := "ip"
		if f.ipv6 {
			name = "ip6"
		}
		text, err := n.Run(ctx, "nft", "list", "table", name, "kube-proxy")
		if err != nil {
			return nil, err
		}
		if missing := inNFTables(parseNFTable(string(text)), wanted(services, f)); len(missing) > 0 {
			return missing, nil
		}
	}
	return nil, nil
}

func inNFTables(t nfTable, want table) []string {
	var missing []string
	for _, j := range []struct{ chain, word string }{
		{"nat-prerouting", "services"}, {"nat-output", "services"}, {"nat-postrouting", "masquerading"},
		{"services", "@service-ips"}, {"services", "@service-nodeports"}, {"masquerading", "masquerade"},
	} {
		if !slices.ContainsFunc(t.chains[j.chain], func(r []string) bool { return slices.Contains(r, j.word) }) {
			missing = append(missing, "chain "+j.chain+" has no rule with "+j.word)
		}
	}
	return append(missing, differences(want, t.frontends())...)
}

// nfTable is what nft printed of a table, in words: the elements of its maps, the rules of its chains.
type nfTable struct {
	maps, chains map[string][][]string
}

// frontends follows the elements of kube-proxy's verdict maps to where they lead.
func (t nfTable) frontends() table {
	have := table{}
	for _, m := range []struct {
		name     string
		nodePort bool
	}{{"service-ips", false}, {"no-endpoint-services", false}, {"service-nodeports", true}, {"no-endpoint-nodeports", true}} {
		for _, element := range t.maps[m.name] {
			// 10.96.0.10 . tcp . 80 comment "..." : goto service-...
			key, to := element, []string(nil)
			if i := slices.Index(element, ":"); i >= 0 {
				key, to = element[:i], element[i+1:]
			}
			key = slices.DeleteFunc(slices.Clone(key), func(w string) bool { return w == "." })
			var f frontend
			if !m.nodePort && len(key) > 0 {
				f.addr, _ = netip.ParseAddr(key[0])
				key = key[1:]
			}
			if len(key) < 2 {
				continue
			}
			port, err := strconv.ParseUint(key[1], 10, 16)
			if err != nil {
				continue
			}
			f.protocol, f.port = key[0], uint16(port)
			have[f] = sortBackends(append(have[f], t.backends(to, map[string]bool{})...))
		}
	}
	return have
}

// backends returns where a rule or verdict leads by DNAT.
func (t nfTable) backends(words []string, seen map[string]bool) []netip.AddrPort {
	var all []netip.AddrPort
	dnat := false
	for i, w := range words {
		switch {
		case w == "dnat":
			dnat = true
		case (w == "goto" || w == "jump") && i+1 < len(words) && !seen[words[i+1]]:
			seen[words[i+1]] = true
			for _, r := range t.chains[words[i+1]] {
				all = append(all, t.backends(r, seen)...)
			}
		case dnat && w == "." && i > 0 && i+1 < len(words):
			// of a map: 0 : 10.244.0.2 . 8080
			if to, err := netip.ParseAddrPort(joinHostPort(words[i-1], words[i+1])); err == nil {
				all = append(all, to)
			}
		case dnat:
			// of a chain per backend: dnat to 10.244.0.2:8080
			if to, err := netip.ParseAddrPort(w); err == nil {
				all = append(all, to)
			}
		}
	}
	return all
}

func joinHostPort(host, port string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]:" + port
	}
	return host + ":" + port
}

// parseNFTable reads the output of nft list table.
func parseNFTable(text string) nfTable {
	t := nfTable{maps: map[string][][]string{}, chains: map[string][][]string{}}
	w := nftWords(text)
	for i := 0; i+2 < len(w); i++ {
		if w[i+2] != "{" || w[i] != "map" && w[i] != "set" && w[i] != "chain" {
			continue
		}
		name, body := w[i+1], block(w[i+2:])
		if w[i] == "chain" {
			t.chains[name] = split(body, "\n")
		} else if e := slices.Index(body, "elements"); e >= 0 && e+2 < len(body) {
			t.maps[name] = split(slices.DeleteFunc(slices.Clone(block(body[e+2:])), func(s string) bool { return s == "\n" }), ",")
		}
		i += 2 + len(body)
	}
	return t
}

// block returns the words between the brace that words begins with and the one that closes it.
func block(words []string) []string {
	depth := 0
	for i, w := range words {
		switch w {
		case "{":
			depth++
		case "}":
			if depth--; depth == 0 {
				return words[1:i]
			}
		}
	}
	return nil
}

// split cuts words at sep outside of braces, without empty parts.
func split(words []string, sep string) [][]string {
	var all [][]string
	depth, start := 0, 0
	for i, w := range words {
		switch {
		case w == "{":
			depth++
		case w == "}":
			depth--
		case w == sep && depth == 0:
			if i > start {
				all = append(all, words[start:i])
			}
			start = i + 1
		}
	}
	if start < len(words) {
		all = append(all, words[start:])
	}
	return all
}

// nftWords splits what nft printed into words: braces, commas and the ends of lines are words of their own, so is a
// quoted string.
func nftWords(text string) []string {
	var all []string
	for len(text) > 0 {
		switch c := text[0]; {
		case c == ' ' || c == '\t':
			text = text[1:]
		case strings.IndexByte("{},\n", c) >= 0:
			all = append(all, text[:1])
			text = text[1:]
		case c == '"':
			end := strings.IndexByte(text[1:], '"')
			if end < 0 {
				return append(all, text)
			}
			all = append(all, text[:end+2])
			text = text[end+2:]
		default:
			end := strings.IndexAny(text, " \t\n{},")
			if end < 0 {
				end = len(text)
			}
			all = append(all, text[:end])
			text = text[end:]
		}
	}
	return all
}
