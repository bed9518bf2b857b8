package kubeproxy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/plan"
)

// The ipsets of IPVS mode that the lab's Services fill, by their IPv4 names.
const (
	setClusterIP   = "KUBE-CLUSTER-IP"
	setLoopBack    = "KUBE-LOOP-BACK"
	setIPVSIPs     = "KUBE-IPVS-IPS"
	setNodePortTCP = "KUBE-NODE-PORT-TCP"
	setNodePortUDP = "KUBE-NODE-PORT-UDP"
)

// set is the name of an ipset in a family.
func (f family) set(name string) string {
	if f.ipv6 {
		return strings.Replace(name, "KUBE-", "KUBE-6-", 1)
	}
	return name
}

// wantedSets returns the entries of kube-proxy's ipsets on node, as ipset prints them.
func wantedSets(services []plan.Service, f family, node string) map[string][]string {
	sets := map[string][]string{}
	for _, name := range []string{setClusterIP, setLoopBack, setIPVSIPs, setNodePortTCP, setNodePortUDP} {
		sets[f.set(name)] = nil
	}
	add := func(name, entry string) { sets[f.set(name)] = append(sets[f.set(name)], entry) }
	for _, s := range services {
		if !f.has(s.ClusterIP) || len(s.Ports) == 0 {
			continue
		}
		add(setIPVSIPs, s.ClusterIP.String())
		for _, p := range s.Ports {
			protocol := strings.ToLower(cmp.Or(p.Protocol, "TCP"))
			add(setClusterIP, fmt.Sprintf("%s,%s:%d", s.ClusterIP, protocol, p.Port))
			if s.NodePort && p.NodePort != 0 {
				add(map[string]string{"tcp": setNodePortTCP, "udp": setNodePortUDP}[protocol], fmt.Sprint(p.NodePort))
			}
			for _, b := range s.Backends {
				// Only a backend on this node can be its own client here.
				if strings.EqualFold(b.Node, node) {
					add(setLoopBack, fmt.Sprintf("%s,%s:%d,%s", b.Address, protocol, cmp.Or(p.TargetPort, p.Port), b.Address))
				}
			}
		}
	}
	return sets
}

// parseSets reads the output of ipset save: entries by set.
func parseSets(save string) map[string][]string {
	sets := map[string][]string{}
	for line := range strings.Lines(save) {
		switch w := strings.Fields(line); {
		case len(w) >= 2 && w[0] == "create":
			sets[w[1]] = nil
		case len(w) >= 3 && w[0] == "add":
			sets[w[1]] = append(sets[w[1]], w[2])
		}
	}
	return sets
}

func inSets(have, want map[string][]string) []string {
	var missing []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if _, ok := have[name]; !ok {
			missing = append(missing, "there is no ipset "+name)
			continue
		}
		missing = append(missing, difference("ipset "+name, want[name], have[name])...)
	}
	return missing
}

// aroundIPVS says what is missing of the rules that masquerade Service traffic and guard the virtual servers. A rule
// that matches on a set is there only while the set has entries.
func aroundIPVS(rules ruleset, sets map[string][]string, f family) []string {
	missing := missingIn(rules,
		jump{"nat", "PREROUTING", "KUBE-SERVICES"},
		jump{"nat", "OUTPUT", "KUBE-SERVICES"},
		jump{"nat", "POSTROUTING", "KUBE-POSTROUTING"},
		jump{"nat", "KUBE-SERVICES", "KUBE-NODE-PORT"},
		jump{"nat", "KUBE-MARK-MASQ", "MARK"},
		jump{"nat", "KUBE-POSTROUTING", "MASQUERADE"},
		jump{"filter", "FORWARD", "KUBE-FORWARD"},
		jump{"filter", "KUBE-FORWARD", "ACCEPT"},
		jump{"filter", "INPUT", "KUBE-IPVS-FILTER"},
		jump{"filter", "KUBE-IPVS-FILTER", "REJECT"},
	)
	for _, m := range []struct{ chain, set string }{
		{"KUBE-SERVICES", setClusterIP},
		{"KUBE-POSTROUTING", setLoopBack},
		{"KUBE-NODE-PORT", setNodePortTCP},
		{"KUBE-NODE-PORT", setNodePortUDP},
	} {
		name := f.set(m.set)
		matched := slices.ContainsFunc(rules["nat"][m.chain], func(r rule) bool { return r.value("--match-set") == name })
		if len(sets[name]) > 0 && !matched {
			missing = append(missing, fmt.Sprintf("table nat has no rule in %s on ipset %s", m.chain, name))
		}
	}
	return missing
}
