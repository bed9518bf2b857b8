package kubeproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/plan"
)

// fakeNode answers from texts: the output of a command by its words, the content of a file by its name.
type fakeNode map[string]string

func (n fakeNode) Name() string { return "cloud" }

func (n fakeNode) Run(_ context.Context, args ...string) ([]byte, error) {
	if out, ok := n[strings.Join(args, " ")]; ok {
		return []byte(out), nil
	}
	return nil, fmt.Errorf("run %s: exit code 1", strings.Join(args, " "))
}

func (n fakeNode) ReadFile(name string) ([]byte, error) {
	if out, ok := n[name]; ok {
		return []byte(out), nil
	}
	return nil, fmt.Errorf("read %s: %w", name, fs.ErrNotExist)
}

// ipvsNode is a node with the captured state of IPVS mode.
func ipvsNode(t *testing.T, state string) fakeNode {
	return fakeNode{
		ipvsTable:                        capture(t, "v1.36.3-"+state+".ip_vs"),
		"ipset save":                     capture(t, "v1.36.3-"+state+".ipset"),
		"ip -o addr show dev kube-ipvs0": capture(t, "v1.36.3-"+state+".addr"),
		"iptables-save":                  capture(t, "v1.36.3-"+state+".ipvs.iptables-save"),
		"ip6tables-save":                 capture(t, "v1.36.3-"+state+".ipvs.ip6tables-save"),
	}
}

