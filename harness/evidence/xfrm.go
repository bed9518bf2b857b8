package evidence

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// xfrm asks for a counter of /proc/net/xfrm_stat. The count is its value.
type xfrm string

func (xfrm) kind() string               { return "xfrm" }
func (x xfrm) subject() string          { return string(x) }
func (xfrm) wants() []string            { return []string{"grows", "count"} }
func (xfrm) resolve(*Spec, names) error { return nil }
func (xfrm) show(r Reading) string      { return showCount(r) }

func (x xfrm) check() []Problem {
	if slices.Contains(xfrmCounters, string(x)) {
		return nil
	}
	hint := cmp.Or(yamlfile.Suggest(string(x), xfrmCounters), "their names begin with Xfrm, as in /proc/net/xfrm_stat: XfrmInNoPols")
	return []Problem{{"", fmt.Sprintf("%q is no XFRM counter", string(x)), hint}}
}
