package vm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/vm/kernel"
	"github.com/faultline-lab/faultline/harness/lab/vm/qemu"
	"github.com/faultline-lab/faultline/harness/plan"
)

// builtin returns a tree with these modules built in.
func builtin(t *testing.T, names ...string) *kernel.Tree {
	t.Helper()
	dir := t.TempDir()
	var list strings.Builder
	for _, n := range names {
		list.WriteString("kernel/" + n + ".ko\n")
	}
	if err := os.WriteFile(filepath.Join(dir, "modules.builtin"), []byte(list.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	tree, err := kernel.OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestKernelLacks(t *testing.T) {
	base := append([]string{"virtio_mmio", "virtio_console"}, everyGuest.must...)
	const do = "choose another kernel with --kernel"
	for _, c := range []struct {
		name    string
		release string
		has     []string
		needs   []plan.Need
		want    []lab.Missing
	}{
		{"nothing", "6.1.0", base, nil, nil},
		{"nothing that is built in", "6.1.0", append([]string{"8021q"}, base...), []plan.Need{plan.NeedVLAN, plan.NeedIPv6, plan.NeedGlobalSysctl}, nil},
		{"a module", "6.1.0", base, []plan.Need{plan.NeedVXLAN}, []lab.Missing{{What: "module vxlan in kernel 6.1.0 (vxlan)", Do: do}}},
		{"a connection", "6.1.0", append([]string{"virtio_mmio"}, everyGuest.must...), nil, []lab.Missing{
			{What: "module virtio_pci in kernel 6.1.0 (the guest's connection)", Do: do},
			{What: "module virtio_console in kernel 6.1.0 (the guest's connection)", Do: do},
		}},
		{"years", "5.10.0-46-cloud-amd64", append(slicesOf(plan.NeedKubeProxyNft), base...), []plan.Need{plan.NeedKubeProxyNft}, []lab.Missing{
			{What: "kernel 5.13 or newer for kube-proxy in nftables mode, this is 5.10.0-46-cloud-amd64", Do: do},
		}},
		{"nothing from 5.13 on", "5.13.0", append(slicesOf(plan.NeedKubeProxyNft), base...), []plan.Need{plan.NeedKubeProxyNft}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := kernelLacks(kernel.Kernel{Release: c.release}, builtin(t, c.has...), c.needs)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func slicesOf(n plan.Need) []string { return append([]string(nil), modulesOf[n].must...) }

func TestBoard(t *testing.T) {
	for _, c := range []struct {
		has  []string
		want qemu.Board
	}{
		{[]string{"virtio_mmio", "virtio_pci", "virtio_console"}, qemu.Microvm},
		{[]string{"virtio_pci", "virtio_console"}, qemu.Q35},
		{[]string{"virtio_mmio"}, ""},
	} {
		if got, _ := board(builtin(t, c.has...)); got != c.want {
			t.Errorf("with %v: %q, want %q", c.has, got, c.want)
		}
	}
}

func TestRelease(t *testing.T) {
	for in, want := range map[string]string{"6.12.107+deb13-cloud-amd64": "v6.12", "5.10.0-46-cloud-amd64": "v5.10", "7.3.4": "v7.3", "6.18": "v6.18", "x": ""} {
		if got := release(in); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
}

func TestEveryNeedHasModules(t *testing.T) {
	for _, n := range []plan.Need{
		plan.NeedVLAN, plan.NeedBridgeVLAN, plan.NeedBridgeNetfilter, plan.NeedMacvlan, plan.NeedDummy, plan.NeedVXLAN, plan.NeedIPIP,
		plan.NeedESP, plan.NeedESPInUDP, plan.NeedIPv6, plan.NeedConntrack, plan.NeedIPVS, plan.NeedNft, plan.NeedIptables,
		plan.NeedIptablesLegacy, plan.NeedGlobalSysctl, plan.NeedKubeProxyNft,
	} {
		if _, ok := modulesOf[n]; !ok {
			t.Errorf("nothing is known about %s", n)
		}
	}
}

func TestGuestLinks(t *testing.T) {
	links := guestLinks()
	for name, want := range map[string]string{
		"iptables": "xtables-nft-multi", "iptables-nft-restore": "xtables-nft-multi", "ip6tables-save": "xtables-nft-multi",
		"iptables-legacy": "xtables-legacy-multi", "ip6tables-legacy-restore": "xtables-legacy-multi",
	} {
		if got := links["/usr/sbin/"+name]; got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
}

func TestFits(t *testing.T) {
	has := fitness{proxies: []string{"a", "b"}}
	for _, c := range []struct {
		name string
		has  fitness
		asks fitness
		want bool
	}{
		{"fewer proxies", has, fitness{proxies: []string{"b"}}, true},
		{"another proxy", has, fitness{proxies: []string{"b", "c"}}, false},
		{"bridge netfilter", has, fitness{intrusive: []plan.Need{plan.NeedBridgeNetfilter}}, false},
		{"no bridge netfilter", fitness{intrusive: []plan.Need{plan.NeedBridgeNetfilter}}, fitness{}, false},
		{"a guest of its own", has, fitness{alone: true}, false},
		{"somebody else's own", fitness{alone: true}, fitness{}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := (&guest{fit: c.has}).fits(c.asks); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestChoiceIsKeptForItsHostOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cache", "accelerator.json")
	if _, ok := readChoice(file, "k"); ok {
		t.Error("found one before there was one")
	}
	want := choice{Key: "k", Accelerator: qemu.TCG, Why: "so"}
	if err := writeChoice(file, want); err != nil {
		t.Fatal(err)
	}
	if got, ok := readChoice(file, "k"); !ok || got != want {
		t.Errorf("got %+v, %v", got, ok)
	}
	if _, ok := readChoice(file, "after an update"); ok {
		t.Error("found one for another host")
	}
	if err := os.WriteFile(file, []byte(`{"key":"k","accelerator":""}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, ok := readChoice(file, "k"); ok {
		t.Error("took a damaged one")
	}
}
