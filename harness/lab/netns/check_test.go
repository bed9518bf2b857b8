package netns

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/internal/feature"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

func TestFactsNameTheKernel(t *testing.T) {
	f, err := sandboxes(t).Check(deadline(t), small())
	if err != nil {
		t.Fatal(err)
	}
	release, err := exec.Command("uname", "-r").Output()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(lab.Facts{Runtime: "netns", Kernel: strings.TrimSpace(string(release)), Labs: labs(), Builds: builds()}, f); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
}

// TestCheckAgreesWithUp asks for each kind of link and then makes one: the answers have to be the same on any kernel.
func TestCheckAgreesWithUp(t *testing.T) {
	r := sandboxes(t)
	a, veth := plan.AddNode{Node: "a"}, plan.AddVeth{A: end("a", "e0"), B: end("a", "e1")}
	tests := []struct {
		name  string
		steps []plan.Step
	}{
		{"8021q", []plan.Step{plan.AddVLAN{End: end("a", "x"), Parent: "e0", ID: 7}}},
		{"bridge-vlan-filtering", []plan.Step{plan.AddBridge{End: end("a", "x"), VLANFiltering: true}, plan.SetMaster{End: end("a", "e0"), Master: "x"},
			plan.DelBridgeVLAN{End: end("a", "e0"), VID: 1}, plan.AddBridgeVLAN{End: end("a", "e0"), VID: 7, PVID: true, Untagged: true},
			plan.AddBridgeVLAN{End: end("a", "x"), VID: 7, Self: true}}},
		{"macvlan", []plan.Step{plan.AddMacvlan{End: end("a", "x"), Parent: end("a", "e0"), Mode: "private"}}},
		{"dummy", []plan.Step{plan.AddDummy{End: end("a", "x")}}},
		{"vxlan", []plan.Step{plan.AddVXLAN{End: end("a", "x"), ID: 7, Local: addr("192.0.2.1"), Port: 4789}}},
		{"ipip", []plan.Step{plan.AddIPIP{End: end("a", "x"), Local: addr("192.0.2.1")}}},
		{"esp", []plan.Step{plan.AddXfrmState{Node: "a", Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), SPI: 0x1000, ReqID: 1, Key: strings.Repeat("ab", 20)}}},
		{"espinudp", []plan.Step{plan.AddXfrmState{Node: "a", Src: addr("192.0.2.1"), Dst: addr("192.0.2.2"), SPI: 0x1000, ReqID: 1, Key: strings.Repeat("ab", 20), UDPEncap: true}}},
		{"ipv6", []plan.Step{address("a", "e0", "fd00::1/64")}},
		{"br_netfilter", []plan.Step{sysctl("a", "net.bridge.bridge-nf-call-iptables", "1")}},
		{"conntrack", []plan.Step{sysctl("a", "net.netfilter.nf_conntrack_tcp_be_liberal", "1")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &plan.Plan{Steps: append([]plan.Step{a, veth}, tt.steps...)}
			_, check := r.Check(deadline(t), p)
			if check != nil && !errors.Is(check, lab.ErrUnsupported) {
				t.Fatalf("could not tell: %v", check)
			}
			l, err := r.Up(deadline(t), p)
			if err == nil {
				err = l.Close()
				if check != nil {
					t.Errorf("Up can do it, Check says %v", check)
				}
			} else if check == nil {
				t.Errorf("Check says yes, Up says %v", err)
			}
			t.Logf("check: %v; up: %v", check, err)
		})
	}
}

// TestEveryNeedHasAnAnswer tries every need in this process: a probe that cannot tell on an ordinary machine is broken.
func TestEveryNeedHasAnAnswer(t *testing.T) {
	inHere(t, &plan.Plan{})
	for _, need := range []plan.Need{
		plan.NeedVLAN, plan.NeedBridgeVLAN, plan.NeedBridgeNetfilter, plan.NeedMacvlan, plan.NeedDummy, plan.NeedVXLAN, plan.NeedIPIP,
		plan.NeedESP, plan.NeedESPInUDP, plan.NeedIPv6, plan.NeedConntrack, plan.NeedIPVS, plan.NeedNft, plan.NeedIptables,
		plan.NeedIptablesLegacy, plan.NeedKubeProxyNft,
	} {
		t.Run(string(need), func(t *testing.T) {
			err := (&Inner{}).inScratch(func(at feature.Place) error { return feature.Probe(deadline(t), at, need) })
			missing, no := feature.Missing(err)
			if err != nil && !no {
				t.Errorf("could not tell: %v", err)
			}
			t.Logf("missing: %+v", missing)
		})
	}
}

func TestCheckListsAllThatIsMissing(t *testing.T) {
	r := sandboxes(t)
	p := &plan.Plan{Steps: []plan.Step{
		plan.AddNode{Node: "a"}, sysctl("a", "kernel.panic_on_oops", "0"), sysctl("a", "net.core.rmem_max", "1"),
		plan.AddDummy{End: end("a", "d0")}, plan.AddVLAN{End: end("a", "v0"), Parent: "d0", ID: 7},
	}}
	_, err := r.Check(deadline(t), p)
	var missing *lab.UnsupportedError
	if !errors.As(err, &missing) {
		t.Fatalf("error %v, want an UnsupportedError", err)
	}
	want := regexp.MustCompile(`(?s)^runtime netns: unsupported here:\n.*  - a kernel of one's own \(the plan sets a sysctl that is not per network namespace\): run with --runtime vm$`)
	if !want.MatchString(err.Error()) {
		t.Errorf("error %v", err)
	}
}

func TestStrippedCapabilitiesAreExplained(t *testing.T) {
	for _, err := range []error{unix.EPERM, unix.EACCES} {
		got := newHello(lacksCapabilities(err)).err()
		if !errors.Is(got, lab.ErrUnsupported) || !strings.Contains(got.Error(), "AppArmor lets unshare succeed") {
			t.Errorf("%v gives %v", err, got)
		}
	}
	if got := newHello(lacksCapabilities(unix.ENOMEM)).err(); got == nil || errors.Is(got, lab.ErrUnsupported) {
		t.Errorf("ENOMEM gives %v: it says nothing of what is supported", got)
	}
}