func TestIPVSStateIsComparedWithTheServices(t *testing.T) {
	without := func(n fakeNode, key, text string) fakeNode {
		if !strings.Contains(n[key], text) {
			t.Fatalf("the capture of %s has no %q", key, text)
		}
		n[key] = strings.ReplaceAll(n[key], text, "")
		return n
	}
	two := func() fakeNode { return ipvsNode(t, "two-backends") }
	for _, row := range []struct {
		name     string
		node     fakeNode
		backends int
		want     []string
	}{
		{"in sync with two backends", two(), 2, nil},
		{"in sync with one backend", ipvsNode(t, "one-backend"), 1, nil},
		{"a backend is not there yet", ipvsNode(t, "one-backend"), 2, []string{
			"udp node port 30053 does not lead to 10.244.1.2:5353",
			"tcp node port 30080 does not lead to 10.244.1.2:8080",
			"udp 10.96.0.10:53 does not lead to 10.244.1.2:5353",
			"tcp 10.96.0.10:80 does not lead to 10.244.1.2:8080",
		}},
		{"a backend is still there", two(), 1, []string{
			"udp node port 30053 still leads to 10.244.1.2:5353",
			"tcp node port 30080 still leads to 10.244.1.2:8080",
			"udp 10.96.0.10:53 still leads to 10.244.1.2:5353",
			"tcp 10.96.0.10:80 still leads to 10.244.1.2:8080",
		}},
		{
			"a cluster IP is not on kube-ipvs0", without(two(), "ip -o addr show dev kube-ipvs0", "inet 10.96.0.10/32"), 2,
			[]string{"kube-ipvs0 does not have 10.96.0.10"},
		},
		{
			"a cluster IP is not in its set", without(two(), "ipset save", "add KUBE-CLUSTER-IP 10.96.0.10,udp:53\n"), 2,
			[]string{"ipset KUBE-CLUSTER-IP does not have 10.96.0.10,udp:53"},
		},
		{
			"a backend that is its own client is not in its set", without(two(), "ipset save", "add KUBE-LOOP-BACK 10.244.0.2,tcp:8080,10.244.0.2\n"), 2,
			[]string{"ipset KUBE-LOOP-BACK does not have 10.244.0.2,tcp:8080,10.244.0.2"},
		},
		{
			"the rule on cluster IPs is not there", without(two(), "iptables-save", " --match-set KUBE-CLUSTER-IP"), 2,
			[]string{"table nat has no rule in KUBE-SERVICES on ipset KUBE-CLUSTER-IP"},
		},
		{
			"the filter table, written last, is not there", without(two(), "iptables-save", "-A KUBE-IPVS-FILTER"), 2,
			[]string{"table filter has no rule from KUBE-IPVS-FILTER to REJECT"},
		},
		{
			"nothing masquerades", without(two(), "iptables-save", "-j MASQUERADE"), 2,
			[]string{"table nat has no rule from KUBE-POSTROUTING to MASQUERADE"},
		},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := checkIPVS(t.Context(), row.node, labServices(row.backends))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDestinationThatIsLeaving(t *testing.T) {
	state := "TCP  0A60000A:0050 rr persistent 10800\n" +
		"  -> 0AF40102:1F90      Masq    0      1          0\n" +
		"  -> 0AF40002:1F90      Masq    1      0          0\n"
	got, err := parseIPVS(state)
	if err != nil {
		t.Fatal(err)
	}
	services := []plan.Service{{
		Name: "web", ClusterIP: addr("10.96.0.10"), Ports: []plan.ServicePort{{Port: 80, TargetPort: 8080}},
		Backends: []plan.Backend{{Address: addr("10.244.0.2")}},
	}}
	have := frontendsOfServers(got, services, family{})
	if diff := differences(wanted(services, family{}), have); diff != nil {
		t.Errorf("differences %q, want none: weight 0 takes no new connections", diff)
	}
}

func TestOneAddressOfANodePortIsBehind(t *testing.T) {
	node := ipvsNode(t, "two-backends")
	node[ipvsTable] += "TCP  7F000001:7580 rr  \n  -> 0AF40002:1F90      Masq    1      0          0\n"
	got, err := checkIPVS(t.Context(), node, labServices(2))
	want := []string{"tcp node port 30080 does not lead to 10.244.1.2:8080"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, differences (-want +got):\n%s", err, diff)
	}
}

func TestStateThatCannotBeRead(t *testing.T) {
	for state, want := range map[string]string{
		"TCP  0A60000A rr\n":       `read /proc/net/ip_vs: no port in "0A60000A"`,
		"TCP  0A60000A:FFFFF rr\n": `read /proc/net/ip_vs: port of "0A60000A:FFFFF": strconv.ParseUint: parsing "FFFFF": value out of range`,
		"TCP  XX:0050 rr\n":        `read /proc/net/ip_vs: address of "XX:0050": strconv.ParseUint: parsing "XX": invalid syntax`,
	} {
		if _, err := parseIPVS(state); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestVirtualServersOfAnEarlierMode(t *testing.T) {
	node := fakeNode{
		"iptables-save":  capture(t, "v1.36.3-two-backends.iptables-save"),
		"ip6tables-save": capture(t, "v1.36.3-ipv6.ip6tables-save"),
	}
	if got, err := checkIPTables(t.Context(), node, labServices(2)); got != nil || err != nil {
		t.Errorf("without IPVS: %q, %v, want nothing", got, err)
	}
	node[ipvsTable] = "TCP  0A60000A:0050 rr\n"
	got, err := checkIPTables(t.Context(), node, labServices(2))
	want := []string{"IPVS still has a virtual server tcp 10.96.0.10:80: run kube-proxy --cleanup before another mode"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, differences (-want +got):\n%s", err, diff)
	}
}

func TestWaitNamesWhatWasMissing(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err := WaitInSync(ctx, ipvsNode(t, "one-backend"), ModeIPTables, nil)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want one that wraps the end of the context", err)
	}
	want := "cloud: kube-proxy is not in sync in iptables mode: context deadline exceeded; the kernel has the rules of ipvs mode\n" +
		"  - table filter has no rule from INPUT to KUBE-EXTERNAL-SERVICES\n" +
		"  - table filter has no rule from FORWARD to KUBE-SERVICES\n" +
		"  - table filter has no rule from OUTPUT to KUBE-SERVICES\n" +
		"  - table nat has no rule from KUBE-SERVICES to KUBE-NODEPORTS"
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}

	err = WaitInSync(ctx, fakeNode{}, ModeNFTables, nil)
	want = "cloud: kube-proxy is not in sync in nftables mode: context deadline exceeded\n" +
		"  - run nft list table ip kube-proxy: exit code 1"
	if err == nil || err.Error() != want {
		t.Errorf("error %v\nwant  %s", err, want)
	}
}

func TestWaitEndsAtOnceWhereItCannotLook(t *testing.T) {
	if err := WaitInSync(t.Context(), fakeNode{}, "userspace", nil); err == nil || err.Error() != `cloud: kube-proxy has no mode "userspace"` {
		t.Errorf("error %v", err)
	}
	if err := WaitInSync(t.Context(), noTools{}, ModeNFTables, nil); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("error %v, want exec.ErrNotFound", err)
	}
}

// noTools is a node where no command is installed.
type noTools struct{ fakeNode }

func (noTools) Run(context.Context, ...string) ([]byte, error) { return nil, exec.ErrNotFound }

func TestMode(t *testing.T) {
	for want, node := range map[string]fakeNode{
		"":           {"iptables-save": ""},
		ModeIPTables: {"iptables-save": capture(t, "v1.29.6-two-backends.iptables-save")},
		ModeIPVS:     ipvsNode(t, "two-backends"),
		ModeNFTables: {"iptables-save": "", "nft list table ip kube-proxy": capture(t, "v1.29.6-two-backends.nft")},
	} {
		if got, err := Mode(t.Context(), node); got != want || err != nil {
			t.Errorf("mode %q, %v, want %q", got, err, want)
		}
	}
}
