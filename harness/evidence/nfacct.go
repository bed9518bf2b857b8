package evidence

import "fmt"

// nfacct asks for a packet counter of nfnetlink_acct by its name, as rules count with -m nfacct: kube-proxy has some. The
// count is its packets.
type nfacct string

// maxNfacct is NFACCT_NAME_MAX of include/uapi/linux/netfilter/nfnetlink_acct.h, without the zero at the end.
const maxNfacct = 31

func (nfacct) kind() string               { return "nfacct" }
func (n nfacct) subject() string          { return "nfacct " + string(n) }
func (nfacct) wants() []string            { return []string{"grows", "count", "seen"} }
func (nfacct) resolve(*Spec, names) error { return nil }
func (nfacct) show(r Reading) string      { return showCount(r) }

func (n nfacct) check() []Problem {
	if len(n) > maxNfacct {
		return []Problem{{"", fmt.Sprintf("%q is longer than the name of a counter can be", string(n)), fmt.Sprintf("up to %d characters", maxNfacct)}}
	}
	return nil
}
