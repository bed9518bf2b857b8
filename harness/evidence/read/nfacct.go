package read

import (
	"errors"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// Messages and attributes of nfnetlink_acct: include/uapi/linux/netfilter/nfnetlink_acct.h.
const (
	nfnlMsgAcctGet = 1

	nfacctName  = 1
	nfacctPkts  = 2
	nfacctBytes = 3
)

// readNfacct reads one counter of nfnetlink_acct. It dumps them all: the kernel marks the answer about a single one as a
// part of several, of which there is no end (nfnl_acct_fill_info).
func readNfacct(s evidence.Spec) (evidence.Reading, error) {
	messages, err := dumpNfacct(unix.NFNL_SUBSYS_ACCT)
	if err != nil {
		return evidence.Reading{}, err
	}
	for _, m := range messages {
		if len(m.Data) < sizeofNfgenmsg {
			return evidence.Reading{}, fmt.Errorf("parse nfacct: message of %d bytes", len(m.Data))
		}
		name, r, err := parseNfacct(m.Data[sizeofNfgenmsg:])
		if err != nil {
			return evidence.Reading{}, fmt.Errorf("parse nfacct: %w", err)
		}
		if name == s.Nfacct {
			return r, nil
		}
	}
	return evidence.Reading{}, nil
}

func dumpNfacct(subsystem netlink.HeaderType) ([]netlink.Message, error) {
	c, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return nil, fmt.Errorf("dump nfacct: %w", err)
	}
	defer func() { _ = c.Close() }() // nothing is written
	messages, err := c.Execute(netlink.Message{
		Header: netlink.Header{Type: subsystem<<8 | nfnlMsgAcctGet, Flags: netlink.Request | netlink.Dump},
		Data:   []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if errors.Is(err, unix.EINVAL) {
		// What nfnetlink answers for a subsystem that it does not have. kube-proxy does without its counters then.
		return nil, lacks("this kernel has no nfacct (CONFIG_NETFILTER_NETLINK_ACCT, module nfnetlink_acct)")
	}
	if err != nil {
		return nil, fmt.Errorf("dump nfacct: %w", err)
	}
	return messages, nil
}

// parseNfacct parses the attributes of a counter.
func parseNfacct(b []byte) (name string, r evidence.Reading, err error) {
	ad, err := bigEndian(b)
	if err != nil {
		return "", r, err
	}
	var bytes uint64
	for ad.Next() {
		switch ad.Type() {
		case nfacctName:
			name = ad.String()
		case nfacctPkts:
			r.Exists, r.Count = true, int64(ad.Uint64())
		case nfacctBytes:
			bytes = ad.Uint64()
		}
	}
	if err := ad.Err(); err != nil {
		return "", evidence.Reading{}, err
	}
	if !r.Exists {
		return "", r, fmt.Errorf("counter %q counts no packets", name)
	}
	r.Text = fmt.Sprintf("%s: %d packets, %d bytes", name, r.Count, bytes)
	return name, r, nil
}
