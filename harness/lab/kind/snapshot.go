package kind

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/plan"
)

// snapshot is the state of a member's network namespace that labs can change: the lines of each section.
type snapshot map[string][]string

// The sections of a snapshot. Rules and sysctls are given back as they are; of all else, what is too much is removed and what
// lacks is added.
const (
	secLinks    = "links"
	secAddrs    = "addresses"
	secRoutes   = "routes"
	secRoutes6  = "IPv6 routes"
	secRules    = "policy rules"
	secRules6   = "IPv6 policy rules"
	secNeigh    = "neighbour proxies"
	secIptables = "iptables rules"
	secIP6      = "ip6tables rules"
	secLegacy   = "legacy iptables rules"
	secNft      = "nftables tables"
	secXfrm     = "XFRM states and policies"
	secSysctls  = "sysctls"
)

// snapshotScript prints a snapshot. Counters, indexes of what comes and goes, and routes that the kernel makes by itself for
// groups are no part of it.
const snapshotScript = `section() { echo "## $1"; shift; "$@" 2>/dev/null || true; }
links() { ip -o link show | sed 's/^[0-9]*: //; s/[@:].*//'; }
addresses() { ip -o addr show | sed 's/^[0-9]*: //; s/\\.*//; s/  */ /g'; }
save() { "$1" | sed '/^#/d; s/^\(:[^ ]* [^ ]*\) .*/\1/'; }
sysctls() { grep -rs '' /proc/sys/net --include='*' -d recurse 2>/dev/null | grep -v -e /stable_secret: -e /flush: -e nf_conntrack_count: -e /random/; }
section links links
section addresses addresses
section routes sh -c 'ip -4 route show table all | grep -v "^broadcast\|^multicast"'
section 'IPv6 routes' sh -c 'ip -6 route show table all | grep -v "^multicast\|^anycast\|expires"'
section 'policy rules' ip -4 rule show
section 'IPv6 policy rules' ip -6 rule show
section 'neighbour proxies' ip neigh show proxy
section 'iptables rules' save iptables-nft-save
section 'ip6tables rules' save ip6tables-nft-save
section 'legacy iptables rules' save iptables-legacy-save
section 'nftables tables' sh -c 'nft list tables | grep -v " \(filter\|nat\|mangle\|raw\|security\)$"'
section 'XFRM states and policies' sh -c 'ip xfrm state; ip xfrm policy'
section sysctls sysctls
`

func parseSnapshot(text string) snapshot {
	s := snapshot{}
	section := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = name
			s[section] = nil
		} else if line != "" {
			s[section] = append(s[section], line)
		}
	}
	for name, lines := range s {
		if !ordered(name) {
			slices.Sort(lines)
		}
	}
	return s
}

// ordered tells of which sections the order of lines is a part.
func ordered(section string) bool {
	return section == secIptables || section == secIP6 || section == secLegacy
}

// more are the lines of a section that now has and s does not.
func (s snapshot) more(section string, now snapshot) []string {
	var out []string
	for _, line := range now[section] {
		if !slices.Contains(s[section], line) {
			out = append(out, line)
		}
	}
	return out
}

// undo is a shell script that makes s again of a namespace that is now so.
func (s snapshot) undo(now snapshot) string {
	var b strings.Builder
	run := func(format string, args ...any) { fmt.Fprintf(&b, format+" || true\n", args...) }
	for _, l := range s.more(secLinks, now) {
		run("ip link del dev %s", plan.Shell(l))
	}
	for _, a := range s.more(secAddrs, now) {
		if f := strings.Fields(a); len(f) > 3 { // "lo inet 127.0.0.1/8 ..."
			run("ip addr del %s dev %s 2>/dev/null", f[2], plan.Shell(f[0]))
		}
	}
	for _, r := range []struct{ section, family string }{{secRules, "-4"}, {secRules6, "-6"}} {
		for _, l := range s.more(r.section, now) {
			if priority, rest, ok := strings.Cut(l, ":"); ok {
				run("ip %s rule del priority %s %s", r.family, priority, strings.TrimSpace(rest))
			}
		}
		for _, l := range now.more(r.section, s) {
			if priority, rest, ok := strings.Cut(l, ":"); ok {
				run("ip %s rule add priority %s %s", r.family, priority, strings.TrimSpace(rest))
			}
		}
	}
	for _, r := range []struct{ section, family string }{{secRoutes, "-4"}, {secRoutes6, "-6"}} {
		for _, l := range s.more(r.section, now) {
			run("ip %s route del %s 2>/dev/null", r.family, l) // gone with its link, most of them
		}
		for _, l := range now.more(r.section, s) {
			run("ip %s route add %s", r.family, l)
		}
	}
	for _, l := range s.more(secNeigh, now) {
		run("ip neigh del proxy %s", strings.TrimSuffix(l, " proxy"))
	}
	for _, l := range s.more(secNft, now) {
		run("nft delete %s", l)
	}
	for _, t := range []struct{ section, tool string }{{secIptables, "iptables-nft"}, {secIP6, "ip6tables-nft"}, {secLegacy, "iptables-legacy"}} {
		if strings.Join(s[t.section], "\n") == strings.Join(now[t.section], "\n") {
			continue
		}
		fmt.Fprintf(&b, "%s-restore <<'EOF' || true\n%sEOF\n", t.tool, s.rules(t.section, now))
	}
	if len(s[secXfrm]) == 0 && len(now[secXfrm]) > 0 {
		run("ip xfrm policy flush")
		run("ip xfrm state flush")
	}
	for _, l := range now.more(secSysctls, s) {
		if path, value, ok := strings.Cut(l, ":"); ok {
			run("echo %s > %s", plan.Shell(value), plan.Shell(path))
		}
	}
	run("conntrack -F >/dev/null 2>&1")
	return b.String()
}

// rules is a ruleset as it was. A table that was not there before is left empty, for none is ever removed.
func (s snapshot) rules(section string, now snapshot) string {
	var b strings.Builder
	for _, l := range s[section] {
		b.WriteString(l + "\n")
	}
	for _, l := range s.more(section, now) {
		if strings.HasPrefix(l, "*") {
			b.WriteString(l + "\nCOMMIT\n")
		}
	}
	return b.String()
}

// differs says in a few words what is not as it was.
func (s snapshot) differs(now snapshot) string {
	var words []string
	for _, section := range sorted(s) {
		if lost, more := now.more(section, s), s.more(section, now); len(lost)+len(more) > 0 {
			words = append(words, fmt.Sprintf("%s: lacks %q, has besides %q", section, few(lost), few(more)))
		} else if strings.Join(s[section], "\n") != strings.Join(now[section], "\n") {
			words = append(words, section+": in another order")
		}
	}
	return strings.Join(words, "; ")
}

func few(lines []string) []string { return lines[:min(3, len(lines))] }
