package evidence

import (
	"cmp"
	"fmt"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// netstat asks for a counter of /proc/net/netstat or /proc/net/snmp: its bare name where only one group has it, or
// "Group.Name". The count is its value.
type netstat string

func (netstat) kind() string               { return "netstat" }
func (n netstat) subject() string          { return string(n) }
func (netstat) wants() []string            { return []string{"grows", "count"} }
func (netstat) resolve(*Spec, names) error { return nil }
func (netstat) show(r Reading) string      { return showCount(r) }

func (n netstat) check() []Problem {
	switch found := countersCalled(string(n)); len(found) {
	case 1:
		return nil
	case 0:
		hint := cmp.Or(yamlfile.Suggest(string(n), netstatNames()), `"NAME" or "GROUP.NAME", as nstat and /proc/net/snmp have them: Tcp.RetransSegs`)
		return []Problem{{"", fmt.Sprintf("%q is no counter's name", string(n)), hint}}
	default:
		return []Problem{{"", fmt.Sprintf("%q is the name of several counters", string(n)), yamlfile.OneOf(found)}}
	}
}
