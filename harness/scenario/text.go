package scenario

import (
	"fmt"
	"strconv"
	"strings"
)

// String says in words what is wanted: "delivered by edge-pod from cloud".
func (e Expectation) String() string {
	s := string(e.Want)
	if e.Peer != "" {
		s += " by " + e.Peer
	}
	if e.Source != "" {
		s += " from " + e.Source
	}
	return s
}

// Missing says what a place with that kernel release ("5.10.0-28-cloud-amd64") does not have of n, or nothing. A
// release that cannot be read counts as enough: the fix is then tried, and fails loudly if it was not.
func (n Needs) Missing(release string) string {
	want, ok := version(n.Kernel)
	have, known := version(release)
	if !ok || !known || have[0] > want[0] || have[0] == want[0] && have[1] >= want[1] {
		return ""
	}
	return fmt.Sprintf("needs kernel %s or newer, here it is %s", n.Kernel, release)
}

// MissingKubeProxy says what a kube-proxy of that version ("v1.29.6") does not have of n, or nothing.
func (n Needs) MissingKubeProxy(have string) string {
	if (Needs{Kernel: n.KubeProxy}).Missing(strings.TrimPrefix(have, "v")) == "" {
		return ""
	}
	return fmt.Sprintf("needs kube-proxy v%s or newer, here it is %s", n.KubeProxy, have)
}

// version reads major and minor from the start of a kernel release.
func version(release string) (v [2]int, ok bool) {
	parts := strings.SplitN(release, ".", 3)
	if len(parts) < 2 {
		return v, false
	}
	end := strings.IndexFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' })
	if end >= 0 {
		parts[1] = parts[1][:end]
	}
	for i := range v {
		n, err := strconv.Atoi(parts[i])
		if err != nil || n < 0 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}
