package e2e

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a scenario with variants", Label("variants", "netns"), func() {
	It("is run in all of them, with a report each and one table at the end", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		e := faultline(ctx, ".", "run", "nftables-snat", "--runtime", "netns", "--fix", "exclude-subnets", "--report", dir)
		if e.code == unsupported {
			Skip(e.stdout)
		}
		Expect(e.code).To(Equal(asExpected), e.stdout)
		Expect(e.stdout).To(MatchRegexp(`\n +RUNTIME +VERDICT +FIXES +INERT +TOOK\n` +
			`  nftables-snat/iptables-nft +netns +Reproduced +1/4 +- .*not all verified\n` +
			`  nftables-snat/iptables-legacy +netns +Reproduced `))
		reports, err := filepath.Glob(dir + "/*/report.json")
		Expect(err).NotTo(HaveOccurred())
		Expect(reports).To(ContainElements(dir+"/globalnet/report.json", dir+"/allow-list/report.json"))
		Expect(reports).To(HaveLen(6))
		Expect(dir + "/report.json").NotTo(BeAnExistingFile())
	}, SpecTimeout(trialTimeout))

	It("ends with the worst exit code of them", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		Expect(os.CopyFS(dir, os.DirFS("testdata/hairpin"))).To(Succeed())
		path := filepath.Join(dir, sc)
		text, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		text = append(text, `variants:
  - {name: mended-from-the-start, set: {nodes.node.interfaces.veth-web.port.hairpin: true}}
  - {name: as-it-is}
  - {name: elsewhere, runtimes: [vm]}
`...)
		Expect(os.WriteFile(path, text, 0o644)).To(Succeed())
		e := faultline(ctx, dir, "run", "./scenario.yaml", "--runtime", "netns", "--report", "report")
		if e.code == unsupported {
			Skip(e.stdout)
		}
		Expect(e.code).To(Equal(unexpected), e.stdout)
		Expect(e.stdout).To(MatchRegexp(`\n  hairpin/mended-from-the-start +netns +NotReproduced +- +- .*not as documented\n  hairpin/as-it-is +netns +Reproduced +1/1 +1/1 `))
		Expect(e.stdout).To(MatchRegexp(`\n  hairpin/elsewhere +not run: its file names the runtimes vm\n$`))
	}, SpecTimeout(trialTimeout))

	DescribeTable("is refused", func(ctx SpecContext, says string, args ...string) {
		e := faultline(ctx, ".", append([]string{"run"}, args...)...)
		Expect(e.code).To(Equal(badUsage), e.stdout)
		Expect(e.stdout).To(BeEmpty())
		Expect(e.stderr).To(ContainSubstring(says))
	},
		Entry("with a variant that it does not have", "--variant global: scenario nftables-snat has no such variant: one of allow-list, ", "nftables-snat", "--variant", "global", SpecTimeout(10*seconds)),
		Entry("with a variant, when it has none", "scenario ipvs-ipsec has no variants", "ipvs-ipsec", "--variant", "x", SpecTimeout(10*seconds)),
	)
})
