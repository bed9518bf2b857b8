package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"

	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// Each spec has a disk that is really full, and another one of those that a run on kind writes to.
var _ = Describe("a full disk under a run on kind", Serial, Ordered, ContinueOnFailure, Label("lifecycle", "kind"), func() {
	var s *site
	var image string
	var before []string

	BeforeAll(func(ctx SpecContext) {
		if engineName() != engine.Docker {
			Skip("the disks are those of Docker")
		}
		if out, err := exec.CommandContext(ctx, "docker", "version").CombinedOutput(); err != nil {
			Skip(fmt.Sprintf("no Docker daemon answers: %v: %s", err, out))
		}
		s = newSite(nil)
		before = inDocker(ctx)
	}, NodeTimeout(clusterTimeout))

	It("is named by the file in faultline's cache, with what the node said, and nothing is left", func(ctx SpecContext) {
		r := s.startCommand(append(append(s.onTmpfs("4k", "cache", "tmp"),
			s.path("faultline"), "-v", "run", s.scenario("hairpin"), "--report", s.report("cache")), kindArgs()...)...)
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit())
		if r.ExitCode() == unsupported {
			Skip(string(r.Out.Contents()))
		}
		image = kindImage(r)
		Expect(r.ExitCode()).To(Equal(brokenLab))
		Expect(r.Out).To(gbytes.Say(`write %s/clusters/faultline-hairpin-[0-9a-f]{4}/kubeconfig: no space left on device\n`, s.path("cache")))
		Expect(r.Out).To(gbytes.Say(`node node \(faultline-hairpin-[0-9a-f]{4}-control-plane\) is running`))
		markdown, err := os.ReadFile(s.report("cache") + "/report.md")
		Expect(err).NotTo(HaveOccurred())
		Expect(string(markdown)).To(MatchRegexp(`\n    up: .*/kubeconfig: no space left on device\n    node node .*(\n      .*)+\n      journal:\n        \S`))
		Expect(inDocker(ctx)).To(Equal(before))
	}, SpecTimeout(clusterTimeout))

	It("is named by the file of the report, and nothing is left", func(ctx SpecContext) {
		Expect(os.Mkdir(s.report("full"), 0o755)).To(Succeed())
		r := s.startCommand(append(append(s.onTmpfs("16k", "reports/full"),
			s.path("faultline"), "run", s.scenario("hairpin"), "--report", s.report("full")), kindArgs()...)...)
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(brokenLab))
		Expect(r.Err).To(gbytes.Say(`%s/\w+\.\w+: no space left on device`, s.report("full")))
		Expect(inDocker(ctx)).To(Equal(before))
	}, SpecTimeout(clusterTimeout))

	It("is that of Docker, where a node could not write", func(ctx SpecContext) {
		// As a file and not as the image's ENTRYPOINT, which is replaced where the daemon cannot give --privileged.
		entrypoint := s.path("entrypoint")
		docker(ctx, "create", "--name", byHand, image)
		DeferCleanup(docker, "rm", "--volumes", byHand)
		docker(ctx, "cp", byHand+":/usr/local/bin/entrypoint", entrypoint)
		docker(ctx, "cp", entrypoint, byHand+":/usr/local/bin/entrypoint-of-kind")
		Expect(os.WriteFile(entrypoint, []byte("#!/bin/sh\nmount -t tmpfs -o size=16k none /etc/kubernetes\nexec entrypoint-of-kind \"$@\"\n"), 0o755)).To(Succeed())
		docker(ctx, "cp", entrypoint, byHand+":/usr/local/bin/entrypoint")
		docker(ctx, "commit", byHand, "faultline-full-node:1")
		DeferCleanup(docker, "rmi", "faultline-full-node:1")
		before := inDocker(ctx)
		r := s.startRun("node", s.scenario("hairpin"), kindArgs("faultline-full-node:1")...)
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(brokenLab))
		Expect(r.Out).To(gbytes.Say(`docker exec --privileged faultline-hairpin-[0-9a-f]{4}-control-plane kubeadm init`))
		Expect(r.Out).To(gbytes.Say(`write /etc/kubernetes/\S+: no space left on device`))
		Expect(r.Out).To(gbytes.Say("Docker has containers and volumes in %s, where its daemon runs: make room there", docker(ctx, "info", "--format", "{{.DockerRootDir}}")))
		Expect(inDocker(ctx)).To(Equal(before))
	}, SpecTimeout(clusterTimeout))

	It("is that of Docker, where it could not make what was asked for", func(ctx SpecContext) {
		if _, err := exec.LookPath("dockerd"); err != nil || os.Getuid() != 0 {
			Skip("it takes root and dockerd to start a daemon with a disk of its own")
		}
		size, err := strconv.Atoi(docker(ctx, "image", "inspect", "--format", "{{.Size}}", image))
		Expect(err).NotTo(HaveOccurred())
		run, err := os.MkdirTemp("", "faultline-docker.")
		Expect(err).NotTo(HaveOccurred())
		Expect(os.Mkdir(s.path("docker"), 0o700)).To(Succeed())
		daemon := exec.Command("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "sh", "-c",
			`mount -t tmpfs -o size="$1" none "$2" && exec ../scripts/dockerd.sh "$2" "$3"`, "sh", strconv.Itoa(size/2*3), s.path("docker"), run)
		daemon.Stdout, daemon.Stderr = GinkgoWriter, GinkgoWriter
		daemon.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		life, err := daemon.StdinPipe() // the daemon ends when it is closed, however this process ends
		Expect(err).NotTo(HaveOccurred())
		Expect(daemon.Start()).To(Succeed())
		DeferCleanup(func() {
			Expect(life.Close()).To(Succeed())
			Expect(daemon.Wait()).To(Succeed())
		})
		host := "unix://" + run + "/docker.sock"
		Eventually(func() error { return exec.Command("docker", "--host", host, "version").Run() }).WithTimeout(goneLimit).Should(Succeed())

		docker(ctx, "create", "--name", byHand, image)
		DeferCleanup(docker, "rm", "--volumes", byHand)
		const node = "faultline-node:1"
		copied, err := exec.CommandContext(ctx, "sh", "-c", fmt.Sprintf("docker export %s | docker --host %s import - %s", byHand, host, node)).CombinedOutput()
		Expect(err).NotTo(HaveOccurred(), string(copied))
		s.env = []string{"DOCKER_HOST=" + host}
		// Too little for what is on a node's volume, and then for the container that looks what the kernel has.
		for _, left := range []struct {
			mib  int
			says string
		}{
			{200, `docker run --name faultline-hairpin-[0-9a-f]{4}-control-plane (.|\n)*?no space left on device`},
			{10, `copy the agent: docker cp (.|\n)*?no space left on device`},
		} {
			docker(ctx, "--host", host, "run", "--rm", "--network=none", "--volume=fill:/fill", "--entrypoint=sh", node, "-c",
				fmt.Sprintf(`rm -f /fill/*; fallocate --length $(($(stat --file-system --format "%%a * %%S" /fill) - %d * 1048576)) /fill/fill`, left.mib))
			before := inDocker(ctx, "--host", host)
			r := s.startRun("docker", s.scenario("hairpin"), kindArgs(node)...)
			Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(brokenLab))
			Expect(r.Out).To(gbytes.Say(left.says))
			Expect(r.Out).To(gbytes.Say("Docker has containers and volumes in %s, where its daemon runs: make room there", s.path("docker")))
			Expect(inDocker(ctx, "--host", host)).To(Equal(before))
		}
	}, SpecTimeout(clusterTimeout))
})
