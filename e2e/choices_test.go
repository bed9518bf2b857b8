package e2e

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/faultline-lab/faultline/harness/verdict"
)

// The topology of nftables-snat has a choice: its cable is IPsec, or VXLAN where the kernel has no ESP.
var _ = Describe("a choice of the topology", Label("choices"), func() {
	const first = "iptables-nft"
	one := []string{"nftables-snat", "--variant", first, "--fix", "exclude-subnets"}

	DescribeTable("is the first option that this kernel can carry, and the report says why", Label("netns"), func(ctx SpecContext, runtime, who string) {
		t := runVariants(ctx, GinkgoT().TempDir(), []string{first}, append(one, "--runtime", runtime)...)[0]
		if t.report.Verdict == verdict.Unsupported && runtime == "netns" || t.report.Runtime == "vm" {
			Expect(t.stdout).To(And(ContainSubstring("with cable=ipsec"), ContainSubstring("with cable=vxlan")))
			Skip("this kernel can carry neither option")
		}
		Expect(t.report.Verdict).To(Equal(verdict.Reproduced), t.report.Why)
		Expect(t.report.Choices).To(HaveLen(1))
		cable := t.report.Choices[0]
		Expect(cable.Options).To(Equal([]string{"ipsec", "vxlan"}))
		Expect(cable.Given).To(BeFalse())
		if cable.Option == "ipsec" {
			Expect(cable.Why).To(BeEmpty())
		} else {
			Expect(cable.Why).To(ContainSubstring("with cable=ipsec " + who + " lacks ESP"))
		}
		Expect(t.stdout).To(ContainSubstring("note: cable (how the gateways are joined): " + cable.Option + ", "))
		Expect(t.report.Again).To(HaveSuffix(" --set cable=" + cable.Option + " --fix exclude-subnets"))
	},
		Entry("in netns", "netns", "runtime netns", SpecTimeout(trialTimeout)),
		Entry("where faultline chooses the runtime", "auto", "this machine", SpecTimeout(trialTimeout)),
	)

	It("is Unsupported where this kernel cannot carry the option that is given", Label("netns"), func(ctx SpecContext) {
		t := runVariants(ctx, GinkgoT().TempDir(), []string{first}, append(one, "--runtime", "netns", "--set", "cable=ipsec")...)[0]
		if t.report.Verdict == verdict.Reproduced {
			Expect(t.report.Choices[0].Option).To(Equal("ipsec"))
			Skip("this kernel has ESP")
		}
		Expect(t.report.Verdict).To(Equal(verdict.Unsupported), t.report.Why)
		Expect(t.code).To(Equal(unsupported))
		Expect(t.report.Why).To(ContainSubstring("ESP with AES-GCM (XFRM) in the kernel"))
	}, SpecTimeout(trialTimeout))

	// The router's counter is no part of the scenario: with VXLAN there is none.
	It("is what the packets take: ESP on a kernel that has it", Label("vm"), func(ctx SpecContext) {
		dir := copyOf("nftables-snat", first)
		rewrite(filepath.Join(dir, sc), "  evidence:\n", `  evidence:
    - {name: carried by ESP, on: wan, rule: {backend: nft, table: ip between-clusters, chain: forward, contains: meta l4proto esp}, grows: true}
`)
		t := runVariants(ctx, filepath.Join(dir, "report"), []string{first}, filepath.Join(dir, sc), "--runtime", "vm", "--fix", "nft-accept")[0]
		if t.report.Verdict == verdict.Unsupported {
			Skip(t.report.Why)
		}
		Expect(t.report.Verdict).To(Equal(verdict.Reproduced), t.report.Why)
		Expect(t.report.Choices).To(ConsistOf(And(HaveField("Name", "cable"), HaveField("Option", "ipsec"), HaveField("Why", ""))))
		esp := evidence(t.report.Fault.Evidence, "carried by ESP").Readings
		Expect(esp.After.Count).To(BeNumerically(">", esp.Before.Count), "packets of ESP")
	}, SpecTimeout(guestTimeout))

	It("has the WrongReason, with VXLAN, where ESP is to carry the packets", Label("netns"), func(ctx SpecContext) {
		dir := copyOf("nftables-snat", first)
		rewrite(filepath.Join(dir, sc), "  evidence:\n", `  evidence:
    - {name: carried by ESP, on: wan, rule: {backend: nft, table: ip between-clusters, chain: forward, contains: meta l4proto esp}, grows: true}
`)
		lie{variant: first, args: []string{"--set", "cable=vxlan"}, code: unexpected, fault: verdict.WrongReason, why: "carried by ESP"}.hold(ctx, dir, "netns")
	}, SpecTimeout(trialTimeout))

	It("breaks the lab when it says IPsec and is VXLAN", Label("netns"), func(ctx SpecContext) {
		dir := copyOf("nftables-snat", first)
		path := filepath.Join(dir, "submariner-ovn.yaml")
		text, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		// Of the option, the router's rules alone stay.
		before, rest, found := strings.Cut(string(text), "        set:\n")
		Expect(found).To(BeTrue())
		_, rules, found := strings.Cut(rest, "          nodes.wan.rulesets:\n")
		Expect(found).To(BeTrue())
		Expect(os.WriteFile(path, []byte(before+"        set:\n          nodes.wan.rulesets:\n"+rules), 0o644)).To(Succeed())
		lie{variant: first, args: []string{"--set", "cable=ipsec"}, code: brokenLab, fault: verdict.BrokenLab, why: `control "connectivity" does not hold`}.hold(ctx, dir, "netns")
	}, SpecTimeout(trialTimeout))
})

// rewrite replaces the first old in a file.
func rewrite(path, old, text string) {
	GinkgoHelper()
	file, err := os.ReadFile(path)
	Expect(err).NotTo(HaveOccurred())
	Expect(string(file)).To(ContainSubstring(old))
	Expect(os.WriteFile(path, []byte(strings.Replace(string(file), old, text, 1)), 0o644)).To(Succeed())
}
