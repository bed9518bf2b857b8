package cli

import (
	"testing"

	"github.com/faultline-lab/faultline/harness/lab/vm"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

func TestAgain(t *testing.T) {
	set := map[string]string{"kubeProxy.version": "v1.29.6", "kubeProxy.mode": "ipvs", "services.web.note": "a b"}
	for _, row := range []struct {
		name  string
		out   verdict.Trial
		place placeFlags
		only  []string
		want  string
	}{
		{"auto is told as what it came to", verdict.Trial{Place: verdict.Place{Runtime: "netns"}}, placeFlags{runtime: "auto"}, nil,
			"faultline run x --runtime netns"},
		{"the default kernel is named", verdict.Trial{Place: verdict.Place{Runtime: "vm"}}, placeFlags{runtime: "auto"}, nil,
			"faultline run x --runtime vm --kernel " + vm.DefaultKernel},
		{"a kernel of one's own", verdict.Trial{Place: verdict.Place{Runtime: "vm"}}, placeFlags{runtime: "auto", kernel: "./bz Image", modules: "m"}, nil,
			"faultline run x --runtime vm --kernel './bz Image' --modules m"},
		{"settings and fixes", verdict.Trial{Set: set, Place: verdict.Place{Runtime: "netns"}}, placeFlags{kubeProxy: "v1.29.6"}, []string{"policy", "idle"},
			"faultline run x --runtime netns --set kubeProxy.mode=ipvs --set kubeProxy.version=v1.29.6 --set 'services.web.note=a b' --fix policy --fix idle"},
		{"a variant", verdict.Trial{Scenario: scenario.Scenario{Variant: "v"}, Place: verdict.Place{Runtime: "netns"}}, placeFlags{}, nil,
			"faultline run x --runtime netns --variant v"},
		{"options that the place decided on", verdict.Trial{Set: map[string]string{"wire": "veth"}, Place: verdict.Place{Runtime: "netns"},
			Choices: []verdict.Choice{{Name: "wire", Option: "veth", Given: true}, {Name: "cable", Option: "vxlan"}}}, placeFlags{}, nil,
			"faultline run x --runtime netns --set cable=vxlan --set wire=veth"},
		{"an option that the scenario names", verdict.Trial{Place: verdict.Place{Runtime: "netns"},
			Choices: []verdict.Choice{{Name: "cable", Option: "vxlan", Given: true}}}, placeFlags{}, nil, "faultline run x --runtime netns"},
		{"no place was found", verdict.Trial{}, placeFlags{runtime: "netns"}, nil, "faultline run x --runtime netns"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := again("x", row.out, row.place, row.only); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}
