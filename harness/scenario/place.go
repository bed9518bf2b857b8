package scenario

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// On is s without the evidence that a place with that kernel and kube-proxy ("v1.29.6") does not have, as its needs say;
// and a line for each that is left out, with what it needs. of is the kube-proxy of the lab that a fix is seen on, which
// may be another.
func (s *Scenario) On(kernel, kubeProxy string, of func(Fix) string) (here *Scenario, leftOut []string) {
	one := *s
	keep := func(specs []evidence.Spec, kubeProxy string) []evidence.Spec {
		return slices.DeleteFunc(slices.Clone(specs), func(e evidence.Spec) bool {
			missing := cmp.Or(e.Needs.Missing(kernel), e.Needs.MissingKubeProxy(kubeProxy))
			if missing != "" {
				leftOut = append(leftOut, fmt.Sprintf("%s: %s", e.Title(), missing))
			}
			return missing != ""
		})
	}
	one.Fault.Evidence = keep(s.Fault.Evidence, kubeProxy)
	one.Fixes, one.Inert = slices.Clone(s.Fixes), slices.Clone(s.Inert)
	for _, list := range [][]Fix{one.Fixes, one.Inert} {
		for i := range list {
			list[i].Evidence = keep(list[i].Evidence, of(list[i]))
		}
	}
	if s.Matrix != nil {
		m := *s.Matrix
		m.Evidence = keep(m.Evidence, kubeProxy)
		one.Matrix = &m
	}
	return &one, leftOut
}
