package evidence

import (
	"fmt"
	"strconv"
	"strings"
)

// Needs is what evidence, or a fix, asks of the place it is tried in.
type Needs struct {
	Kernel    string `yaml:"kernel,omitempty" json:"kernel,omitempty"`       // lowest kernel release, "5.13"
	KubeProxy string `yaml:"kubeProxy,omitempty" json:"kubeProxy,omitempty"` // lowest release of kube-proxy, "1.31"
}

// Missing says what a place with that kernel release ("5.10.0-28-cloud-amd64") does not have of n, or nothing. A
// release that cannot be read counts as enough: what needs it is then tried, and fails loudly if it was not.
func (n Needs) Missing(release string) string {
	want, ok := Release(n.Kernel)
	have, known := Release(release)
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

// Release reads major and minor from the start of a release, "5.10.0-28-cloud-amd64".
func Release(release string) (v [2]int, ok bool) {
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
