package netns

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/plan"
)

// star is a switch with pods around it.
func star(pods int) *plan.Plan {
	steps := []plan.Step{plan.AddNode{Node: "switch"}}
	names := make([]string, pods)
	for i := range names {
		names[i] = fmt.Sprintf("pod%d", i)
		steps = append(steps, plan.AddNode{Node: names[i]})
	}
	for _, n := range names {
		steps = append(steps, sysctl(n, "net.ipv4.ip_forward", "0"), sysctl(n, "net.ipv4.conf.all.rp_filter", "0"))
	}
	steps = append(steps, plan.AddBridge{End: end("switch", "br0")})
	for _, n := range names {
		steps = append(steps, plan.AddVeth{A: end("switch", n), B: end(n, "eth0")}, plan.SetMaster{End: end("switch", n), Master: "br0"})
	}
	ip := netip.MustParseAddr("10.0.0.1")
	for _, n := range names {
		steps = append(steps, plan.AddAddress{End: end(n, "eth0"), Address: netip.PrefixFrom(ip, 16)})
		ip = ip.Next()
	}
	for _, n := range names {
		steps = append(steps, plan.SetUp{End: end("switch", n)}, plan.SetUp{End: end(n, "eth0")})
	}
	return &plan.Plan{Topology: "star", Steps: append(steps, plan.SetUp{End: end("switch", "br0")})}
}

// BenchmarkUpDown builds and removes a star of pods in a sandbox.
func BenchmarkUpDown(b *testing.B) {
	for _, nodes := range []int{6, 100} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			r := sandboxes(b)
			p := star(nodes - 1)
			for b.Loop() {
				l, err := r.Up(context.Background(), p)
				if err != nil {
					b.Fatal(err)
				}
				if err := l.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkScript does the same with ip -batch and ip netns, in namespaces of its own too.
func BenchmarkScript(b *testing.B) {
	for _, nodes := range []int{6, 100} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			script := batch(b, star(nodes-1))
			for b.Loop() {
				cmd := exec.Command("unshare", "-Urnmpf", "--mount-proc", "sh", "-c", script)
				if out, err := cmd.CombinedOutput(); err != nil {
					b.Fatalf("%v: %s", err, out)
				}
			}
		})
	}
}

// batch is the script of a star: as few processes as ip allows, namespaces deleted at the end.
func batch(b *testing.B, p *plan.Plan) string {
	b.Helper()
	var top, down, sysctls strings.Builder
	inside := map[string]*strings.Builder{}
	for _, s := range p.Steps {
		switch s := s.(type) {
		case plan.AddNode:
			fmt.Fprintf(&top, "netns add %s\n", s.Node)
			fmt.Fprintf(&down, "netns del %s\n", s.Node)
			inside[s.Node] = &strings.Builder{}
		case plan.AddVeth:
			fmt.Fprintf(&top, "link add %s netns %s type veth peer name %s netns %s\n", s.A.Interface, s.A.Node, s.B.Interface, s.B.Node)
		case plan.SetSysctl:
			if strings.HasSuffix(s.Name, "ip_forward") {
				fmt.Fprintf(&sysctls, "ip netns exec %s sysctl -qw %s=%s net.ipv4.conf.all.rp_filter=0\n", s.Node, s.Name, s.Value)
			}
		default:
			rest, _ := strings.CutPrefix(s.String(), "ip -n ")
			node, command, _ := strings.Cut(rest, " ")
			fmt.Fprintln(inside[node], command)
		}
	}
	dir := b.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			b.Fatal(err)
		}
		return path
	}
	script := "set -e; mount -t tmpfs none /run; ip -batch " + write("top", top.String()) + "\n" + sysctls.String()
	for _, node := range p.Nodes() {
		script += fmt.Sprintf("ip -n %s -batch %s\n", node, write(node, inside[node].String()))
	}
	return script + "ip -batch " + write("down", down.String())
}
