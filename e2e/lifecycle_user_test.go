package e2e

import (
	"fmt"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"
)

var _ = Describe("a user without any rights", alone(), Ordered, ContinueOnFailure, Label("lifecycle", "netns"), func() {
	var s *site

	BeforeAll(func(ctx SpecContext) {
		adopt()
		warm(ctx)
		s = newSite(nobody(), "kube-proxy")
		s.host = newHost()
		s.remember()
	}, NodeTimeout(guestTimeout))

	It("runs a scenario with a real kube-proxy, and leaves nothing", func(SpecContext) {
		r := s.startRun("success", s.scenario("hairpin"), "--runtime", "netns")
		Eventually(r).WithTimeout(trialTimeout).Should(gexec.Exit(asExpected))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	It("leaves nothing when the run is interrupted", func(SpecContext) {
		r := s.startRun("interrupted", s.scenario("hairpin"), "--runtime", "netns")
		Eventually(r).WithTimeout(trialTimeout).Should(began("fault"))
		Eventually(r.Interrupt()).WithTimeout(goneLimit).Should(gexec.Exit(interrupted))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	It("leaves nothing when the run is killed", func(SpecContext) {
		r := s.startRun("killed", s.scenario("hairpin"), "--runtime", "netns")
		Eventually(r).WithTimeout(trialTimeout).Should(began("fault"))
		r.Kill()
		Eventually(r).WithTimeout(goneLimit).Should(gexec.Exit())
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))
})

var _ = Describe("a report directory on a full disk", alone(), Label("lifecycle", "netns"), func() {
	for _, size := range []string{"4k", "16k"} {
		It(fmt.Sprintf("ends a run with the file's name and leaves nothing (%s)", size), func(SpecContext) {
			adopt()
			s := newSite(nil)
			s.host = newHost()
			dir := s.report("full")
			Expect(os.Mkdir(dir, 0o755)).To(Succeed())
			s.remember()
			r := s.startCommand(append(s.onTmpfs(size, "reports/full"),
				s.path("faultline"), "run", s.scenario("filtered"), "--runtime", "netns", "--report", dir)...)
			Eventually(r).WithTimeout(trialTimeout).Should(gexec.Exit(brokenLab))
			Expect(string(r.Err.Contents())).To(And(ContainSubstring("no space left on device"), MatchRegexp(`%s/\w+\.\w+`, dir)))
			left, err := filepath.Glob(dir + "/*")
			Expect(err).NotTo(HaveOccurred())
			Expect(left).To(BeEmpty(), "the disk was not a mount of the run's own")
			s.isAsBefore()
		}, SpecTimeout(trialTimeout))
	}
})
