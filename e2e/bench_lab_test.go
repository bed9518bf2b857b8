package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-lab/faultline/harness/lab/netns"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/topology"
)

// bridged is the file of a topology with pods on the bridge of a switch.
func bridged(pods int) []byte {
	var nodes, ports, links strings.Builder
	ip := netip.MustParseAddr("10.0.0.1")
	for i := range pods {
		fmt.Fprintf(&nodes, "  - {name: pod%d, role: pod, interfaces: [{name: eth0, addresses: [%s/16]}]}\n", i, ip)
		fmt.Fprintf(&ports, "      - {name: p%d, master: br0}\n", i)
		fmt.Fprintf(&links, "  - {a: \"switch:p%d\", b: \"pod%d:eth0\"}\n", i, i)
		ip = ip.Next()
	}
	return fmt.Appendf(nil, "topology: bridged\nnodes:\n  - name: switch\n    role: switch\n    interfaces:\n      - {name: br0, bridge: {}}\n%s%slinks:\n%s",
		&ports, &nodes, &links)
}

// script is the same network for ip alone: as few processes as it can do with, one for all namespaces and links and one
// for what is in each namespace. It says "up", and takes the namespaces down when its standard input ends.
//
// The plan's sysctls are left out: ip cannot write them, and a sysctl process for each node would be held against it.
func script(b *testing.B, p *plan.Plan) string {
	b.Helper()
	dir := b.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			b.Fatal(err)
		}
		return path
	}
	var up, down strings.Builder
	inside := map[string]*strings.Builder{}
	for _, s := range p.Steps {
		switch s := s.(type) {
		case plan.AddNode:
			fmt.Fprintf(&up, "netns add %s\n", s.Node)
			fmt.Fprintf(&down, "netns del %s\n", s.Node)
			inside[s.Node] = &strings.Builder{}
			fmt.Fprintln(inside[s.Node], "link set dev lo up")
		case plan.AddVeth:
			fmt.Fprintf(&up, "link add name %s netns %s type veth peer name %s netns %s\n", s.A.Interface, s.A.Node, s.B.Interface, s.B.Node)
		case plan.SetSysctl:
		default:
			node, command, ok := strings.Cut(strings.TrimPrefix(s.String(), "ip -n "), " ")
			if !ok || inside[node] == nil {
				b.Fatalf("no batch can hold %q", s)
			}
			fmt.Fprintln(inside[node], command)
		}
	}
	text := "set -e; mount -t tmpfs none /run; ip -batch " + write("up", up.String()) + "\n"
	for _, node := range p.Nodes() {
		text += fmt.Sprintf("ip -n %s -batch %s\n", node, write(node, inside[node].String()))
	}
	return text + "echo up; cat; ip -batch " + write("down", down.String())
}

// spent is what one lab took.
type spent struct {
	up, down time.Duration
	memory   int // KiB, peak of the sandbox process, or of the largest process of the script
}

// benchLabs builds and removes the same network by turns with faultline and with ip.
func benchLabs(b *testing.B, nodes int, goal time.Duration) []row {
	top, err := topology.Parse("bridged.yaml", bridged(nodes), nil)
	if err != nil {
		b.Fatal(err)
	}
	p, err := plan.Compile(top)
	if err != nil {
		b.Fatal(err)
	}
	text := script(b, p)
	var ours, theirs []spent
	for range b.N {
		ours = append(ours, byFaultline(b, p))
		theirs = append(theirs, byScript(b, text))
	}
	each := func(all []spent, of func(spent) time.Duration) time.Duration {
		var d []time.Duration
		for _, s := range all {
			d = append(d, of(s))
		}
		return median(d)
	}
	up := func(s spent) time.Duration { return s.up }
	down := func(s spent) time.Duration { return s.down }
	both := func(s spent) time.Duration { return s.up + s.down }
	line := func(who, goal string, all []spent) row {
		memory := 0
		for _, s := range all {
			memory = max(memory, s.memory)
		}
		return row{
			fmt.Sprintf("%d nodes on a bridge, %s: median of %d", nodes, who, len(all)),
			fmt.Sprintf("%s (up %s, down %s), peak %d MiB", show(each(all, both)), show(each(all, up)), show(each(all, down)), memory/1024),
			goal,
		}
	}
	ratio := float64(each(ours, both)) / float64(each(theirs, both))
	b.ReportMetric(each(ours, both).Seconds(), "s/faultline")
	b.ReportMetric(each(theirs, both).Seconds(), "s/script")
	return []row{
		line("faultline", show(goal), ours),
		line("ip -batch", "", theirs),
		{"  faultline to ip -batch", fmt.Sprintf("%.2f", ratio), "1.00"},
	}
}

// byFaultline measures a lab in a sandbox of its own, the sandbox included.
func byFaultline(b *testing.B, p *plan.Plan) spent {
	rt := netns.New(netns.Options{})
	defer rt.Close()
	start := time.Now()
	l, err := rt.Up(context.Background(), p)
	if err != nil {
		b.Fatal(err)
	}
	s := spent{up: time.Since(start), memory: childPeak(b)}
	start = time.Now()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	s.down = time.Since(start)
	return s
}

// byScript measures the script, in namespaces of its own too.
func byScript(b *testing.B, text string) spent {
	c := exec.Command("unshare", "-Urnmpf", "--mount-proc", "sh", "-c", text)
	c.Stderr = os.Stderr
	stdin, err := c.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := c.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := c.Start(); err != nil {
		b.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
		b.Fatalf("script: %q, %v", line, err)
	}
	s := spent{up: time.Since(start)}
	start = time.Now()
	stdin.Close()
	if err := c.Wait(); err != nil {
		b.Fatalf("script: %v", err)
	}
	s.down = time.Since(start)
	s.memory = int(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)
	return s
}

var peak = regexp.MustCompile(`(?m)^VmHWM:\s*(\d+) kB`)

// childPeak returns the peak of resident memory of this process's one child, the sandbox, in KiB.
func childPeak(b *testing.B) int {
	b.Helper()
	names, err := filepath.Glob("/proc/[1-9]*")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		if parent, _, _, ok := stat(pid); !ok || parent != os.Getpid() {
			continue
		}
		status, err := os.ReadFile(name + "/status")
		if m := peak.FindSubmatch(status); err == nil && m != nil {
			kib, err := strconv.Atoi(string(m[1]))
			if err != nil {
				b.Fatal(err)
			}
			return kib
		}
	}
	b.Fatal("the sandbox is not there")
	return 0
}
