package netns

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/faultline-lab/faultline/harness/kubeproxy"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/topology"
)

const version = topology.DefaultKubeProxy

// withKubeProxy is a Runtime that finds kube-proxy in the user's cache.
func withKubeProxy(t *testing.T) *Runtime {
	t.Helper()
	sandboxes(t)
	needs(t, "iptables-restore", "nft")
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Skipf("NOT RUN: %v", err)
	}
	dir := filepath.Join(cache, "faultline", "kube-proxy")
	if _, err := os.Stat(filepath.Join(dir, kubeproxy.FileName(version))); err != nil {
		t.Skipf("NOT RUN: kube-proxy is not built: %v", err)
	}
	r := New(Options{BinDir: dir})
	t.Cleanup(func() { r.Close() })
	return r
}

func web(backends ...string) plan.Service {
	s := plan.Service{
		Name: "web", ClusterIP: addr("10.96.0.10"),
		Ports: []plan.ServicePort{{Name: "http", Port: 80, TargetPort: 80, Protocol: "TCP"}},
	}
	for i, b := range backends {
		s.Backends = append(s.Backends, plan.Backend{Name: "pod" + string(rune('0'+i)), Address: addr(b), Node: "host"})
	}
	return s
}

// oneHost is a host with kube-proxy and two pods.
func oneHost(mode string, flags ...string) *plan.Plan {
	p := &plan.Plan{Topology: "one-host"}
	add := func(s ...plan.Step) { p.Steps = append(p.Steps, s...) }
	add(plan.AddNode{Node: "host"}, sysctl("host", "net.ipv4.ip_forward", "1"), plan.AddBridge{End: end("host", "br0")},
		address("host", "br0", "10.244.0.1/24"), plan.SetUp{End: end("host", "br0")},
		plan.AddRoute{Node: "host", To: prefix("0.0.0.0/0"), Via: addr("10.244.0.254")})
	for _, pod := range []struct{ name, address string }{{"pod1", "10.244.0.11/24"}, {"pod2", "10.244.0.12/24"}} {
		add(plan.AddNode{Node: pod.name}, plan.AddVeth{A: end("host", pod.name), B: end(pod.name, "eth0")},
			plan.SetMaster{End: end("host", pod.name), Master: "br0"}, address(pod.name, "eth0", pod.address),
			plan.SetUp{End: end("host", pod.name)}, plan.SetUp{End: end(pod.name, "eth0")},
			plan.AddRoute{Node: pod.name, To: prefix("0.0.0.0/0"), Via: addr("10.244.0.1")}, plan.Serve{Node: pod.name, TCP: []uint16{80}})
	}
	add(plan.ServeAPI{Nodes: []plan.ClusterNode{{Name: "host", Addresses: []netip.Addr{addr("10.244.0.1")}}}, Services: []plan.Service{web("10.244.0.11")}},
		plan.StartKubeProxy{Node: "host", Address: addr("10.244.0.1"), Version: version, Mode: mode, ClusterCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/12", Flags: flags})
	return p
}

// ask asks the Service from the host and returns what happened and who answered.
func ask(t *testing.T, l lab.Lab) string {
	t.Helper()
	n, err := l.Node("host")
	if err != nil {
		t.Fatal(err)
	}
	q, err := json.Marshal(probe.Request{Proto: probe.TCP, To: netip.MustParseAddrPort("10.96.0.10:80"), Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	out, err := lab.RunInput(deadline(t), n, string(q), lab.Self, "probe")
	if err != nil {
		t.Fatal(err)
	}
	var o probe.Observation
	if err := json.Unmarshal(out, &o); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(o.Outcome) + " " + o.Peer)
}

func TestKubeProxyFollowsTheLab(t *testing.T) {
	r := withKubeProxy(t)
	l := up(t, r, oneHost("nftables"))
	first := oneHost("iptables").Steps
	steps := []struct {
		name string
		step plan.Step
		want string
	}{
		{"the backend of the plan answers", nil, "delivered pod1"},
		{"kube-proxy is replaced by one in the older mode", first[len(first)-1], "delivered pod1"},
		{"another backend takes its place", plan.SetService{Service: web("10.244.0.12")}, "delivered pod2"},
		{"without a backend it refuses", plan.SetService{Service: web()}, "refused"},
		{"kube-proxy is replaced by one in another mode", plan.StartKubeProxy{Node: "host", Address: addr("10.244.0.1"), Version: version,
			Mode: "nftables", ClusterCIDR: "10.244.0.0/16", ServiceCIDR: "10.96.0.0/12"}, "refused"},
		{"which follows too", plan.SetService{Service: web("10.244.0.11")}, "delivered pod1"},
	}
	for _, s := range steps {
		if s.step != nil {
			if err := l.Apply(deadline(t), s.step); err != nil {
				t.Fatalf("%s: %v", s.name, err)
			}
		}
		if got := ask(t, l); got != s.want {
			t.Errorf("%s: got %q, want %q", s.name, got, s.want)
		}
	}
	if got := sh(t, l, "host", "iptables-save | grep -c KUBE-SVC || true"); got != "0\n" {
		t.Errorf("%s rules of the kube-proxy before are left", strings.TrimSpace(got))
	}
	sh(t, l, "host", "kill -9 $(pidof kube-proxy-"+version+")")
	err := l.Apply(deadline(t), plan.SetService{Service: web("10.244.0.12")})
	if want := "kube-proxy " + version + " ended: killed by SIGKILL; it wrote: "; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("after kube-proxy's death: %v\nwant %s", err, want)
	}
}

// A rule that kube-proxy does not write shows which one has written the chain.
func TestARestartedKubeProxyHasWrittenItsRules(t *testing.T) {
	r := withKubeProxy(t)
	p := oneHost("iptables")
	l := up(t, r, p)
	sh(t, l, "host", "iptables -w -A KUBE-FORWARD -m comment --comment earlier")
	if err := l.Apply(deadline(t), p.Steps[len(p.Steps)-1]); err != nil {
		t.Fatal(err)
	}
	if got := sh(t, l, "host", "iptables-save | grep -c earlier || true"); got != "0\n" {
		t.Error("in sync before kube-proxy has written")
	}
	if got := ask(t, l); got != "delivered pod1" {
		t.Errorf("got %q", got)
	}
}

// Rules are often cleared with iptables-save, grep and iptables-restore before a restart: nothing is left then of the one before.
func TestAKubeProxyWhoseChainsAreGoneIsRestarted(t *testing.T) {
	r := withKubeProxy(t)
	p := oneHost("iptables")
	l := up(t, r, p)
	sh(t, l, "host", "iptables-save | grep -v KUBE- | iptables-restore -w")
	if got := sh(t, l, "host", "iptables-save | grep -c KUBE-SERVICES || true"); got != "0\n" {
		t.Fatalf("%s rules of kube-proxy are left", strings.TrimSpace(got))
	}
	if err := l.Apply(deadline(t), p.Steps[len(p.Steps)-1]); err != nil {
		t.Fatal(err)
	}
	if got := ask(t, l); got != "delivered pod1" {
		t.Errorf("got %q", got)
	}
}

func TestProgressIsToldByLab(t *testing.T) {
	r := withKubeProxy(t)
	r.options.Progress = func(line string) { t.Errorf("told to all: %s", line) }
	lines := make(chan string, 10)
	ctx := lab.WithProgress(deadline(t), func(line string) { lines <- line })
	l, err := r.Up(ctx, oneHost("iptables"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if got, want := <-lines, "start kube-proxy "+version+" on host in iptables mode"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestKubeProxyThatDiesIsQuoted(t *testing.T) {
	r := withKubeProxy(t)
	began := time.Now()
	_, err := r.Up(deadline(t), oneHost("iptables", "--no-such-flag"))
	if want := "unknown flag: --no-such-flag"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v\nwant %s", err, want)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("said after %v", took)
	}
}
