package e2e

import (
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gexec"
)

// Other specs would show on the machine, so that these are Serial, and short: what a run leaves at which moment is asked on
// hosts of their own.
var _ = DescribeTable("the machine itself is as before", Serial, Label("lifecycle"),
	func(ctx SpecContext, fetch func(SpecContext), runtime string, first func(SpecContext)) {
		adopt()
		fetch(ctx)
		s := newSite(nil, "kernels", "accelerator.json")
		s.remember()
		first(ctx) // or what it leaves would be taken for the machine's own
		ends := s.startRun("ends", s.scenario("filtered"), "--runtime", runtime)
		dies := s.startRun("dies", s.scenario("filtered"), "--runtime", runtime)
		for _, r := range []*gexec.Session{ends, dies} {
			Eventually(r).WithTimeout(trialTimeout).Should(began("fault"))
		}
		Eventually(ends.Interrupt()).WithTimeout(goneLimit).Should(gexec.Exit(interrupted))
		Eventually(dies.Kill()).WithTimeout(goneLimit).Should(gexec.Exit(128 + int(syscall.SIGKILL)))
		s.isAsBefore()
	},
	Entry("when one run in netns was interrupted and another killed", Label("netns"), nothing, "netns", warm, SpecTimeout(trialTimeout)),
	Entry("when one run in vm was interrupted and another killed", Label("vm"), haveKernels, "vm", nothing, SpecTimeout(trialTimeout)),
)

func nothing(SpecContext) {}
