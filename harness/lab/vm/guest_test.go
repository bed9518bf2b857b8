package vm

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/faultline-lab/faultline/harness/agent"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// testGuest builds the guest's binary once. Test binaries themselves cannot be init: the race detector links them
// dynamically.
var testGuest = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "guest")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "guest")
	build := exec.Command("go", "build", "-o", binary, "./testdata/guest")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.Join(errors.New(string(out)), err, os.RemoveAll(dir))
	}
	return binary, nil
})

// TestMain removes what testGuest built, if anything did.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == holdArg {
		hold(os.Args[2], os.Args[3])
		return
	}
	code := m.Run()
	if built {
		binary, err := testGuest()
		if err == nil {
			os.RemoveAll(filepath.Dir(binary))
		}
	}
	os.Exit(code)
}

var built bool

// options are those of every guest in tests: kernels stay in the cache that the command uses.
func options(t *testing.T) Options {
	t.Helper()
	if testing.Short() {
		t.Skip("boots a guest")
	}
	if missing := hostLacks(nil); len(missing) > 0 {
		t.Skip("cannot boot a guest here: " + unsupported(missing).Error())
	}
	built = true
	binary, err := testGuest()
	if err != nil {
		t.Fatal(err)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Cache: filepath.Join(cache, "faultline"), Binary: binary, Accelerator: "tcg",
		Progress: func(line string) { t.Log(line) },
	}
}

func newRuntime(t *testing.T, o Options) *Runtime {
	t.Helper()
	r := New(o)
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("close runtime: %v", err)
		}
	})
	return r
}

func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func up(t *testing.T, r *Runtime, p *plan.Plan) lab.Lab {
	t.Helper()
	l, err := r.Up(bounded(t), p)
	if err != nil {
		t.Fatalf("up: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close lab: %v", err)
		}
	})
	return l
}

