package read

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/testns"
	"github.com/faultline-lab/faultline/harness/probe"
)

func TestNfacct(t *testing.T) {
	testns.Need(t)
	for _, name := range []string{"idle", "syns"} {
		makeNfacct(t, name)
	}
	run(t, "iptables-nft", "-A", "OUTPUT", "-p", "tcp", "--syn", "--dport", "8088", "-m", "nfacct", "--nfacct-name", "syns")
	t.Cleanup(func() { run(t, "iptables-nft", "-F", "OUTPUT") })
	serve(t, probe.Server{Name: "web", TCP: []uint16{8088}})
	of := func(name string, w evidence.Want) evidence.Spec { return evidence.Spec{Nfacct: name, Want: w} }
	grows, stays := evidence.Want{Grows: yes()}, evidence.Want{Grows: no()}
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("192.0.2.1:8088")}, probe.Delivered, []row{
		{of("syns", grows), true, "nfacct syns grew by 1"},
		{of("syns", stays), false, "grew by 1 (wanted: stays)"},
		{of("syns", evidence.Want{Count: count(1)}), true, "counts 1"},
		{of("idle", stays), true, "stayed at 0"},
		{of("idle", grows), false, "stayed at 0 (wanted: grows)"},
		{of("none", stays), false, "is not there"},
		{of("none", evidence.Want{Seen: no()}), true, "is not there"},
	})
}

// A kernel without nfacct answers as any does about a subsystem that there is not.
func TestNoNfacct(t *testing.T) {
	testns.Need(t)
	_, err := dumpNfacct(15)
	var missing *lacking
	if !errors.As(err, &missing) || err.Error() != "this kernel has no nfacct (CONFIG_NETFILTER_NETLINK_ACCT, module nfnetlink_acct)" {
		t.Errorf("error %v", err)
	}
}

// makeNfacct makes a counter, as kube-proxy does.
func makeNfacct(t *testing.T, name string) {
	t.Helper()
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const nfnlMsgAcctNew = 0
	_, err = c.Execute(netlink.Message{
		Header: netlink.Header{Type: unix.NFNL_SUBSYS_ACCT<<8 | nfnlMsgAcctNew, Flags: netlink.Request | netlink.Create | netlink.Acknowledge},
		Data: append([]byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0}, attributes(t, func(ae *netlink.AttributeEncoder) {
			ae.String(nfacctName, name)
		})...),
	})
	if errors.Is(err, unix.EINVAL) {
		t.Skip("SKIPPED: this kernel has no nfacct")
	}
	if err != nil {
		t.Fatal(err)
	}
}

// attributes are in the byte order of the machine, but for what they hold.
func attributes(t *testing.T, add func(*netlink.AttributeEncoder)) []byte {
	t.Helper()
	ae := netlink.NewAttributeEncoder()
	add(ae)
	b, err := ae.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestParseNfacct(t *testing.T) {
	whole := attributes(t, func(ae *netlink.AttributeEncoder) {
		ae.String(nfacctName, "syns")
		ae.Bytes(nfacctPkts, []byte{0, 0, 0, 0, 0, 0, 1, 2})
		ae.Bytes(nfacctBytes, []byte{0, 0, 0, 0, 0, 1, 0, 0})
	})
	name, r, err := parseNfacct(whole)
	if err != nil || name != "syns" || !r.Exists || r.Count != 258 || r.Text != "syns: 258 packets, 65536 bytes" {
		t.Errorf("%+v, error %v", r, err)
	}
	_, _, err = parseNfacct(attributes(t, func(ae *netlink.AttributeEncoder) { ae.String(nfacctName, "syns") }))
	if err == nil || err.Error() != `counter "syns" counts no packets` {
		t.Errorf("error %v", err)
	}
	if _, _, err = parseNfacct(whole[:len(whole)-1]); err == nil {
		t.Error("half a message was taken for a whole one")
	}
}
