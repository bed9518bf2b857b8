package e2e

import (
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/faultline-lab/faultline/harness/verdict"
)

var _ = Describe("a person who adds a scenario", Label("newcomer", "netns"), func() {
	It("writes two YAML files and no Go", func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		Expect(os.CopyFS(dir, os.DirFS("testdata/hairpin"))).To(Succeed())
		files, err := filepath.Glob(dir + "/*")
		Expect(err).NotTo(HaveOccurred())
		Expect(files).To(ConsistOf(dir+"/scenario.yaml", dir+"/topology.yaml"))

		checked := faultline(ctx, dir, "validate", "scenario.yaml", "topology.yaml")
		Expect(checked.code).To(Equal(asExpected), checked.stderr)
		Expect(checked.stdout).To(Equal("scenario.yaml: ok\ntopology.yaml: ok\n"))

		t := run(ctx, filepath.Join(dir, "report"), dir+"/scenario.yaml")
		Expect(t.report.Verdict).To(Equal(verdict.Reproduced), t.report.Why)
		Expect(t.fix("hairpin-mode").Verdict).To(Equal(verdict.Fixed))
		Expect(t.fix("hairpin-mode").Undone).To(HaveValue(Equal(verdict.Reproduced)))
		Expect(t.fix("hairpin-on-the-other-port").Verdict).To(Equal(verdict.Inert))
		Expect(t.code).To(Equal(asExpected))
	}, SpecTimeout(trialTimeout))
})
