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

// script is the same network for ip: as few processes as it can do with, one for all namespaces and links and one for
// what is in each namespace. It says "up", and takes the namespaces down when its standard input ends. ip cannot write
// the plan's sysctls: with them the script is the same network and has a sysctl process more for each node, without them
// it has the same links and addresses and is what ip can do at best.
func script(b *testing.B, p *plan.Plan, sysctls bool) string {
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
	inside, values := map[string]*strings.Builder{}, map[string][]string{}
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
			values[s.Node] = append(values[s.Node], s.Name+"="+s.Value)
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
		if sysctls {
			text += fmt.Sprintf("ip netns exec %s sysctl -qw %s\n", node, strings.Join(values[node], " "))
		}
		text += fmt.Sprintf("ip -n %s -batch %s\n", node, write(node, inside[node].String()))
	}
	return text + "echo up; cat; ip -batch " + write("down", down.String())
}

// spent is what one lab took.
type spent struct {
	up, down time.Duration
}

// rest is the time between two measurements. The kernel removes namespaces once their last user is gone, on its own time
// (cleanup_net in net/core/net_namespace.c), and a bridge alone holds it up for 40 ms: the next lab would pay for this one.
const rest = 400 * time.Millisecond

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
	bare, whole := script(b, p, false), script(b, p, true)
	var ours, theirs, same []spent
	memory := 0
	for range b.N {
		<-time.After(rest)
		s, kib := byFaultline(b, p)
		ours, memory = append(ours, s), max(memory, kib)
		<-time.After(rest)
		theirs = append(theirs, byScript(b, bare))
		<-time.After(rest)
		same = append(same, byScript(b, whole))
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
	line := func(who, goal string, all []spent, kib int) row {
		return row{
			fmt.Sprintf("%d nodes on a bridge, %s: median of %d", nodes, who, len(all)),
			fmt.Sprintf("%s (up %s, down %s), peak %.0f MiB", show(each(all, both)), show(each(all, up)), show(each(all, down)), float64(kib)/1024),
			goal,
		}
	}
	ratio := func(to []spent) string { return fmt.Sprintf("%.2f", float64(each(ours, both))/float64(each(to, both))) }
	return []row{
		line("faultline", show(goal), ours, memory),
		line("ip -batch, links and addresses alone", "", theirs, scriptPeak(b, bare)),
		line("ip -batch, the sysctls too", "", same, scriptPeak(b, whole)),
		{"  faultline to ip -batch, links and addresses alone", ratio(theirs), ""},
		{"  faultline to ip -batch, the sysctls too: the same network", ratio(same), "1.00"},
	}
}

// byFaultline measures a lab in a sandbox of its own, the sandbox included, and the sandbox's peak of memory in KiB.
func byFaultline(b *testing.B, p *plan.Plan) (s spent, memory int) {
	rt := netns.New(netns.Options{})
	defer rt.Close()
	start := time.Now()
	l, err := rt.Up(context.Background(), p)
	if err != nil {
		b.Fatal(err)
	}
	s.up = time.Since(start)
	memory = below(true)
	start = time.Now()
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	s.down = time.Since(start)
	return s, memory
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
	return s
}

var peak = regexp.MustCompile(`(?m)^VmHWM:\s*(\d+) kB`)

// below returns the resident memory of all descendants of this process together, each at its peak, in KiB. Those that run
// this process's program count where own says so: a child does until it executes another.
func below(own bool) int {
	names, err := filepath.Glob("/proc/[1-9]*")
	if err != nil {
		panic(err) // the pattern is right
	}
	self, _ := os.Readlink("/proc/self/exe")
	parents := map[int]int{}
	for _, name := range names {
		if pid, err := strconv.Atoi(filepath.Base(name)); err == nil {
			parents[pid], _, _, _ = stat(pid)
		}
	}
	sum := 0
	for pid := range parents {
		up := parents[pid]
		for up > 1 && up != os.Getpid() {
			up = parents[up]
		}
		exe, _ := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if up != os.Getpid() || exe == self && !own {
			continue
		}
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if m := peak.FindSubmatch(status); m != nil {
			kib, _ := strconv.Atoi(string(m[1])) // digits
			sum += kib
		}
	}
	return sum
}

// scriptPeak runs the script once more, unmeasured, and looks at its processes as often as it can.
func scriptPeak(b *testing.B, text string) int {
	most := 0
	over, seen := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(seen)
		for {
			select {
			case <-over:
				return
			default:
				most = max(most, below(false))
			}
		}
	}()
	byScript(b, text)
	close(over)
	<-seen
	return most
}
