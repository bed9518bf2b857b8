package cli

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

func TestWhatACommandLineLacks(t *testing.T) {
	hairpin := filepath.FromSlash("../../e2e/testdata/hairpin/")
	filtered := filepath.FromSlash("../../e2e/testdata/filtered/scenario.yaml|")
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("file", "no kernel")
	text, err := os.ReadFile(hairpin + "scenario.yaml")
	if err != nil {
		t.Fatal(err)
	}
	itself := write("itself.yaml", strings.Replace(string(text), "./topology.yaml", "./itself.yaml", 1))

	run := "run|" + hairpin + "scenario.yaml|--report|" + dir + "/report|"
	for _, row := range []struct{ line, want string }{
		{"run", "run wants names or files of scenarios, or --all, for example: faultline run ipvs-ipsec"},
		{"run|", "run wants names or files of scenarios, or --all, for example: faultline run ipvs-ipsec"},
		{"run|ipvs-ipsec|", "run wants names or files of scenarios, or --all, for example: faultline run ipvs-ipsec"},
		{"run|--all|ipvs-ipsec", "--all runs every scenario that the binary carries: name none beside it"},
		{run + "--jobs|0", "--jobs 0: want the number of trials that may run at once"},
		{run + hairpin + "scenario.yaml", hairpin + "scenario.yaml and " + hairpin + "scenario.yaml are both the scenario hairpin, and would write to one report: run them one by one"},
		{run + filtered + "--fix|hairpin-mode", "scenario filtered: scenario filtered has no fix \"hairpin-mode\": one of no-rule, rule-for-another-port"},
		{run + "--fix|hairpin-mod", "scenario hairpin has no fix \"hairpin-mod\": did you mean \"hairpin-mode\"?"},
		{"run|nftables-snat|--variant|globalnt|--report|" + dir + "/report", "--variant globalnt: scenario nftables-snat has no such variant: did you mean \"globalnet\"?"},
		{run + filtered + "--variant|one", "--variant: scenario hairpin has no variants\n--variant: scenario filtered has no variants"},
		{run + filtered + "--set|kubeProxy.mode", `--set "kubeProxy.mode": want PATH=VALUE, for example kubeProxy.mode=iptables`},
		{run + filtered + "--set|nodes.web-pod.role=pods", "scenario hairpin: set nodes.web-pod.role=pods: unknown role \"pods\"\n  one of host, pod, router, switch\n" +
			"scenario filtered: set nodes.web-pod.role=pods: no \"web-pod\" in this list of 2\n  one of client, server"},
		{run + "nftables-snat|--variant|globalnet|--runtime|netns", "--variant: scenario hairpin has no variants"},
		{"run|bridge-vlan|ipvs-ipsec|nowhere|--report|" + dir + "/report", "no scenario \"nowhere\": one of bridge-vlan, ipvs-ipsec, macvlan-calico, nftables-snat (a file is given by its path, as ./nowhere.yaml)"},
		{"plan", "plan wants the name or file of a topology, for example: faultline plan edge-ipsec"},
		{"plan|" + itself, itself + " is a scenario, a topology is wanted: faultline run runs it"},
		{"run|" + hairpin + "topology.yaml", hairpin + "topology.yaml is a topology, a scenario is wanted: faultline plan prints how to build it"},
		{"validate|" + itself, itself + ":7:11: " + itself + " is a scenario, a topology is wanted: faultline run runs it\n    7 | topology: ./itself.yaml\n      |           ^"},
		{"validate", "validate wants files, for example: faultline validate scenario.yaml topology.yaml"},
		{"validate|", "a file is wanted, its name is empty"},
		{"schema", "schema wants the language, for example: faultline schema scenario"},
		{"schema|scenari", `unknown language "scenari": did you mean "scenario"?`},
		{"kernels|fecth", `unknown command "fecth" for "faultline kernels": did you mean "fetch"?`},
		{"kernels|frob", `unknown command "frob" for "faultline kernels": one of check, fetch`},
		{"kind|frob", `unknown command "frob" for "faultline kind": it can only be image`},
		{"kind|image|--kubernetes|v1.30.0", "node image v1.30.0: this version of Kubernetes is not pinned: want one of v1.36.3"},
		{"kind|image|--cache|" + file, "--cache " + file + ": " + file + " is not a directory"},
		{"completion|tcsh", `unknown command "tcsh" for "faultline completion": one of bash, fish, powershell, zsh`},
		{"help|frob", `unknown command "frob" for "faultline": one of compare, completion, down, help, kernels, kind, list, plan, run, schema, validate, version`},
		{"runn", `unknown command "runn" for "faultline": did you mean "run"?`},
		{run + "--kernl|debian-12", `unknown flag: --kernl: did you mean "--kernel"?`},
		{"list|--frob", "unknown flag: --frob: one of --cache, --help, --verbose"},
		{"list|-x", "unknown shorthand flag: 'x' in -x"},
		{"run|macvlan-calico/felix", "open macvlan-calico/felix: no such file or directory: did you mean macvlan-calico --variant felix?"},
		{"run|" + dir + "/", dir + "/ is a directory, a file is wanted: it can only be " + itself},
		{"validate|" + hairpin, hairpin + " is a directory, a file is wanted: one of " + hairpin + "scenario.yaml, " + hairpin + "topology.yaml"},
		{"run|" + hairpin + "|--fix|x|--report|" + dir + "/report", "scenario hairpin has no fix \"x\": one of hairpin-mode, hairpin-on-the-other-port"},
		{"down|foo|--cache|" + dir, `no cluster of that name, "foo", in ` + dir + "/clusters: there is none"},
		{"down|..|--cache|" + dir, `no cluster of that name, "..", in ` + dir + "/clusters: there is none"},
		{run + "--report|/proc/x", "--report /proc/x: no directory can be made in /proc: no such file or directory"},
		{run + "--cache|/proc/x", "--cache /proc/x: no directory can be made in /proc: no such file or directory"},
		{run + "--set|nodes.node=3", "set nodes.node=3: a mapping is wanted here, not a single value"},
		{run + "--kernel|" + dir, "--kernel " + dir + ": read " + dir + ": is a directory: want the file of a kernel, a bzImage"},
		{run + "--kernel|" + file, "--kernel " + file + ": not an x86 bzImage: want the file of a kernel, a bzImage"},
		{run + "--cache|" + file, "--cache " + file + ": " + file + " is not a directory"},
		{run + "--cache|", `--cache "": want a directory`},
		{run + "--report|" + file + "/below/it", "--report " + file + "/below/it: " + file + " is not a directory"},
		{"kernels|--cache|" + file + "/below", "--cache " + file + "/below: " + file + " is not a directory"},
		{"kernels|check|--cache|" + file, "--cache " + file + ": " + file + " is not a directory"},
	} {
		t.Run(row.line, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := Main(append([]string{"faultline"}, strings.Split(row.line, "|")...), nil, &stdout, &stderr)
			if got, want := stderr.String(), "faultline: "+row.want+"\n"; got != want || code != ExitUsage || stdout.Len() > 0 {
				t.Errorf("exit code %d, %q on stdout\ngot  %swant %s", code, stdout.String(), got, want)
			}
			if _, err := os.Stat(dir + "/report"); err == nil {
				t.Error("it left a report")
			}
		})
	}
}

