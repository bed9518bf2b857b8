package read

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
)

// iptablesRules lists the rules of a table. Without a backend in its name the tool stands for both: a node can have
// rules in each, and the kernel asks all of them.
func iptablesRules(backend, table string) ([]rule, error) {
	legacyTables, both := map[string]string{"iptables": "/proc/net/ip_tables_names", "ip6tables": "/proc/net/ip6_tables_names"}[backend]
	if !both {
		return savedRules(backend, table)
	}
	rules, err := savedRules(backend+"-nft", table)
	if err != nil {
		return nil, err
	}
	// The file comes with the legacy backend's module and lists the tables of this namespace: net/netfilter/x_tables.c.
	names, err := os.ReadFile(legacyTables)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(names) == 0 {
		return rules, nil
	} else if err != nil {
		return nil, fmt.Errorf("list tables of %s-legacy: %w", backend, err)
	}
	more, err := savedRules(backend+"-legacy", table)
	return append(rules, more...), err
}

// savedRules lists the rules of a table as the backend's save tool prints them. It asks for all tables: asked for one
// by name, iptables-legacy-save makes it where it does not exist yet, with its hooks.
func savedRules(backend, table string) ([]rule, error) {
	text, err := output(backend+"-save", "-c")
	if err != nil {
		return nil, err
	}
	return parseIptablesSave(text, table)
}

// parseIptablesSave reads `iptables-save -c`: "*nat", then "[12:720] -A POSTROUTING -j MASQUERADE".
func parseIptablesSave(text, table string) ([]rule, error) {
	var rules []rule
	current := ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		// iptables-nft-save says so of a table with rules that nft made and iptables does not understand.
		if strings.HasPrefix(line, "# Table `"+table+"' is incompatible") {
			return nil, fmt.Errorf("list iptables table %s: %s", table, line)
		}
		if name, ok := strings.CutPrefix(line, "*"); ok {
			current = name
		}
		if current != table || !strings.HasPrefix(line, "[") {
			continue // comments, chains with their policy, COMMIT
		}
		counters, spec, ok := strings.Cut(line[1:], "] ")
		packets, _, counted := strings.Cut(counters, ":")
		words := strings.Fields(spec)
		n, err := strconv.ParseInt(packets, 10, 64)
		if !ok || !counted || err != nil || len(words) < 2 || words[0] != "-A" {
			return nil, fmt.Errorf("parse iptables-save: line %q", line)
		}
		rules = append(rules, rule{chain: words[1], text: strings.Join(words, " "), packets: n, counted: true})
	}
	return rules, nil
}
