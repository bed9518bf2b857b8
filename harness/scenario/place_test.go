package scenario

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOn(t *testing.T) {
	src := strings.NewReplacer(
		"lacks: [DST_NAT]}", "lacks: [DST_NAT], needs: {kubeProxy: \"1.31\"}}",
		"XfrmInError, grows: true}", "XfrmInError, grows: true, needs: {kernel: \"6.1\"}}, {on: b, xfrm: XfrmInStateExpired, grows: true}",
		"evidence: [{on: a, xfrm: XfrmInNoPols, grows: true}]\n", "evidence: [{on: a, xfrm: XfrmInNoPols, grows: true, needs: {kernel: \"6.2\"}}]\n",
	).Replace(large)
	s, err := Parse("s.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	asked := func(s *Scenario) int {
		return len(s.Fault.Evidence) + len(s.inert("look-alike").Evidence) + len(s.Matrix.Evidence)
	}
	for _, row := range []struct {
		kernel, kubeProxy string
		want              []string
	}{
		{"6.12.1", "v1.36.3", nil},
		{"6.12.1", "", nil},
		{"6.12.1", "v1.29.6", []string{"bits: needs kube-proxy v1.31 or newer, here it is v1.29.6"}},
		{"5.10.0", "v1.36.3", []string{"XfrmInError on b: needs kernel 6.1 or newer, here it is 5.10.0", "XfrmInNoPols on a: needs kernel 6.2 or newer, here it is 5.10.0"}},
	} {
		here, leftOut := s.On(row.kernel, row.kubeProxy, func(Fix) string { return row.kubeProxy })
		if diff := cmp.Diff(row.want, leftOut); diff != "" {
			t.Errorf("kernel %s, kube-proxy %s (-want +got):\n%s", row.kernel, row.kubeProxy, diff)
		}
		if got := asked(here); got != 5-len(row.want) {
			t.Errorf("kernel %s, kube-proxy %s: %d pieces of evidence are asked for", row.kernel, row.kubeProxy, got)
		}
	}
	if asked(s) != 5 {
		t.Error("the scenario itself has changed")
	}
}
