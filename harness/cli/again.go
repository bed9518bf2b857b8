package cli

import (
	"cmp"
	"maps"
	"runtime/debug"
	"slices"

	"github.com/faultline-lab/faultline/harness/lab/vm"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// program is the name and the version of this program, with the commit where that is known.
func program() string {
	version, commit := "devel", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		version = cmp.Or(info.Main.Version, version)
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = " " + s.Value
			}
		}
	}
	return "faultline " + version + commit
}

// again is the command line that runs a trial of the scenario name again, in the runtime and on the kernel that it ran
// on, with the options that were taken there. What says only where files go is left out.
func again(name string, out verdict.Trial, place placeFlags, only []string) string {
	runtime := cmp.Or(out.Place.Runtime, place.runtime)
	args := []string{"faultline", "run", name, "--runtime", runtime}
	if v := out.Scenario.Variant; v != "" {
		args = append(args, "--variant", v)
	}
	if runtime == "vm" {
		args = append(args, "--kernel", cmp.Or(place.kernel, vm.DefaultKernel))
		if place.modules != "" {
			args = append(args, "--modules", place.modules)
		}
	}
	if runtime == "kind" && place.nodeImage != "" {
		args = append(args, "--node-image", place.nodeImage)
	}
	set := map[string]string{}
	maps.Copy(set, out.Set) // with the version of --kube-proxy among them
	for _, c := range out.Choices {
		if !c.Given {
			set[c.Name] = c.Option
		}
	}
	for _, path := range slices.Sorted(maps.Keys(set)) {
		args = append(args, "--set", path+"="+set[path])
	}
	for _, fix := range only {
		args = append(args, "--fix", fix)
	}
	return plan.Shell(args...)
}
