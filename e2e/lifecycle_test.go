package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/probe"
)

// kills is how often a run is killed, at moments spread over it.
const kills = 10

// nobody is a user without any rights, whoever runs the tests: only root can become another.
func nobody() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534}
}

// warm has the machine's kernel do what it does for a first lab alone, as load modules, which bring sysctls; and builds
// kube-proxy. Without its cause a run is over soonest.
func warm(ctx SpecContext) {
	GinkgoHelper()
	t := run(ctx, GinkgoT().TempDir(), "testdata/hairpin/scenario.yaml", "--runtime", "netns", "--set", "nodes.node.interfaces.veth-web.port.hairpin=true")
	if t.code == unsupported {
		Skip(t.report.Why)
	}
}

// The specs on what a run leaves behind look at a whole host. It is one of their own, where other specs do not show.
var _ = Describe("a run in netns", alone(), Ordered, ContinueOnFailure, Label("lifecycle", "netns"), SpecPriority(long), func() {
	var s *site
	var whole []harness.Event // of a run that nobody disturbs

	BeforeAll(func(ctx SpecContext) {
		adopt()
		warm(ctx)
		s = newSite(nil, "kube-proxy")
		s.host = newHost()
		s.remember()
		Eventually(s.startRun("first", s.scenario("hairpin"), "--runtime", "netns")).WithTimeout(trialTimeout).Should(gexec.Exit(asExpected))
		whole = s.journal("first")
	}, NodeTimeout(guestTimeout))

	// broken runs a scenario that cannot be built and returns what it said.
	broken := func(scenario string) string {
		GinkgoHelper()
		r := s.startRun("broken", scenario, "--runtime", "netns")
		Eventually(r).WithTimeout(trialTimeout).Should(gexec.Exit(brokenLab))
		return string(r.Out.Contents())
	}

	It("leaves nothing when it succeeds", func(SpecContext) { s.isAsBefore() }, SpecTimeout(trialTimeout))

	It("is seen while it runs by everything that says later that nothing is left", func(SpecContext) {
		r := s.startRun("seen", s.scenario("filtered"), "--runtime", "netns")
		Eventually(r).WithTimeout(trialTimeout).Should(gbytes.Say("the first port"))
		Expect(s.look()["processes"]).To(And(ContainSubstring("faultline"), Not(Equal(s.before["processes"]))))
		Eventually(r).WithTimeout(trialTimeout).Should(gexec.Exit(asExpected))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	It("leaves nothing of a lab that fails half-way, a server's port being taken", func(SpecContext) {
		said := broken(s.change("hairpin", "port-taken", "kubeProxy: {}", "kubeProxy: {}\n    servers: [{tcp: [16443]}]"))
		Expect(said).To(And(ContainSubstring("BrokenLab"), ContainSubstring("address already in use")))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	It("leaves nothing of a lab that fails half-way, a ruleset being wrong", func(SpecContext) {
		said := broken(s.change("filtered", "wrong-ruleset", "counter drop\n            }", "counter dorp\n            }"))
		Expect(said).To(And(ContainSubstring("BrokenLab"), ContainSubstring("dorp")))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		for _, moment := range []string{"find a place", "build the lab", "controls", "fault", "fix hairpin-mode"} {
			It(fmt.Sprintf("takes everything down on %s during %q, and says so with 130", name(signal), moment), func(SpecContext) {
				r := s.startRun("interrupted", s.scenario("hairpin"), "--runtime", "netns")
				Eventually(r).WithTimeout(trialTimeout).Should(began(moment))
				r.Signal(signal)
				Eventually(r).WithTimeout(goneLimit).Should(gexec.Exit(interrupted))
				events := s.journal("interrupted")
				Expect(unended(events)).To(BeEmpty())
				Expect(told(events)).To(ContainElement("began " + moment))
				s.isAsBefore()
			}, SpecTimeout(trialTimeout))
		}
	}

	It("takes everything down on the SIGINT of a terminal, which every process of the group gets", func(SpecContext) {
		r := s.startRun("group", s.scenario("hairpin"), "--runtime", "netns")
		Eventually(r).WithTimeout(trialTimeout).Should(began("fault"))
		Expect(syscall.Kill(-r.Command.Process.Pid, syscall.SIGINT)).To(Succeed())
		Eventually(r).WithTimeout(goneLimit).Should(gexec.Exit(interrupted))
		Expect(unended(s.journal("group"))).To(BeEmpty())
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	for i := range kills {
		It(fmt.Sprintf("leaves nothing when it is killed at a random moment, %d of %d", i+1, kills), func(SpecContext) {
			seed := GinkgoRandomSeed()
			random := rand.New(rand.NewPCG(uint64(seed), uint64(i)))
			after := int((float64(i) + random.Float64()) / kills * float64(untilLastWait(whole)))
			wait := time.Duration(random.Float64() * float64(seconds))
			GinkgoWriter.Printf("seed %d: killed %v after event %d of %d\n", seed, wait, after, len(whole))
			Expect(os.RemoveAll(s.report("killed"))).To(Succeed())
			r := s.startRun("killed", s.scenario("hairpin"), "--runtime", "netns")
			Eventually(func() int { return s.events("killed") }).WithTimeout(trialTimeout).WithPolling(time.Millisecond).Should(BeNumerically(">=", after))
			select {
			case <-r.Exited:
				Fail("the run is over: nothing was killed")
			case <-time.After(wait):
			}
			Eventually(r.Kill()).WithTimeout(goneLimit).Should(gexec.Exit(128 + int(syscall.SIGKILL)))
			s.isAsBefore()
		}, SpecTimeout(trialTimeout))
	}

	It("has in its journal all that it had seen when it was killed", func(SpecContext) {
		Expect(os.RemoveAll(s.report("evidence"))).To(Succeed())
		r := s.startRun("evidence", s.scenario("hairpin"), "--runtime", "netns")
		Eventually(r).WithTimeout(trialTimeout).Should(began("fix hairpin-mode"))
		Eventually(r.Kill()).WithTimeout(goneLimit).Should(gexec.Exit(128 + int(syscall.SIGKILL)))
		events := s.journal("evidence")
		Expect(told(events)).To(ContainElements(
			"began build the lab", "ended build the lab", "probed another pod to the Service", "probed the pod to the other pod",
			"probed the pod to its own Service", "found the pod to its own Service", "judged the fault", "began fix hairpin-mode",
		))
		for _, e := range events {
			if e.Kind == "found" {
				Expect(e.Findings).To(HaveLen(3))
			}
		}
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	It("leaves no earlier report beside the journal of a run that was killed", func(SpecContext) {
		Expect(os.MkdirAll(s.report("earlier"), 0o755)).To(Succeed())
		for _, name := range []string{"report.json", "junit.xml", "report.md", "notes.txt"} {
			Expect(os.WriteFile(filepath.Join(s.report("earlier"), name), []byte("of an earlier run"), 0o644)).To(Succeed())
		}
		r := s.startRun("earlier", s.scenario("hairpin"), "--runtime", "netns")
		Eventually(r).WithTimeout(trialTimeout).Should(began("find a place"))
		Eventually(r.Kill()).WithTimeout(goneLimit).Should(gexec.Exit(128 + int(syscall.SIGKILL)))
		left, err := filepath.Glob(s.report("earlier") + "/*")
		Expect(err).NotTo(HaveOccurred())
		Expect(left).To(ConsistOf(HaveSuffix("/journal.jsonl"), HaveSuffix("/notes.txt")))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	It("refuses the report directory of a run that is still at work", func(SpecContext) {
		first := s.startRun("shared", s.scenario("hairpin"), "--runtime", "netns")
		Eventually(first).WithTimeout(trialTimeout).Should(began("build the lab"))
		second := s.startRun("shared", s.scenario("hairpin"), "--runtime", "netns")
		Eventually(second).WithTimeout(trialTimeout).Should(gexec.Exit(badUsage))
		Expect(second.Err).To(gbytes.Say("another run writes its report to .*/shared: name another directory with --report"))
		Eventually(first).WithTimeout(trialTimeout).Should(gexec.Exit(asExpected))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))

	for _, n := range []int{2, 4} {
		It(fmt.Sprintf("does not meet %d others that run at once", n-1), func(SpecContext) {
			var all []*gexec.Session
			for i := range n {
				all = append(all, s.startRun(fmt.Sprintf("at-once-%d", i), s.scenario("hairpin"), "--runtime", "netns"))
			}
			for _, r := range all {
				Eventually(r).WithTimeout(trialTimeout).Should(gexec.Exit(asExpected))
			}
			s.isAsBefore()
		}, SpecTimeout(2*trialTimeout))
	}

	It("does not take down another that runs when it is killed", func(SpecContext) {
		other := s.startRun("other", s.scenario("hairpin"), "--runtime", "netns")
		r := s.startRun("killed", s.scenario("hairpin"), "--runtime", "netns")
		Eventually(r).WithTimeout(trialTimeout).Should(began("fault"))
		Eventually(r.Kill()).WithTimeout(goneLimit).Should(gexec.Exit(128 + int(syscall.SIGKILL)))
		Eventually(other).WithTimeout(trialTimeout).Should(gexec.Exit(asExpected))
		s.isAsBefore()
	}, SpecTimeout(trialTimeout))
})

// untilLastWait is the number of events until a run waits for its last timeout: from there on it takes a second at least,
// which is the shortest timeout that a scenario may have.
func untilLastWait(events []harness.Event) int {
	GinkgoHelper()
	for i, e := range slices.Backward(events) {
		if e.Kind == harness.Probed && e.Probed.Seen.Outcome == probe.Timeout {
			return i
		}
	}
	Fail("no probe timed out")
	return 0
}

// name is a signal's name as people write it.
func name(s syscall.Signal) string {
	if s == syscall.SIGINT {
		return "SIGINT"
	}
	return "SIGTERM"
}
