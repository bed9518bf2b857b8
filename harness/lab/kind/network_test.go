package kind

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/topology"
)

// divided is the layout of a topology with a host and a router, and the network of its Pod "pod".
func divided(t *testing.T, text string) (*layout, *network) {
	t.Helper()
	top, err := topology.Parse("t.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	p, err := plan.Compile(top)
	if err != nil {
		t.Fatal(err)
	}
	lay, missing := newLayout(p)
	if len(missing) > 0 {
		t.Fatalf("missing %v", missing)
	}
	for _, c := range lay.clusters {
		for _, p := range c.pods {
			if p.name == "pod" {
				return lay, p.network
			}
		}
	}
	t.Fatal("no Pod")
	return nil, nil
}

const pods = `
topology: t
title: A pod with a veth pair and a macvlan, and what can be made of neither
nodes:
  - name: lan
    role: router
    interfaces: [{name: eth0, addresses: [192.0.2.1/24]}]
  - name: node
    role: host
    interfaces:
      - {name: eth0, addresses: [192.0.2.2/24], mtu: 1400}
      - {name: br0, bridge: {}}
      - {name: cali1, proxyARP: true, master: br0}
      - {name: cali1.7, vlan: {parent: cali1, id: 7}}
    routes: [{to: 10.0.0.1/32, dev: cali1}]
    sysctls: {net.ipv4.neigh.cali1.proxy_delay: 0, net.ipv4.neigh.eth0.proxy_delay: 0}
  - name: pod
    role: pod
    host: node
    sysctls: {net.ipv4.conf.net1.rp_filter: 1, net.ipv4.tcp_synack_retries: 0}
    interfaces:
      - {name: eth0, addresses: [10.0.0.1/32]}
      - {name: net1, addresses: [192.0.2.9/24], mtu: 1300, mac: "02:00:00:00:00:01", macvlan: {parent: "node:eth0", mode: private}}
      - {name: net2, macvlan: {parent: "lan:eth0", mode: bridge}}
      - {name: net3, macvlan: {parent: "node:cali1.7", mode: bridge}}
    routes:
      - {to: default, via: 192.0.2.1, dev: net1}
      - {to: 198.51.100.0/24, via: 192.0.2.1, dev: net1, src: 10.0.0.1}
      - {to: 203.0.113.0/24, dev: net1}
      - {to: 169.254.1.1/32, dev: eth0}
      - {to: 10.9.0.0/16, via: 169.254.1.1, dev: eth0}
      - {to: 10.9.0.0/16, via: 169.254.1.1, dev: eth0, table: 7}
      - {to: 10.7.7.7/32, dev: eth0, src: 192.0.2.9}
      - {to: 10.8.0.0/16, via: 10.7.7.7, dev: eth0}
links:
  - {a: "lan:eth0", b: "node:eth0"}
  - {a: "pod:eth0", b: "node:cali1"}
  - {a: "pod:eth1", b: "lan:pod"}
`

func TestLinksOfPodsAreMadeByPlugins(t *testing.T) {
	lay, n := divided(t, pods)
	for _, tt := range []struct {
		name  string
		steps []plan.Step
		want  string
	}{
		{"before there are Pods", lay.before, `ip netns add lan && ip -n lan link set dev lo up
ip netns add node && ip -n node link set dev lo up
ip netns exec lan sysctl -qw net.ipv4.ip_forward=1
ip netns exec lan sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec lan sysctl -qw net.ipv4.conf.default.rp_filter=0
ip netns exec node sysctl -qw net.ipv4.ip_forward=1
ip netns exec node sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec node sysctl -qw net.ipv4.conf.default.rp_filter=0
ip -n lan link add name eth0 type veth peer name eth0 netns node
ip -n node link set dev eth0 mtu 1400
ip -n node link add name br0 type bridge forward_delay 0 stp_state 0
ip netns exec node sysctl -qw net.ipv4.neigh.eth0.proxy_delay=0
ip -n lan address add 192.0.2.1/24 dev eth0 brd +
ip -n node address add 192.0.2.2/24 dev eth0 brd +
ip -n lan link set dev eth0 up
ip -n node link set dev eth0 up
ip -n node link set dev br0 up
`},
		{"by faultline's plugin", n.Own.Steps, `ip netns add pod && ip -n pod link set dev lo up
ip netns add node && ip -n node link set dev lo up
ip netns exec pod sysctl -qw net.ipv4.ip_forward=0
ip netns exec pod sysctl -qw net.ipv4.conf.all.rp_filter=0
ip netns exec pod sysctl -qw net.ipv4.conf.default.rp_filter=0
ip netns exec pod sysctl -qw net.ipv4.tcp_synack_retries=0
ip -n pod link add name eth0 type veth peer name cali1 netns node
ip netns exec node sysctl -qw net.ipv4.neigh.cali1.proxy_delay=0
ip -n pod address add 10.0.0.1/32 dev eth0
ip -n node link set dev cali1 up
ip -n pod link set dev eth0 up
ip netns exec node sysctl -qw net.ipv4.conf.cali1.proxy_arp=1
ip -n node route add 10.0.0.1/32 dev cali1
ip -n pod route add 169.254.1.1/32 dev eth0
ip -n pod route add 10.9.0.0/16 via 169.254.1.1 dev eth0
`},
		{"once they run", lay.after, `ip netns add pod && ip -n pod link set dev lo up
ip -n pod link add name eth1 type veth peer name pod netns lan
ip -n node link set dev cali1 master br0
ip -n node link add link cali1 name cali1.7 type vlan id 7
ip -n lan link add link eth0 name passing netns pod type macvlan mode bridge && ip -n pod link set dev passing name net2
ip -n node link add link cali1.7 name passing netns pod type macvlan mode bridge && ip -n pod link set dev passing name net3
ip netns exec pod sysctl -qw net.ipv4.conf.net1.rp_filter=1
ip -n node link set dev cali1.7 up
ip -n pod link set dev net2 up
ip -n pod link set dev net3 up
ip -n pod link set dev eth1 up
ip -n lan link set dev pod up
ip -n pod route add 203.0.113.0/24 dev net1
ip -n pod route add 10.7.7.7/32 dev eth0 src 192.0.2.9
ip -n pod route add 198.51.100.0/24 via 192.0.2.1 dev net1 src 10.0.0.1
ip -n pod route add 10.9.0.0/16 via 169.254.1.1 dev eth0 table 7
ip -n pod route add 10.8.0.0/16 via 10.7.7.7 dev eth0
`},
	} {
		got := ""
		for _, s := range tt.steps {
			got += s.String() + "\n"
		}
		if d := cmp.Diff(strings.Split(tt.want, "\n"), strings.Split(got, "\n")); d != "" {
			t.Errorf("%s: -want +got:\n%s", tt.name, d)
		}
	}
	text, err := json.Marshal(n.Macvlans)
	want := `[{"interface":"net1","config":{"cniVersion":"1.0.0","name":"faultline-macvlan","type":"macvlan","master":"eth0","mode":"private",` +
		`"mtu":1300,"mac":"02:00:00:00:00:01","ipam":{"type":"static","addresses":[{"address":"192.0.2.9/24"}],"routes":[{"dst":"0.0.0.0/0","gw":"192.0.2.1"}]}}}]`
	if err != nil || string(text) != want {
		t.Errorf("macvlans %s, %v\nwant %s", text, err, want)
	}
}

// Every step of a topology is somewhere, once.
func TestNoStepIsLost(t *testing.T) {
	for _, file := range []string{"spiderpool-calico", "submariner-ovn", "harvester-vlan"} {
		text, err := os.ReadFile("../../../topologies/" + file + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		top, err := topology.Parse(file, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Compile(top)
		if err != nil {
			t.Fatal(err)
		}
		lay, _ := newLayout(p)
		left := map[string]int{}
		for _, s := range p.Steps {
			switch s.(type) {
			case plan.Serve, plan.ServeAPI, plan.StartKubeProxy: // by Kubernetes
			default:
				left[s.String()]++
			}
		}
		take := func(steps ...plan.Step) {
			for _, s := range steps {
				if left[s.String()]--; left[s.String()] == 0 {
					delete(left, s.String())
				}
			}
		}
		take(lay.before...)
		take(lay.after...)
		macvlans := 0
		for _, c := range lay.clusters {
			for _, p := range c.pods {
				if p.network == nil {
					continue
				}
				take(p.network.Own.Steps[2:]...) // the first two name the namespaces
				for _, m := range p.network.Macvlans {
					macvlans++
					e := plan.End{Node: p.name, Interface: m.Interface}
					take(plan.AddMacvlan{End: e, Parent: plan.End{Node: p.on, Interface: m.Config.Master}, Mode: m.Config.Mode}, plan.SetUp{End: e})
					for _, a := range m.Config.IPAM.Addresses {
						take(plan.AddAddress{End: e, Address: a.Address})
					}
					for _, r := range m.Config.IPAM.Routes {
						take(plan.AddRoute{Node: p.name, Dev: m.Interface, To: r.To, Via: r.Via})
					}
				}
			}
		}
		if len(left) > 0 {
			t.Errorf("%s: lost, or there twice: %v", file, left)
		}
		if file == "spiderpool-calico" && (macvlans != 4 || !lay.needsPlugins()) {
			t.Errorf("%s: %d macvlans, want 4", file, macvlans)
		}
	}
}

func TestPluginsAreAskedForWhereTheyAreNeeded(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"macvlan", "static"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	none, _ := newLayout(office())
	lay, _ := divided(t, pods)
	r := New(Options{})
	if files, err := r.plugins(t.Context(), none); len(files) > 0 || err != nil {
		t.Errorf("without macvlans: %v, %v", files, err)
	}
	var u *lab.UnsupportedError
	if _, err := r.plugins(t.Context(), lay); !errors.As(err, &u) || !strings.Contains(u.Missing[0].What, "macvlan") || u.Missing[0].Do == "" {
		t.Errorf("without anybody who makes them: %v", err)
	}
	r.options.Plugins = func(context.Context) (string, error) { return dir, nil }
	files, err := r.plugins(t.Context(), lay)
	want := []archive.File{
		{Name: "opt/cni/faultline/macvlan", Mode: 0o755, Data: []byte("macvlan")}, {Name: "opt/cni/faultline/static", Mode: 0o755, Data: []byte("static")},
	}
	if d := cmp.Diff(want, files); d != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
}
