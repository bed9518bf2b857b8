package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

func TestProcessesEndAsTheContractSays(t *testing.T) {
	l := up(t, sandboxes(t), small())
	n, err := l.Node("a")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, script, stdin, out string
		err                      error
	}{
		{"exit code 0 is nil", "cat; echo bye >&2", "hello", "hello", nil},
		{"another exit code is an ExitError", "exit 7", "", "", &lab.ExitError{Code: 7}},
		{"so is a signal", "kill -TERM $$", "", "", &lab.ExitError{Code: -1, Signal: "TERM"}},
		{"a process that does not read its input ends all the same", "echo done", strings.Repeat("x", 1<<20), "done\n", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			p, err := n.Start(deadline(t), &lab.Cmd{Args: []string{"sh", "-c", tt.script}, Stdin: strings.NewReader(tt.stdin), Stdout: &out})
			if err != nil {
				t.Fatal(err)
			}
			err = p.Wait()
			var exit *lab.ExitError
			if errors.As(err, &exit) {
				err = exit
			}
			if diff := cmp.Diff(tt.err, err, cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || a != nil && b != nil && a.Error() == b.Error() })); diff != "" {
				t.Errorf("Wait (-want +got):\n%s", diff)
			}
			if out.String() != tt.out {
				t.Errorf("output %q, want %q", out.String(), tt.out)
			}
			if err := p.Signal(os.Interrupt); err != nil {
				t.Errorf("signalling an ended process: %v", err)
			}
		})
	}
}

// inHere is a lab of Inner in this process's namespaces, for what the wire would hide.
func inHere(t *testing.T, p *plan.Plan) *innerLab {
	t.Helper()
	sandboxes(t)
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: Inner in this process takes root")
	}
	return up(t, &Inner{}, p).(*innerLab)
}

func TestEndOfContextKillsTheWholeGroup(t *testing.T) {
	l := inHere(t, &plan.Plan{Steps: []plan.Step{plan.AddNode{Node: "a"}}})
	n, err := l.node("a")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(deadline(t))
	out := newOutput(func(line string) bool { return line == "up" })
	// The pipe of its input never ends, as that of a far client may not.
	in, _ := io.Pipe()
	p, err := n.start(ctx, &lab.Cmd{Args: []string{"sh", "-c", "sleep 1000 & echo up; wait"}, Stdin: in, Stdout: out})
	if err != nil {
		t.Fatal(err)
	}
	<-out.found
	cancel()
	if err := p.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait after the end of ctx: %v, want %v", err, context.Canceled)
	}
	if pids, err := pidsInside(map[string]*node{"a": n}); err != nil || len(pids) > 0 {
		t.Errorf("left in the node: %v, %v", pids, err)
	}
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	r := sandboxes(t)
	needs(t, "nft", "iptables-nft-restore")
	swappiness, err := os.ReadFile("/proc/sys/vm/swappiness")
	if err != nil {
		t.Fatal(err)
	}
	a := plan.AddNode{Node: "a"}
	tests := []struct {
		name string
		step plan.Step
		want string
	}{
		{"a missing interface", plan.SetUp{End: end("a", "eth7")}, "up: node a: set eth7 up: find interface eth7: Link not found"},
		{"a missing node", plan.SetUp{End: end("b", "eth7")}, `up: no node "b"; there are a`},
		{"a missing sysctl", plan.SetSysctl{Node: "a", Name: "net.ipv4.nothing", Value: "1"}, "up: node a: set net.ipv4.nothing=1: this kernel does not have it, or not yet"},
		{"a sysctl of the whole machine", plan.SetSysctl{Node: "a", Name: "vm.swappiness", Value: strings.TrimSpace(string(swappiness))}, // what it is anyway
			": it is not per network namespace; run with --runtime vm"},
		{"an address twice", address("a", "lo", "127.0.0.1/8"), "up: node a: add address 127.0.0.1/8 to lo: file exists"},
		{"a route to nowhere", plan.AddRoute{Node: "a", To: prefix("10.0.0.0/8"), Via: addr("192.0.2.1")}, "up: node a: add route to 10.0.0.0/8: network is unreachable"},
		{"an iptables rule", plan.LoadRuleset{Node: "a", Tool: "iptables-nft", Text: "*filter\n-A FORWARD --nonsense -j DROP\nCOMMIT\n"},
			"\nline 2: -A FORWARD --nonsense -j DROP"},
		{"an nft rule", plan.LoadRuleset{Node: "a", Tool: "nft", Text: "add table ip t\nadd rule ip t nowhere counter\n"},
			"add rule ip t nowhere counter"},
		{"a server on a port that is taken", plan.Serve{Node: "a", TCP: []uint16{80, 80}}, "up: node a: server ended: exit code 1; it wrote: "},
		{"a process that ends before it is ready", plan.StartProcess{Node: "a", Name: "dhcp", Cmd: []string{"sh", "-c", "echo no lease; exit 3"}, Ready: "bound"},
			"up: node a: process dhcp ended: exit code 3; it wrote: no lease"},
		{"kube-proxy without an API", plan.StartKubeProxy{Node: "a", Version: "v1.36.3"}, "up: node a: start kube-proxy v1.36.3: the lab has no API"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			steps := []plan.Step{a, tt.step}
			if strings.Contains(tt.name, "twice") {
				steps = append(steps, tt.step)
			}
			_, err := r.Up(deadline(t), &plan.Plan{Steps: steps})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestUpEndsWithItsContext(t *testing.T) {
	r := sandboxes(t)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	_, err := r.Up(ctx, &plan.Plan{Steps: []plan.Step{
		plan.AddNode{Node: "a"},
		plan.StartProcess{Node: "a", Name: "slow", Cmd: []string{"sh", "-c", "echo thinking; sleep 1000"}, Ready: "bound"},
	}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want the end of the context", err)
	}
}

func TestLabsAtOnceDoNotMeet(t *testing.T) {
	r := sandboxes(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			l, err := r.Up(deadline(t), small())
			if err != nil {
				t.Error(err)
				return
			}
			if got := sh(t, l, "a", "ls /sys/class/net"); got != "eth0\nlo\n" {
				t.Errorf("interfaces %q", got)
			}
			if err := errors.Join(l.Close(), l.Close()); err != nil {
				t.Errorf("close twice: %v", err)
			}
		})
	}
	wg.Wait()
}

func TestRuntimeCloseEndsItsLabs(t *testing.T) {
	r := sandboxes(t)
	l, err := r.Up(deadline(t), small())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), r.Close(), l.Close()); err != nil {
		t.Error(err)
	}
	if _, err := r.Up(deadline(t), small()); err == nil || err.Error() != "up: the runtime is closed" {
		t.Errorf("Up after Close: %v", err)
	}
}

