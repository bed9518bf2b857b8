package feature

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// place is a Place whose tools and sockets do as told.
type place struct {
	notFound bool
	stdout   string
	stderr   string
	exit     error
	handle   error
}

func (p place) Name() string { return "scratch" }
func (p place) Start(_ context.Context, c *lab.Cmd) (lab.Process, error) {
	if p.notFound {
		return nil, fmt.Errorf("start: %w", exec.ErrNotFound)
	}
	io.WriteString(c.Stdout, p.stdout)
	io.WriteString(c.Stderr, p.stderr)
	return ended{p.exit}, nil
}
func (p place) Handle(...int) (*netlink.Handle, error) { return nil, p.handle }
func (p place) Do(f func() error) error                { return f() }

type ended struct{ err error }

func (e ended) Wait() error            { return e.err }
func (e ended) Signal(os.Signal) error { return nil }

func TestAnswers(t *testing.T) {
	failed := &lab.ExitError{Code: 1}
	tests := []struct {
		name    string
		place   place
		need    plan.Need
		missing lab.Missing // no
		unclear string      // could not tell
	}{
		{name: "a ruleset that loads is a yes", need: plan.NeedNft},
		{name: "a tool that is not there comes with its package", place: place{notFound: true}, need: plan.NeedNft,
			missing: lab.Missing{What: "the tool nft (nftables with NAT, sets and counters)", Do: "`sudo apt-get install nftables`"}},
		{name: "so does one of iptables'", place: place{notFound: true}, need: plan.NeedIptablesLegacy,
			missing: lab.Missing{What: "the tool iptables-legacy-restore (legacy iptables with what kube-proxy uses)", Do: "`sudo apt-get install iptables`"}},
		{name: "a ruleset that the kernel does not take is a no", place: place{stderr: "no NAT\nmore", exit: failed}, need: plan.NeedNft,
			missing: lab.Missing{What: "nftables with NAT, sets and counters in the kernel (no NAT)", Do: "run with --runtime vm"}},
		{name: "a refusal is not an answer", place: place{stderr: "Operation not permitted", exit: failed}, need: plan.NeedNft,
			unclear: "probe nft: scratch: run nft -f -: exit code 1: Operation not permitted"},
		{name: "neither is a tool that crashes", place: place{exit: &lab.ExitError{Code: -1, Signal: "SEGV"}}, need: plan.NeedNft,
			unclear: "probe nft: scratch: run nft -f -: killed by SIGSEGV"},
		{name: "nor one that was lost sight of", place: place{exit: errors.New("lost")}, need: plan.NeedNft,
			unclear: "probe nft: scratch: run nft -f -: lost"},
		{name: "an old nft is not enough for kube-proxy", place: place{stdout: "nftables v0.9.8 (E.D.S.)\n"}, need: plan.NeedKubeProxyNft,
			missing: lab.Missing{What: "nft 1.0.1 or later (kube-proxy in nftables mode; this is v0.9.8)", Do: "install a later nftables"}},
		{name: "a later one is", place: place{stdout: "nftables v1.0.6 (Lester Gooch #5)\n"}, need: plan.NeedKubeProxyNft},
		{name: "a kernel without XFRM has no ESP", place: place{handle: unix.EPROTONOSUPPORT}, need: plan.NeedESP,
			missing: lab.Missing{What: "ESP with AES-GCM (XFRM) in the kernel (protocol not supported)", Do: "`sudo modprobe xfrm_user` if this kernel has the module, or run with --runtime vm"}},
		{name: "no descriptors left is not an answer", place: place{handle: unix.EMFILE}, need: plan.NeedESP, unclear: "probe esp: too many open files"},
		{name: "a need that nobody knows is not an answer", need: "warp", unclear: "probe warp: no such need"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := Probe(context.Background(), tt.place, tt.need)
			missing, no := Missing(err)
			if diff := cmp.Diff(tt.missing, missing); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
			unclear := ""
			if err != nil && !no {
				unclear = err.Error()
			}
			if unclear != tt.unclear {
				t.Errorf("could not tell: %q, want %q", unclear, tt.unclear)
			}
		})
	}
}

func TestVersions(t *testing.T) {
	tests := []struct {
		have []string
		want []int
		old  bool
	}{
		{[]string{"5", "10"}, []int{5, 13}, true},
		{[]string{"5", "13"}, []int{5, 13}, false},
		{[]string{"6", "1"}, []int{5, 13}, false},
		{[]string{"1", "0", "0"}, []int{1, 0, 1}, true},
		{[]string{"1", "1", "0"}, []int{1, 0, 1}, false},
	}
	for _, tt := range tests {
		if got := before(tt.have, tt.want...); got != tt.old {
			t.Errorf("%v before %v: %v", tt.have, tt.want, got)
		}
	}
}
