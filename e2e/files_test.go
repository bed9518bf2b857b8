package e2e

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

const badFiles = "testdata/bad"

// Each file in testdata/bad is wrong in its own way; the .txt beside it is what must be said to it, word for word.
var _ = Describe("a bad file", Label("files"), func() {
	files, err := filepath.Glob(badFiles + "/*.yaml")
	if err != nil || len(files) == 0 {
		panic("no files in " + badFiles)
	}
	for _, path := range files {
		name := filepath.Base(path)
		golden := strings.TrimSuffix(path, ".yaml") + ".txt"

		It("is told all that is wrong with it: "+name, func(ctx SpecContext) {
			got := faultline(ctx, badFiles, "validate", name)
			Expect(got.code).To(Equal(badUsage))
			Expect(got.stdout).To(BeEmpty())
			if *update {
				Expect(os.WriteFile(golden, []byte(strings.TrimPrefix(got.stderr, "faultline: ")), 0o644)).To(Succeed())
			}
			want, err := os.ReadFile(golden)
			Expect(err).NotTo(HaveOccurred())
			Expect(got.stderr).To(Equal("faultline: " + string(want)))
		}, SpecTimeout(30*seconds))

		It("is not run: "+name, func(ctx SpecContext) {
			text, err := os.ReadFile(path)
			Expect(err).NotTo(HaveOccurred())
			want, err := os.ReadFile(golden)
			Expect(err).NotTo(HaveOccurred())
			if strings.HasPrefix(string(text), "topology:") {
				want = []byte(name + " is a topology, a scenario is wanted: faultline plan prints how to build it\n")
			}
			refused(ctx, badFiles, []string{name}, "faultline: "+string(want))
		}, SpecTimeout(30*seconds))
	}
})

var _ = DescribeTable("a bad command line", Label("files"),
	func(ctx SpecContext, args []string, want string) {
		refused(ctx, "testdata", args, "faultline: "+want+"\n")
	},
	Entry("names a scenario that there is not", []string{"ipvs-ipsek"},
		`no scenario "ipvs-ipsek": did you mean "ipvs-ipsec"? (a file is given by its path, as ./ipvs-ipsek.yaml)`, SpecTimeout(30*seconds)),
	Entry("names a file that there is not", []string{"./nowhere.yaml"},
		`open ./nowhere.yaml: no such file or directory`, SpecTimeout(30*seconds)),
	Entry("names nothing", []string{""},
		`run wants names or files of scenarios, or --all, for example: faultline run ipvs-ipsec`, SpecTimeout(30*seconds)),
	Entry("names a scenario twice", []string{"hairpin/scenario.yaml", "./hairpin/scenario.yaml"},
		`hairpin/scenario.yaml and ./hairpin/scenario.yaml are both the scenario hairpin, and would write to one report: run them one by one`, SpecTimeout(30*seconds)),
	Entry("names a fix that one of its scenarios does not have", []string{"hairpin/scenario.yaml", "filtered/scenario.yaml", "--fix", "no-rule"},
		`scenario hairpin: scenario hairpin has no fix "no-rule": one of hairpin-mode, hairpin-on-the-other-port`, SpecTimeout(30*seconds)),
	Entry("names a directory as the kernel", []string{"hairpin/scenario.yaml", "--kernel", "./bad"},
		`--kernel ./bad: read ./bad: is a directory: want the file of a kernel, a bzImage`, SpecTimeout(30*seconds)),
	Entry("names a file that is no kernel", []string{"hairpin/scenario.yaml", "--kernel", "hairpin/topology.yaml"},
		`--kernel hairpin/topology.yaml: not an x86 bzImage: want the file of a kernel, a bzImage`, SpecTimeout(30*seconds)),
	Entry("sets a node to what is none", []string{"hairpin/scenario.yaml", "--set", "nodes.node=3"},
		`set nodes.node=3: a mapping is wanted here, not a single value`, SpecTimeout(30*seconds)),
	Entry("names an unknown runtime", []string{"hairpin/scenario.yaml", "--runtime", "docker"},
		`--runtime "docker": want auto, netns, vm, kind`, SpecTimeout(30*seconds)),
	Entry("names an unknown kernel", []string{"hairpin/scenario.yaml", "--kernel", "debian-9"},
		`--kernel debian-9: want debian-11, debian-12, debian-13, debian-13-backports, host, or the file of a kernel: stat debian-9: no such file or directory`, SpecTimeout(30*seconds)),
	Entry("wants a kernel where there is no choice", []string{"hairpin/scenario.yaml", "--runtime", "netns", "--kernel", "debian-12"},
		`--kernel goes with --runtime vm: netns uses this machine's kernel`, SpecTimeout(30*seconds)),
	Entry("gives modules without a kernel", []string{"hairpin/scenario.yaml", "--modules", "/lib/modules"},
		`--modules goes with --kernel FILE`, SpecTimeout(30*seconds)),
	Entry("gives modules of a kernel that has its own", []string{"hairpin/scenario.yaml", "--kernel", "debian-12", "--modules", "/lib/modules"},
		`--modules goes with --kernel FILE`, SpecTimeout(30*seconds)),
	Entry("names a fix that the scenario does not have", []string{"hairpin/scenario.yaml", "--fix", "hairpin"},
		`scenario hairpin has no fix "hairpin": one of hairpin-mode, hairpin-on-the-other-port`, SpecTimeout(30*seconds)),
	Entry("sets nothing", []string{"hairpin/scenario.yaml", "--set", "kubeProxy.mode"},
		`--set "kubeProxy.mode": want PATH=VALUE, for example kubeProxy.mode=iptables`, SpecTimeout(30*seconds)),
	Entry("sets something twice", []string{"hairpin/scenario.yaml", "--set", "kubeProxy.mode=ipvs", "--set", "kubeProxy.mode=iptables"},
		`--set kubeProxy.mode is given twice`, SpecTimeout(30*seconds)),
	Entry("sets what the topology does not have", []string{"hairpin/scenario.yaml", "--set", "kubeProxy.mdoe=ipvs", "--set", "nodes.nod.role=pod"},
		"set kubeProxy.mdoe=ipvs: unknown setting \"mdoe\"\n  did you mean \"mode\"?\nset nodes.nod.role=pod: no \"nod\" in this list of 3\n  did you mean \"node\"?", SpecTimeout(30*seconds)),
	Entry("sets a value that cannot be", []string{"hairpin/scenario.yaml", "--set", "kubeProxy.mode=ipsv"},
		"set kubeProxy.mode=ipsv: unknown mode of kube-proxy \"ipsv\"\n  one of iptables, ipvs, nftables", SpecTimeout(30*seconds)),
	Entry("names a version of kube-proxy that is none", []string{"hairpin/scenario.yaml", "--kube-proxy", "latest"},
		"set kubeProxy.version=latest: \"latest\" is not a version of kube-proxy\n  write it in full: \"v1.36.3\"", SpecTimeout(30*seconds)),
)