func TestStepsOnALiveLab(t *testing.T) {
	l := up(t, sandboxes(t), small())
	apply := func(s plan.Step) {
		t.Helper()
		if err := l.Apply(deadline(t), s); err != nil {
			t.Error(err)
		}
	}
	// The interface is another one than that of the plan, with another index.
	sh(t, l, "a", "ip link del eth0; ip link add other type veth peer name peer; ip link add eth0 type bridge")
	apply(plan.AddAddress{End: end("a", "eth0"), Address: netip.MustParsePrefix("10.3.0.1/24")})
	apply(plan.SetUp{End: end("a", "eth0")})
	if got := seen(sh(t, l, "a", "ip -4 -br addr show dev eth0 | awk '{print $3}'")); got != "10.3.0.1/24" {
		t.Errorf("address %q", got)
	}
	err := l.Apply(deadline(t), plan.SetMTU{End: end("a", "eth7"), MTU: 1300})
	if want := "apply: node a: set mtu of eth7 to 1300: find interface eth7: Link not found"; err == nil || err.Error() != want {
		t.Errorf("error %v\nwant %s", err, want)
	}
}

func TestUnprivilegedUser(t *testing.T) {
	sandboxes(t)
	if os.Getuid() != 0 {
		t.Skip("NOT RUN: takes root to become nobody; the other tests ran without privileges already")
	}
	cmd := asNobody(t, copyOfSelf(t), "-test.run", "^(TestKernelHasWhatThePlanSays|TestNothingIsLeftAtTheEndOfFaultline|TestProcessesEndAsTheContractSays)$", "-test.v")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.Contains(string(out), "NOT RUN") || strings.Count(string(out), "\n--- PASS") < 2 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestRunLength(t *testing.T) {
	forward := func(n string) plan.Step { return sysctl(n, "net.ipv4.ip_forward", "1") }
	proxy := func(n string) plan.Step { return plan.StartKubeProxy{Node: n} }
	tests := []struct {
		name  string
		steps []plan.Step
		want  int
	}{
		{"sysctls of a node go together", []plan.Step{forward("a"), forward("a"), forward("b")}, 2},
		{"servers go together", []plan.Step{plan.Serve{Node: "a"}, plan.Serve{Node: "a"}, plan.AddNode{}}, 2},
		{"a kube-proxy waits for the one it replaces", []plan.Step{proxy("a"), proxy("b"), proxy("a")}, 2},
		{"anything else goes alone", []plan.Step{plan.AddNode{Node: "a"}, plan.AddNode{Node: "b"}}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := runLength(tt.steps); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// copyOfSelf is this test binary where everybody may run it.
func copyOfSelf(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "faultline-netns")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	binary, err := os.ReadFile("/proc/self/exe")
	path := filepath.Join(dir, "netns.test")
	if err := errors.Join(err, os.Chmod(dir, 0o755), os.WriteFile(path, binary, 0o755)); err != nil {
		t.Fatal(err)
	}
	return path
}

// asNobody runs a command as a user without any rights.
func asNobody(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(deadline(t), args[0], args[1:]...)
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd
}

func TestNamespaceThatIsThereAlready(t *testing.T) {
	theirs := inHere(t, &plan.Plan{Steps: []plan.Step{plan.AddNode{Node: "a"}}})
	n, err := theirs.node("a")
	if err != nil {
		t.Fatal(err)
	}
	daemon, err := n.start(deadline(t), &lab.Cmd{Args: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	file := fmt.Sprintf("/proc/%d/ns/net", daemon.cmd.Process.Pid)
	ours, err := (&Inner{}).Up(deadline(t), &plan.Plan{Steps: []plan.Step{
		plan.AddNode{Node: "taken", Namespace: file}, plan.AddNode{Node: "new"},
		plan.AddVeth{A: end("taken", "eth0"), B: end("new", "eth0")},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.index("eth0"); err != nil {
		t.Errorf("the veth's end is not in the namespace that was taken: %v", err)
	}
	taken, err := ours.Node("taken")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lab.Run(deadline(t), taken, "true"); err != nil {
		t.Fatal(err)
	}
	if err := ours.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if pids, err := pidsInside(map[string]*node{"a": n}); err != nil || len(pids) != 1 {
		t.Errorf("in the namespace after close: %v, %v; want the process of the others", pids, err)
	}
}

func TestNamespaceThatIsNotThere(t *testing.T) {
	_, err := (&Inner{}).Up(deadline(t), &plan.Plan{Steps: []plan.Step{plan.AddNode{Node: "a", Namespace: "/nowhere"}}})
	if err == nil || !strings.HasPrefix(err.Error(), "up: node a: take network namespace /nowhere: ") {
		t.Errorf("error %v", err)
	}
}
