package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"

	"github.com/faultline-lab/faultline/harness/report"
)

var _ = Describe("several scenarios", Label("several", "netns"), func() {
	It("are run at once, with a report each, one table, and the story of the one that is not as documented", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		Expect(os.CopyFS(dir, os.DirFS("testdata/hairpin"))).To(Succeed())
		text, err := os.ReadFile(filepath.Join(dir, sc))
		Expect(err).NotTo(HaveOccurred())
		wrong := strings.NewReplacer("scenario: hairpin", "scenario: misled", `set, veth-web, type, bridge_slave, hairpin, "on"`, `set, veth-web, type, bridge_slave, hairpin, "off"`)
		Expect(os.WriteFile(filepath.Join(dir, sc), []byte(wrong.Replace(string(text))), 0o644)).To(Succeed())

		e := faultline(ctx, "testdata", "run", "hairpin/scenario.yaml", filepath.Join(dir, sc), "filtered/scenario.yaml", "--runtime", "netns", "--report", dir+"/reports")
		if e.code == unsupported {
			Skip(e.stdout)
		}
		Expect(e.code).To(Equal(unexpected), e.stdout)
		Expect(e.stderr).To(BeEmpty())
		Expect(e.stdout).To(MatchRegexp(`\n +RUNTIME +VERDICT +FIXES +INERT +TOOK\n` +
			`  hairpin +netns +Reproduced +1/1 +1/1 +\S+ m?s\n` +
			`  misled +netns +Reproduced +0/1 +1/1 +\S+ m?s  not as documented: hairpin-mode NotFixed\n` +
			`  filtered +netns +Reproduced +1/1 +1/1 +\S+ m?s\n\n` +
			`2 of 3 trials as documented, in [^:]+: not as documented: misled\n$`))
		Expect(e.stdout).To(MatchRegexp(`\d s  hairpin on .*: everything is as documented\n`))
		Expect(e.stdout).To(ContainSubstring("hairpin-mode: NotFixed - "))
		Expect(e.stdout).NotTo(ContainSubstring("no-rule"), "the story of filtered is told")
		for name, code := range map[string]int{"hairpin": asExpected, "misled": unexpected, "filtered": asExpected} {
			var r report.Report
			text, err := os.ReadFile(filepath.Join(dir, "reports", name, "report.json"))
			Expect(err).NotTo(HaveOccurred())
			Expect(json.Unmarshal(text, &r)).To(Succeed())
			Expect(r.Scenario).To(Equal(name))
			Expect(r.ExitCode).To(Equal(code))
		}
	}, SpecTimeout(trialTimeout))

	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		It("are all taken down on "+name(signal)+", each with what it has seen", alone(), func(ctx SpecContext) {
			adopt()
			warm(ctx)
			s := newSite(nil, "kube-proxy")
			s.host = newHost()
			s.remember()
			r := s.startRun("both", s.scenario("filtered"), s.scenario("hairpin"), "--runtime", "netns", "--jobs", "2")
			both := []string{"both/filtered", "both/hairpin"}
			for _, name := range both {
				Eventually(func() string {
					text, _ := os.ReadFile(filepath.Join(s.report(name), "journal.jsonl"))
					return string(text)
				}).WithTimeout(trialTimeout).Should(ContainSubstring(`"kind":"began","text":"fault"`))
			}
			r.Signal(signal)
			Eventually(r).WithTimeout(goneLimit).Should(gexec.Exit(interrupted))
			for _, name := range both {
				events := s.journal(name)
				Expect(told(events)).To(ContainElement("began fault"))
				Expect(unended(events)).To(BeEmpty())
				Expect(filepath.Join(s.report(name), "report.json")).To(BeAnExistingFile())
			}
			Expect(string(r.Out.Contents())).To(MatchRegexp(`\n  filtered .*  interrupted\n  hairpin .*  interrupted\n`))
			s.isAsBefore()
		}, SpecTimeout(2*trialTimeout))
	}
})
