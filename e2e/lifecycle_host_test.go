package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"
)

// traces is all that a run could leave on a machine, by the name of where it was looked for: text that is equal before
// and after, whatever else runs on the machine.
type traces map[string]string

// commands show the machine's network. What one of them says to a user who may not ask is compared like any answer.
var commands = []string{
	"ip -details address", "ip netns list", "nft --stateless list ruleset",
	"iptables-nft-save", "iptables-legacy-save", "ip6tables-nft-save", "ip6tables-legacy-save",
}

// volatile is what changes by itself in what commands print: lifetimes of leased addresses, timers of bridges, dates and
// counters.
var volatile = regexp.MustCompile(`(valid|preferred)_lft \d+sec|_timer +\d+\.\d+|(?m)^# .*$|\[\d+:\d+\]`)

// look takes the traces on the machine, and of the files below dirs.
func look(program string, dirs ...string) traces {
	t := traces{"processes": strings.Join(processes(program), "\n")}
	for name, value := range sysctls() {
		t[sysctl+name] = value
	}
	mounts, err := os.ReadFile("/proc/thread-self/mounts")
	Expect(err).NotTo(HaveOccurred())
	t["mounts"] = string(mounts)
	for _, c := range commands {
		words := strings.Fields(c)
		out, err := exec.Command(words[0], words[1:]...).CombinedOutput()
		Expect(errors.Is(err, exec.ErrNotFound)).To(BeFalse(), "%v", err)
		t[c] = volatile.ReplaceAllString(string(out), "")
	}
	for _, dir := range dirs {
		t["files in "+filepath.Base(dir)] = strings.Join(files(dir), "\n")
	}
	return t
}

// adopt makes this process the parent of every orphan below it: a process that outlives faultline, QEMU too, is a
// descendant of this one then, and is found.
func adopt() { Expect(unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)).To(Succeed()) }

// processes returns the descendants of this process and all processes that run program, wherever they descend from. With
// the last of them their namespaces are gone: what else keeps one is a mount, which is in the traces too.
//
// Call it while nothing is being waited for: it takes adopted zombies away.
func processes(program string) []string {
	parents := map[int]int{}
	about := map[int]string{}
	names, err := filepath.Glob("/proc/[1-9]*")
	Expect(err).NotTo(HaveOccurred())
	var ours []int
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		parent, state, comm, ok := stat(pid)
		if !ok {
			continue
		}
		if state == "Z" && parent == os.Getpid() {
			_, _ = unix.Wait4(pid, nil, unix.WNOHANG, nil)
			continue
		}
		parents[pid], about[pid] = parent, fmt.Sprintf("%d %s (%s), child of %d", pid, comm, state, parent)
		exe, _ := os.Readlink(name + "/exe") // of other users' it is not to be seen
		if strings.TrimSuffix(exe, " (deleted)") == program {
			ours = append(ours, pid)
		}
	}
	for pid := range parents {
		for up := parents[pid]; up > 1; up = parents[up] {
			if up == os.Getpid() {
				ours = append(ours, pid)
			}
		}
	}
	slices.Sort(ours)
	var found []string
	for _, pid := range slices.Compact(ours) {
		found = append(found, about[pid])
	}
	return found
}

// stat reads parent, state and name of a process.
func stat(pid int) (parent int, state, comm string, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, "", "", false
	}
	// "1234 (a name) S 1 ...": the name may have blanks and parentheses, proc_pid_stat(5).
	open, end := strings.IndexByte(string(text), '('), strings.LastIndexByte(string(text), ')')
	rest := strings.Fields(string(text[end+1:]))
	parent, err = strconv.Atoi(rest[1])
	return parent, rest[0], string(text[open+1 : end]), err == nil
}

// moving are the sysctls that change by themselves, each with the reason.
var moving = map[string]string{
	"fs/aio-nr":                          "requests that run",
	"fs/dentry-state":                    "the state of a cache",
	"fs/file-nr":                         "files that are open",
	"fs/inode-nr":                        "the state of a cache",
	"fs/inode-state":                     "the state of a cache",
	"fs/quota":                           "counters",
	"kernel/keys":                        "timers",
	"kernel/ns_last_pid":                 "the last process",
	"kernel/perf_cpu_time_max_percent":   "the kernel lowers it under load",
	"kernel/perf_event_max_sample_rate":  "the kernel lowers it under load",
	"kernel/pty/nr":                      "terminals that are open",
	"kernel/random/boot_id":              "made up at its first reading in a namespace",
	"kernel/random/entropy_avail":        "what was used up",
	"kernel/random/uuid":                 "another one at each reading",
	"net/netfilter/nf_conntrack_count":   "flows of the machine",
	"net/netfilter/nf_conntrack_buckets": "grows with the machine's flows",
	"net/ipv4/tcp_fastopen_key":          "made up at the first use",
	"vm/stat_refresh":                    "an action, not a value",
	"vm/compact_memory":                  "an action, not a value",
	"vm/drop_caches":                     "an action, not a value",
}

// sysctl is before a sysctl's name in traces.
const sysctl = "sysctl "

// sysctls is everything below /proc/sys that does not move by itself, by its name, also what is not per namespace:
// kube-proxy and rulesets write sysctls.
func sysctls() map[string]string {
	found := map[string]string{}
	const root = "/proc/sys"
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		name, _ := filepath.Rel(root, path)
		switch {
		case err != nil:
			found[name] = err.Error()
			return nil
		case moving[name] != "" && d.IsDir():
			return fs.SkipDir
		case moving[name] != "" || d.IsDir():
			return nil
		}
		info, err := d.Info()
		if err != nil || info.Mode()&0o444 == 0 {
			return nil // to be written only
		}
		value, err := os.ReadFile(path)
		if err != nil {
			value = []byte(errors.Unwrap(err).Error())
		}
		found[name] = strings.TrimSpace(string(value))
		return nil
	})
	Expect(err).NotTo(HaveOccurred())
	return found
}

// files lists what is below dir, with the size of files.
func files(dir string) []string {
	var found []string
	Expect(filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since it was listed
		}
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		info, err := d.Info()
		if err == nil && !d.IsDir() {
			name += fmt.Sprintf(" %d bytes", info.Size())
		}
		found = append(found, name)
		return nil
	})).To(Succeed())
	return found
}
