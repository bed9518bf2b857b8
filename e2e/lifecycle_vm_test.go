package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
)

// lossLimit is how long a run may take to notice that its guest is lost.
const lossLimit = 15 * seconds

var _ = Describe("a run in vm", alone(), Ordered, ContinueOnFailure, Label("lifecycle", "vm"), SpecPriority(long), func() {
	var s *site

	BeforeAll(func(ctx SpecContext) {
		adopt()
		haveKernels(ctx)
		s = newSite(nil, "kernels", "accelerator.json")
		s.host = newHost()
		s.remember()
	}, NodeTimeout(guestTimeout))

	start := func(report string) *gexec.Session {
		GinkgoHelper()
		return s.startRun(report, s.scenario("filtered"), "--runtime", "vm")
	}
	// inProbe starts a run and returns in the middle of the fault's probe.
	inProbe := func(report string) *gexec.Session {
		GinkgoHelper()
		r := start(report)
		Eventually(r).WithTimeout(trialTimeout).Should(began("fault"))
		return r
	}

	It("leaves nothing when it succeeds", func(SpecContext) {
		r := start("success")
		Eventually(r).WithTimeout(trialTimeout).Should(gexec.Exit(asExpected))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	It("leaves nothing when it is interrupted", func(SpecContext) {
		r := inProbe("interrupted")
		Eventually(r.Interrupt()).WithTimeout(lossLimit).Should(gexec.Exit(interrupted))
		Expect(unended(s.journal("interrupted"))).To(BeEmpty())
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	for i, moment := range []string{"find a place", "booting a guest", "is up after", "controls", "fault"} {
		It(fmt.Sprintf("leaves nothing, QEMU neither, when it is killed a while after %q", moment), func(SpecContext) {
			seed := GinkgoRandomSeed()
			wait := time.Duration(rand.New(rand.NewPCG(uint64(seed), uint64(i))).Float64() * float64(seconds))
			GinkgoWriter.Printf("seed %d: killed %v later\n", seed, wait)
			r := start("killed")
			Eventually(r).WithTimeout(trialTimeout).Should(gbytes.Say(moment))
			select {
			case <-r.Exited:
				Fail("the run is over: nothing was killed")
			case <-time.After(wait):
			}
			Eventually(r.Kill()).WithTimeout(goneLimit).Should(gexec.Exit(128 + int(syscall.SIGKILL)))
			s.isAsBefore()
		}, SpecTimeout(trialTimeout))
	}

	// lost checks how a run ends whose guest is gone.
	lost := func(r *gexec.Session, report, console string) {
		GinkgoHelper()
		Eventually(r).WithTimeout(lossLimit).Should(gbytes.Say("its console ends:"))
		Eventually(r).WithTimeout(trialTimeout).Should(gexec.Exit(brokenLab)) // other fixes are tried in a new guest
		Expect(string(r.Out.Contents())).To(And(ContainSubstring("BrokenLab"), ContainSubstring(console)))
		written, err := os.ReadFile(filepath.Join(s.report(report), "report.json"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(written)).To(And(ContainSubstring("BrokenLab"), ContainSubstring(console)))
		s.isAsBefore()
	}

	It("says BrokenLab, with the end of the console, when its guest is killed", func(SpecContext) {
		r := inProbe("guest-killed")
		qemu := guestOf(r)
		Expect(syscall.Kill(qemu, syscall.SIGKILL)).To(Succeed())
		lost(r, "guest-killed", "signal: killed")
	}, SpecTimeout(trialTimeout))

	It("says BrokenLab, with the end of the console, when its guest panics", func(SpecContext) {
		const rule = `run: [{on: server, cmd: [nft, flush, chain, inet, filtered, input]}]`
		panics := s.change("filtered", "panics", rule, `run: [{on: server, cmd: [sh, -c, "echo c > /proc/sysrq-trigger"]}]`)
		r := s.startRun("panics", panics, "--runtime", "vm")
		Eventually(r).WithTimeout(trialTimeout).Should(began("fix no-rule"))
		lost(r, "panics", "Kernel panic - not syncing: sysrq triggered crash")
	}, SpecTimeout(trialTimeout))

	It("says BrokenLab within a limit when its guest stands still", func(SpecContext) {
		r := inProbe("stands-still")
		qemu := guestOf(r)
		Expect(syscall.Kill(qemu, syscall.SIGSTOP)).To(Succeed())
		// A stopped guest may be a slow one: the limit is that of the probe and its slack.
		Eventually(r).WithTimeout(2 * time.Minute).Should(gexec.Exit(brokenLab))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))
})

// haveKernels sees that guests have a kernel, or skips.
func haveKernels(ctx SpecContext) {
	GinkgoHelper()
	fetched := faultline(ctx, ".", "kernels", "check")
	if fetched.code == unsupported {
		Skip(fetched.stderr)
	}
	Expect(fetched.code).To(Equal(asExpected), fetched.stderr)
}

// guestOf returns the QEMU of a run.
func guestOf(r *gexec.Session) int {
	GinkgoHelper()
	names, err := filepath.Glob("/proc/[1-9]*")
	Expect(err).NotTo(HaveOccurred())
	for _, name := range names {
		var pid int
		if _, err := fmt.Sscan(filepath.Base(name), &pid); err != nil {
			continue
		}
		parent, _, _, ok := stat(pid)
		exe, _ := os.Readlink(name + "/exe")
		if ok && parent == r.Command.Process.Pid && strings.HasPrefix(filepath.Base(exe), "qemu-system") {
			return pid
		}
	}
	Fail(fmt.Sprintf("faultline (pid %d) has no QEMU", r.Command.Process.Pid))
	return 0
}
