package vm

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/vm/qemu"
	"github.com/faultline-lab/faultline/harness/plan"
)

// program is a program of this machine that goes to the guest, with Debian's package of it.
type program struct{ name, pkg string }

// always are the programs that every scenario may call.
var always = []program{{"ip", "iproute2"}, {"sh", "dash"}, {"cat", "coreutils"}, {"sysctl", "procps"}}

// programsOf are the programs that a need asks for.
var programsOf = map[plan.Need][]program{
	plan.NeedNft:            {{"nft", "nftables"}},
	plan.NeedKubeProxyNft:   {{"nft", "nftables"}},
	plan.NeedIptables:       {{"xtables-nft-multi", "iptables"}},
	plan.NeedIptablesLegacy: {{"xtables-legacy-multi", "iptables"}},
	plan.NeedIPVS:           {{"ipset", "ipset"}, {"xtables-nft-multi", "iptables"}},
}

// welcome are programs that go to the guest where this machine has them, for scenarios and for people who look around.
var welcome = []string{
	"bridge", "tc", "ss", "nft", "xtables-nft-multi", "xtables-legacy-multi", "ipset", "conntrack", "ethtool", "tcpdump", "ping",
	"arping", "ls", "ps", "grep", "sed", "head", "tail", "sleep", "true", "false", "echo", "env", "kill", "dmesg", "timeout", "seq", "tr",
	"cut", "sort", "uname", "hostname", "date", "mkdir", "rm", "awk", "bash",
}

// needPrograms returns the programs without which needs cannot be met.
func needPrograms(needs []plan.Need) []program {
	all := slices.Clone(always)
	for _, n := range needs {
		for _, p := range programsOf[n] {
			if !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

// hostLacks returns the programs that this machine does not have, as one line to paste.
func hostLacks(needs []plan.Need) []lab.Missing {
	want := append([]program{{qemu.Program, "qemu-system-x86"}}, needPrograms(needs)...)
	var names, packages []string
	for _, p := range want {
		if _, ok := find(p.name); !ok {
			names = append(names, p.name)
			packages = append(packages, p.pkg)
		}
	}
	if len(names) == 0 {
		return nil
	}
	slices.Sort(packages)
	return []lab.Missing{{
		What: "programs on this machine, for the guest: " + strings.Join(names, ", "),
		Do:   "apt-get install " + strings.Join(slices.Compact(packages), " "),
	}}
}

// find returns the path of a program, also where only root's PATH would have it.
func find(name string) (string, bool) {
	if p, err := exec.LookPath(name); err == nil {
		abs, err := filepath.Abs(p)
		return abs, err == nil
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return p, true
		}
	}
	return "", false
}

// guestPrograms returns the paths of all programs that go to the guest.
func guestPrograms() []string {
	var paths []string
	for _, p := range slices.Concat(always, optional()) {
		if at, ok := find(p.name); ok {
			paths = append(paths, at)
		}
	}
	return paths
}

func optional() []program {
	var all []program
	for _, name := range welcome {
		all = append(all, program{name: name})
	}
	return all
}

// plugins returns the matches and targets that iptables loads by itself.
func plugins() []string {
	var all []string
	for _, dir := range []string{"/usr/lib/x86_64-linux-gnu/xtables", "/usr/lib64/xtables", "/usr/lib/xtables"} {
		found, err := filepath.Glob(filepath.Join(dir, "*.so"))
		if err == nil { // the pattern is well-formed
			all = append(all, found...)
		}
	}
	return all
}

// multi is a multi-call binary under its many names. The guest's plain iptables is always the nft one: what this
// machine's alternatives point at must not change a verdict.
var multi = map[string][]string{
	"xtables-nft-multi":    {"", "-nft"},
	"xtables-legacy-multi": {"-legacy"},
}

// guestLinks returns the links of iptables in the guest.
func guestLinks() map[string]string {
	links := map[string]string{}
	for binary, variants := range multi {
		for _, v := range variants {
			for _, family := range []string{"iptables", "ip6tables"} {
				for _, what := range []string{"", "-save", "-restore"} {
					links["/usr/sbin/"+family+v+what] = binary
				}
			}
		}
	}
	for _, name := range []string{"arptables", "ebtables"} {
		links["/usr/sbin/"+name] = "xtables-nft-multi"
	}
	return links
}
