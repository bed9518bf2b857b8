package harness

import (
	"testing"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
)

func TestSeesOwnFlow(t *testing.T) {
	top, err := topology.Parse("t.yaml", []byte(`topology: t
nodes:
  - {name: host, role: host, interfaces: [{name: v0, addresses: [10.0.0.1/24]}, {name: v1, addresses: [10.0.1.1/24]}]}
  - {name: pod, role: pod, host: host, interfaces: [{name: eth0, addresses: [10.0.0.2/24]}]}
  - {name: far, role: host, interfaces: [{name: eth0, addresses: [10.0.1.2/24]}]}
links: [{a: "host:v0", b: "pod:eth0"}, {a: "host:v1", b: "far:eth0"}]
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := scenario.Probe{From: "pod", To: "far:80", Proto: "tcp"}
	entry := func(on, to, proto string) evidence.Spec {
		return evidence.Spec{On: on, Conntrack: &evidence.Conntrack{To: to, Proto: proto}}
	}
	for name, row := range map[string]struct {
		spec evidence.Spec
		want bool
	}{
		"an entry in the pod":               {entry("pod", "far:80", ""), true},
		"an entry on its host":              {entry("host", "far:80", "tcp"), true},
		"an entry by another name":          {entry("host", "far@eth0:80", ""), true},
		"an entry further on":               {entry("far", "far:80", ""), false},
		"an entry to elsewhere":             {entry("host", "far:81", ""), false},
		"an entry of another protocol":      {entry("host", "far:80", "udp"), false},
		"packets of anybody":                {evidence.Spec{On: "pod", Packets: &evidence.Packets{}}, false},
		"own packets":                       {evidence.Spec{On: "pod", Packets: &evidence.Packets{Own: true}}, true},
		"a counter, which knows of no flow": {evidence.Spec{On: "pod", Xfrm: "XfrmInNoPols"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := seesOwnFlow(top, row.spec, p); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
		})
	}
}
