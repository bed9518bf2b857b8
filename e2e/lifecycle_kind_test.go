package e2e

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// quick is the label of those specs on kind that CI runs where a whole suite on clusters would take too long.
const quick = "quick"

// kindArgs are the arguments of a run on kind.
func kindArgs() []string {
	args := []string{"--runtime", "kind"}
	if *nodeImageFlag != "" {
		args = append(args, "--node-image", *nodeImageFlag)
	}
	return args
}

// docker runs docker, or the engine that was asked for in its place, and returns its output.
func docker(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := exec.CommandContext(ctx, cmp.Or(os.Getenv(engine.Variable), engine.Docker), args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// inDocker is all that Docker has: containers, networks, volumes.
func inDocker(ctx context.Context) []string {
	GinkgoHelper()
	return []string{
		docker(ctx, "ps", "--all", "--format", "{{.Names}}"), docker(ctx, "network", "ls", "--format", "{{.Name}}"), docker(ctx, "volume", "ls", "--quiet"),
	}
}

var _ = Describe("a run on kind", Serial, Ordered, ContinueOnFailure, Label("lifecycle", "kind"), func() {
	var s *site
	var before []string
	const byHand = "faultline-by-hand-0000"

	start := func(report string, args ...string) *gexec.Session {
		GinkgoHelper()
		return s.startRun(report, s.scenario("hairpin"), append(kindArgs(), args...)...)
	}

	BeforeAll(func(ctx SpecContext) {
		s = newSite(nil)
		r := start("success")
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit())
		if r.ExitCode() == unsupported {
			Skip(string(r.Out.Contents()))
		}
		Expect(r.ExitCode()).To(Equal(asExpected))
		// Somebody's own, with the tool's label even: only what the tool has a lock for is the tool's.
		docker(ctx, "network", "create", byHand)
		DeferCleanup(docker, "network", "rm", byHand)
		docker(ctx, "create", "--name", byHand, "--label", "io.faultline.cluster="+byHand, kindImage(r))
		DeferCleanup(docker, "rm", "--volumes", byHand)
		before = inDocker(ctx)
		Expect(before[0]).To(Equal(byHand), "the run that succeeded has left containers")
		Expect(before[1]).NotTo(ContainSubstring("faultline-hairpin"))
	}, NodeTimeout(clusterTimeout))

	AfterAll(func(ctx SpecContext) { // while the directory is there without which nobody knows whose the clusters are
		if s != nil {
			faultline(ctx, s.path("work"), "--cache", s.path("cache"), "down", "--stale")
		}
	}, NodeTimeout(clusterTimeout))

	It("does not touch the user's kubeconfig", func(SpecContext) {
		_, err := os.Stat(s.path("home", ".kube"))
		Expect(os.IsNotExist(err)).To(BeTrue())
	}, Label(quick), SpecTimeout(clusterTimeout))

	It("leaves nothing when it is interrupted", func(ctx SpecContext) {
		r := start("interrupted")
		Eventually(r).WithTimeout(clusterTimeout).Should(gbytes.Say("Starting control-plane"))
		Eventually(r.Interrupt()).WithTimeout(clusterTimeout).Should(gexec.Exit(interrupted))
		Expect(inDocker(ctx)).To(Equal(before))
	}, SpecTimeout(clusterTimeout))

	for _, moment := range []string{"Preparing nodes", "Starting control-plane", "start the pods", `s  fault\b`} {
		labels := Label()
		if moment == "start the pods" {
			labels = Label(quick)
		}
		It(fmt.Sprintf("is cleaned up by down --stale, and nothing else is, when it is killed at %q", moment), func(ctx SpecContext) {
			r := start("killed")
			Eventually(r).WithTimeout(clusterTimeout).Should(gbytes.Say(moment))
			Eventually(r.Kill()).WithTimeout(goneLimit).Should(gexec.Exit(128 + int(syscall.SIGKILL)))
			down := s.start("down", "--stale")
			Eventually(down).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
			Expect(down.Out).To(gbytes.Say(`faultline-hairpin-[0-9a-f]{4}: removed`))
			Expect(inDocker(ctx)).To(Equal(before))
		}, labels, SpecTimeout(clusterTimeout))
	}

	It("says which node did not come up and what it said, and leaves nothing", func(ctx SpecContext) {
		// The file and not the image's ENTRYPOINT, which is replaced where the daemon cannot give --privileged.
		broken := s.path("entrypoint")
		Expect(os.WriteFile(broken, []byte("#!/bin/sh\necho this node has no init; exit 7\n"), 0o755)).To(Succeed())
		docker(ctx, "cp", broken, byHand+":/usr/local/bin/entrypoint")
		docker(ctx, "commit", byHand, "docker.io/library/faultline-broken-node:1")
		DeferCleanup(docker, "rmi", "docker.io/library/faultline-broken-node:1")
		r := s.startRun("broken", s.scenario("hairpin"), "--runtime", "kind", "--node-image", "docker.io/library/faultline-broken-node:1")
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(brokenLab))
		// Docker starts it once more, as kind asks.
		Expect(r.Out).To(gbytes.Say(`node node \(faultline-hairpin-[0-9a-f]{4}-control-plane\) is (exited|restarting|running)`))
		Expect(r.Out).To(gbytes.Say("this node has no init"))
		Expect(inDocker(ctx)).To(Equal(before))
	}, SpecTimeout(clusterTimeout))

	It("says that there is no such image", func(ctx SpecContext) {
		r := s.startRun("no-image", s.scenario("hairpin"), "--runtime", "kind", "--node-image", "faultline/no-such-node:1")
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(unsupported))
		Expect(r.Out).To(gbytes.Say("the node image faultline/no-such-node:1, here or in its registry"))
		Expect(inDocker(ctx)).To(Equal(before))
	}, SpecTimeout(clusterTimeout))

	It("keeps a cluster on demand, runs on it again, and removes it by its name", func(ctx SpecContext) {
		r := start("kept", "--keep")
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		name := keptName.FindStringSubmatch(string(r.Out.Contents()))
		Expect(name).NotTo(BeNil(), "nothing says that a cluster is kept")
		Expect(docker(ctx, "exec", name[1]+"-control-plane", "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "pods", "--output=name")).
			To(Equal("pod/client\npod/web-pod"))
		down := s.start("down", "--stale")
		Eventually(down).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		Expect(down.Out).To(gbytes.Say(name[1] + ": left alone, it is kept"))

		r = start("reused", "--reuse")
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		Expect(r.Out).To(gbytes.Say("take the kept cluster " + name[1]))
		Expect(r.Out).NotTo(gbytes.Say("create cluster"))

		down = s.start("down", name[1])
		Eventually(down).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		Expect(inDocker(ctx)).To(Equal(before))
	}, SpecTimeout(2*clusterTimeout))
})

var keptName = regexp.MustCompile(`cluster (faultline-\S+) is kept`)

// kindImage is the node image that a run says it has used.
func kindImage(r *gexec.Session) string {
	GinkgoHelper()
	m := regexp.MustCompile(`create cluster \S+ of (\S+)`).FindStringSubmatch(string(r.Out.Contents()))
	Expect(m).NotTo(BeNil(), "the run does not say of what image its cluster is")
	return m[1]
}