// hairpinFor is a directory with the example, whose file names that runtime alone.
func hairpinFor(runtime string) string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	Expect(os.CopyFS(dir, os.DirFS("testdata/hairpin"))).To(Succeed())
	text, err := os.ReadFile(dir + "/" + sc)
	Expect(err).NotTo(HaveOccurred())
	const all = "runtimes: [netns, vm, kind]\n"
	Expect(string(text)).To(ContainSubstring(all))
	Expect(os.WriteFile(dir+"/"+sc, []byte(strings.Replace(string(text), all, "runtimes: ["+runtime+"]\n", 1)), 0o644)).To(Succeed())
	return dir
}

var _ = It("refuses a runtime that the scenario does not name", Label("files"), func(ctx SpecContext) {
	dir := hairpinFor("vm")
	refused(ctx, dir, []string{sc, "--runtime", "netns"}, "faultline: scenario hairpin does not run in netns: its file names the runtimes vm\n")
}, SpecTimeout(30*seconds))

var _ = It("takes the only runtime that the scenario names, and says so", Label("files", "netns"), func(ctx SpecContext) {
	dir := hairpinFor("netns")
	// Without its cause it is over soonest.
	t := run(ctx, dir+"/report", dir+"/"+sc, "--set", "nodes.node.interfaces.veth-web.port.hairpin=true")
	Expect(t.report.Runtime).To(Equal("netns"))
	Expect(t.stdout).To(ContainSubstring("runtime netns: the scenario names no other"))
}, SpecTimeout(trialTimeout))

var _ = DescribeTable("CONTRIBUTING.md shows the example as it is tested", Label("files"), func(_ SpecContext, name string) {
	text, err := os.ReadFile("testdata/hairpin/" + name)
	Expect(err).NotTo(HaveOccurred())
	guide, err := os.ReadFile("../CONTRIBUTING.md")
	Expect(err).NotTo(HaveOccurred())
	var shown strings.Builder
	for line := range strings.Lines(string(text)) {
		if line != "\n" {
			shown.WriteString("    ")
		}
		shown.WriteString(line)
	}
	Expect(string(guide)).To(ContainSubstring("\n" + shown.String() + "\n"))
},
	Entry("the network", top, SpecTimeout(30*seconds)),
	Entry("the experiment", sc, SpecTimeout(30*seconds)),
)

// refused runs a scenario that must not be run: nothing is built, and no report is left.
func refused(ctx SpecContext, dir string, args []string, want string) {
	GinkgoHelper()
	reports := filepath.Join(GinkgoT().TempDir(), "reports")
	got := faultline(ctx, dir, append([]string{"run", "--report", reports}, args...)...)
	Expect(got.code).To(Equal(badUsage))
	Expect(got.stderr).To(Equal(want))
	Expect(got.stdout).To(BeEmpty())
	Expect(reports).NotTo(BeAnExistingFile())
}