func node(t *testing.T, l lab.Lab, name string) lab.Node {
	t.Helper()
	n, err := l.Node(name)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func run(t *testing.T, n lab.Node, args ...string) string {
	t.Helper()
	out, err := lab.Run(bounded(t), n, args...)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func end(node, name string) plan.End { return plan.End{Node: node, Interface: name} }

// tunnel is two nodes with an ESP tunnel between their dummies, and what else only guests have on many machines.
func tunnel() *plan.Plan {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	a, b := addr("192.0.2.1"), addr("192.0.2.2")
	inA, inB := prefix("10.1.0.1/32"), prefix("10.2.0.1/32")
	key := strings.Repeat("17", 20)
	return &plan.Plan{Topology: "tunnel", Steps: []plan.Step{
		plan.AddNode{Node: "a"}, plan.AddNode{Node: "b"},
		plan.AddVeth{A: end("a", "eth0"), B: end("b", "eth0")},
		plan.AddAddress{End: end("a", "eth0"), Address: prefix("192.0.2.1/24")},
		plan.AddAddress{End: end("b", "eth0"), Address: prefix("192.0.2.2/24")},
		plan.SetUp{End: end("a", "eth0")}, plan.SetUp{End: end("b", "eth0")},
		plan.AddDummy{End: end("a", "dum")}, plan.AddAddress{End: end("a", "dum"), Address: inA}, plan.SetUp{End: end("a", "dum")},
		plan.AddDummy{End: end("b", "dum")}, plan.AddAddress{End: end("b", "dum"), Address: inB}, plan.SetUp{End: end("b", "dum")},
		plan.AddRoute{Node: "a", To: inB, Via: b, Src: inA.Addr()},
		plan.AddRoute{Node: "b", To: inA, Via: a, Src: inB.Addr()},
		plan.AddXfrmState{Node: "a", Src: a, Dst: b, SPI: 1, ReqID: 1, Key: key},
		plan.AddXfrmState{Node: "b", Src: a, Dst: b, SPI: 1, ReqID: 1, Key: key},
		plan.AddXfrmState{Node: "a", Src: b, Dst: a, SPI: 2, ReqID: 1, Key: key, UDPEncap: true},
		plan.AddXfrmState{Node: "b", Src: b, Dst: a, SPI: 2, ReqID: 1, Key: key, UDPEncap: true},
		plan.AddXfrmPolicy{Node: "a", Dir: "out", Src: inA, Dst: inB, TmplSrc: a, TmplDst: b, ReqID: 1},
		plan.AddXfrmPolicy{Node: "b", Dir: "in", Src: inA, Dst: inB, TmplSrc: a, TmplDst: b, ReqID: 1},
		plan.AddBridge{End: end("a", "br0"), VLANFiltering: true},
		plan.AddVeth{A: end("a", "port"), B: end("b", "access")},
		plan.SetMaster{End: end("a", "port"), Master: "br0"},
		plan.AddBridgeVLAN{End: end("a", "port"), VID: 178, PVID: true, Untagged: true},
		plan.AddVLAN{End: end("b", "access.5"), Parent: "access", ID: 5},
		plan.AddMacvlan{End: end("b", "mv"), Parent: end("b", "access"), Mode: "bridge"},
		plan.AddVXLAN{End: end("a", "vx"), ID: 7, Local: a, Remote: b, Port: 4789},
		plan.LoadRuleset{Node: "a", Tool: "nft", Text: "table ip t { chain c { type filter hook input priority 0; counter accept; }; }"},
		plan.LoadRuleset{Node: "b", Tool: "iptables-nft", Text: "*nat\n-A POSTROUTING -m comment --comment x -j MASQUERADE --random-fully\nCOMMIT\n"},
	}}
}

func TestGuest(t *testing.T) {
	r := newRuntime(t, options(t))
	facts, err := r.Check(bounded(t), tunnel())
	if err != nil {
		t.Fatal(err)
	}
	if facts.Runtime != "vm" || facts.Accelerator != "tcg" || !strings.HasPrefix(facts.Kernel, "6.1.") || facts.Detail == "" {
		t.Errorf("facts: %+v", facts)
	}
	l := up(t, r, tunnel())
	a := node(t, l, "a")

	t.Run("carries ESP", func(t *testing.T) {
		run(t, a, "bash", "-c", "echo x > /dev/udp/10.2.0.1/9")
		if got := run(t, node(t, l, "b"), "ip", "-s", "xfrm", "state"); !strings.Contains(got, "30(bytes), 1(packets)") {
			t.Errorf("no packet through the tunnel:\n%s", got)
		}
	})
	for _, c := range []struct {
		node, command, want string
	}{
		{"a", "ip -d link show br0", "vlan_filtering 1"},
		{"a", "bridge vlan show dev port", "178 PVID Egress Untagged"},
		{"b", "ip -d link show access.5", "vlan protocol 802.1Q id 5"},
		{"b", "ip -d link show mv", "macvlan mode bridge"},
		{"a", "ip -d link show vx", "vxlan id 7"},
		{"a", "cat /proc/net/ip_vs", "IP Virtual Server"},
		{"a", "nft list ruleset", "counter packets"},
		{"b", "iptables-save", "-j MASQUERADE --random-fully"},
		{"b", "ipset list -n", ""},
		{"b", "uname -r", "cloud-amd64"},
	} {
		t.Run(c.command, func(t *testing.T) {
			if got := run(t, node(t, l, c.node), strings.Fields(c.command)...); !strings.Contains(got, c.want) {
				t.Errorf("got:\n%s\nwant it to have %q", got, c.want)
			}
		})
	}
	t.Run("is shared by plans that it is fit for", func(t *testing.T) {
		up(t, r, &plan.Plan{Topology: "other", Steps: []plan.Step{plan.AddNode{Node: "a"}}})
		if len(r.guests) != 1 {
			t.Errorf("%d guests, want 1", len(r.guests))
		}
	})
	t.Run("is not shared with a plan that bridge netfilter is for", func(t *testing.T) {
		other := up(t, r, &plan.Plan{Topology: "brnf", Steps: []plan.Step{
			plan.AddNode{Node: "a"}, plan.SetSysctl{Node: "a", Name: "net.bridge.bridge-nf-call-iptables", Value: "0"},
		}})
		if got := run(t, node(t, other, "a"), "cat", "/proc/sys/net/bridge/bridge-nf-call-iptables"); got != "0\n" {
			t.Errorf("sysctl is %q", got)
		}
		if len(r.guests) != 2 {
			t.Errorf("%d guests, want 2", len(r.guests))
		}
	})
}

func TestGuestThatPanics(t *testing.T) {
	r := newRuntime(t, options(t))
	l := up(t, r, &plan.Plan{Topology: "one", Steps: []plan.Step{plan.AddNode{Node: "a"}}})
	began := time.Now()
	_, err := lab.Run(bounded(t), node(t, l, "a"), "sh", "-c", "echo c > /proc/sysrq-trigger; sleep 60")
	for _, want := range []string{agent.ErrLost.Error(), "the guest reset or switched itself off\nits console ends:\n", "Kernel panic - not syncing: sysrq triggered crash"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
	if !errors.Is(err, agent.ErrLost) {
		t.Errorf("error does not wrap ErrLost: %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %v to notice", took)
	}
	if err := l.Close(); err != nil {
		t.Errorf("close the lab of a dead guest: %v", err)
	}
	t.Run("is replaced for the next lab", func(t *testing.T) {
		run(t, node(t, up(t, r, &plan.Plan{Topology: "one", Steps: []plan.Step{plan.AddNode{Node: "a"}}}), "a"), "true")
	})
}

// A guest that is not heard of any more may still run: it takes no further lab, and is stopped.
func TestGuestWithoutAConnectionIsReplaced(t *testing.T) {
	r := newRuntime(t, options(t))
	one := &plan.Plan{Topology: "one", Steps: []plan.Step{plan.AddNode{Node: "a"}}}
	l := up(t, r, one)
	lost := r.guests[0]
	if err := lost.client.Close(); err != nil {
		t.Fatal(err)
	}
	if lost.process.Err() != nil {
		t.Fatal("the guest is gone, nothing is tested")
	}
	if err := l.Close(); err != nil {
		t.Errorf("close the lab: %v", err)
	}
	run(t, node(t, up(t, r, one), "a"), "true")
	if lost.process.Err() == nil {
		t.Error("the guest still runs")
	}
}

func TestGuestIsKilled(t *testing.T) {
	r := newRuntime(t, options(t))
	l := up(t, r, &plan.Plan{Topology: "one", Steps: []plan.Step{plan.AddNode{Node: "a"}}})
	p, err := node(t, l, "a").Start(bounded(t), &lab.Cmd{Args: []string{"sleep", "60"}})
	if err != nil {
		t.Fatal(err)
	}
	r.guests[0].process.Kill()
	if err := p.Wait(); !errors.Is(err, agent.ErrLost) || !strings.Contains(err.Error(), "QEMU ended: signal: killed") {
		t.Errorf("wait: %v", err)
	}
}

func TestGuestThatHangs(t *testing.T) {
	o := options(t)
	o.BootLimit = 300 * time.Millisecond
	r := newRuntime(t, o)
	_, err := r.Up(bounded(t), &plan.Plan{Topology: "one", Steps: []plan.Step{plan.AddNode{Node: "a"}}})
	for _, want := range []string{"guest does not come up: no answer within 300ms", "\nits console "} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("up: error lacks %q: %v", want, err)
		}
	}
}