// full is a standard output that takes so much and no more.
type full struct{ room int }

var errFull = errors.New("write /dev/stdout: no space left on device")

func (f *full) Write(p []byte) (int, error) {
	if f.room < len(p) {
		return f.room, errFull
	}
	f.room -= len(p)
	return len(p), nil
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, line := range []string{
		"list", "version", "help", "kernels", "schema scenario", "plan edge-ipsec", "completion bash", "run --help",
		"validate ../../e2e/testdata/hairpin/scenario.yaml",
	} {
		for _, room := range []int{0, 20} {
			var stderr bytes.Buffer
			code := Main(append([]string{"faultline"}, strings.Fields(line)...), nil, &full{room}, &stderr)
			if want := "faultline: " + errFull.Error() + "\n"; code != ExitBroken || stderr.String() != want {
				t.Errorf("%s: exit code %d, %q", line, code, stderr.String())
			}
		}
	}
}

func TestADirectoryThatCanBe(t *testing.T) {
	dir := t.TempDir()
	for _, at := range []string{dir, filepath.Join(dir, "a", "b"), "relative/to/here"} {
		for _, written := range []bool{true, false} {
			if err := directory("--cache", at, written); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); err == nil {
		t.Error("asking made it")
	}
}

// checks is a runtime that lacks things.
type checks struct {
	lab.Runtime
	lacks map[string]error // by the topology of a plan
	asked []string
}

func (c *checks) Check(_ context.Context, p *plan.Plan) (lab.Facts, error) {
	c.asked = append(c.asked, p.Topology)
	return lab.Facts{}, c.lacks[p.Topology]
}

// Netns is chosen only where it can carry the lab of every fix.
func TestLacking(t *testing.T) {
	prepared := func(fix, topology string, steps ...plan.Step) harness.Prepared {
		return harness.Prepared{Fix: fix, Plan: &plan.Plan{Topology: topology, Steps: steps}}
	}
	plans := []harness.Prepared{
		prepared("", "base", plan.AddDummy{}),
		prepared("as-base", "same", plan.AddDummy{}),
		prepared("in-a-vlan", "vlan", plan.AddDummy{}, plan.AddVLAN{}),
		prepared("in-another", "again", plan.AddVLAN{}),
	}
	no := &lab.UnsupportedError{Runtime: "netns", Missing: []lab.Missing{{What: "8021q"}, {What: "ip_vs"}}}
	for _, row := range []struct {
		name, want, asked string
		lacks             map[string]error
	}{
		{"nothing", "", "base vlan", nil},
		{"the base lab", "this machine lacks 8021q; ip_vs", "base", map[string]error{"base": no, "vlan": no}},
		{"the lab of a fix", "for the lab of fix in-a-vlan this machine lacks 8021q; ip_vs", "base vlan", map[string]error{"vlan": no}},
		{"an answer", "could not tell whether this kernel can carry the lab: no memory", "base", map[string]error{"base": errors.New("no memory")}},
		{"an answer on a fix", "could not tell whether this kernel can carry the lab of fix in-a-vlan: no memory", "base vlan",
			map[string]error{"vlan": errors.New("no memory")}},
	} {
		t.Run(row.name, func(t *testing.T) {
			rt := &checks{lacks: row.lacks}
			if got := lacking(t.Context(), rt, plans); got != row.want {
				t.Errorf("got  %q\nwant %q", got, row.want)
			}
			if got := strings.Join(rt.asked, " "); got != row.asked {
				t.Errorf("asked of %q, want %q", got, row.asked)
			}
		})
	}
}
