package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
	"sigs.k8s.io/yaml"

	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
	"github.com/faultline-lab/faultline/harness/report"
)

// quick is the label of those specs on kind that CI runs where a whole suite on clusters would take too long.
const quick = "quick"

// kindArgs are the arguments of a run on kind, of an image like the one that the suite was given if that is named.
func kindArgs(image ...string) []string {
	args := append([]string{"--runtime", "kind"}, nodeImageArgs()...)
	if len(image) > 0 {
		args = append(args, "--node-image", image[0]) // the last one counts
	}
	return args
}

// nodeImageArgs are the arguments for the node image that the suite was given, if any, and for the kube-proxy in it.
func nodeImageArgs() []string {
	if *nodeImageFlag == "" {
		return nil
	}
	args := []string{"--node-image", *nodeImageFlag}
	if version := regexp.MustCompile(`:(v\d+\.\d+\.\d+)`).FindStringSubmatch(*nodeImageFlag); version != nil {
		args = append(args, "--kube-proxy", version[1])
	}
	return args
}

// engineName is the command of the engine that clusters are made with.
func engineName() string { return cmp.Or(os.Getenv(engine.Variable), engine.Docker) }

// docker runs docker, or the engine that was asked for in its place, and returns its output.
func docker(ctx context.Context, args ...string) string {
	GinkgoHelper()
	out, err := exec.CommandContext(ctx, engineName(), args...).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%v: %s", args, out)
	return strings.TrimSpace(string(out))
}

// inDocker is all that Docker has, so that what is there again under an old name is told from what was never touched:
// containers, networks, volumes. at are flags that name another daemon.
func inDocker(ctx context.Context, at ...string) []string {
	GinkgoHelper()
	ask := func(args ...string) string { return docker(ctx, slices.Concat(at, args)...) }
	all := []string{"", ask("network", "ls", "--no-trunc", "--format", "{{.ID}} {{.Name}}"), ""}
	if ids := strings.Fields(ask("ps", "--all", "--quiet", "--no-trunc")); len(ids) > 0 {
		all[0] = ask(append([]string{"inspect", "--format", "{{.Id}} {{.Name}} {{.State.Status}} since {{.State.StartedAt}}"}, ids...)...)
	}
	if names := strings.Fields(ask("volume", "ls", "--quiet")); len(names) > 0 {
		all[2] = ask(append([]string{"volume", "inspect", "--format", "{{.Name}} {{.CreatedAt}}"}, names...)...)
	}
	return all
}

// byHand is the name of what makeByHand makes.
const byHand = "faultline-by-hand-0000"

// makeByHand makes of an image what somebody may have beside the clusters of the tool, and what is not the tool's by a name
// or a label alone: only what it has a lock for is.
func makeByHand(ctx context.Context, image string) {
	GinkgoHelper()
	docker(ctx, "network", "create", byHand)
	DeferCleanup(docker, "network", "rm", byHand)
	docker(ctx, "volume", "create", byHand)
	DeferCleanup(docker, "volume", "rm", byHand)
	docker(ctx, "create", "--name", byHand, "--label", "io.faultline.cluster="+byHand, image)
	DeferCleanup(docker, "rm", "--volumes", byHand)
	// What kind goes by are labels on containers, and they run in a network. The second is called like one of the tool's.
	for _, cluster := range []string{"by-hand", "faultline-hairpin-0000"} {
		docker(ctx, "network", "create", cluster)
		DeferCleanup(docker, "network", "rm", cluster)
		node := cluster + "-control-plane"
		docker(ctx, "run", "--detach", "--name", node, "--network", cluster, "--volume", "/by-hand", "--entrypoint", "sleep",
			"--label", "io.x-k8s.kind.cluster="+cluster, "--label", "io.x-k8s.kind.role=control-plane", image, "infinity")
		DeferCleanup(docker, "rm", "--force", "--volumes", node)
	}
}

// kubeconfigs are the files below the home of the site's user, who has kubeconfigs.
func kubeconfigs(s *site) map[string]string {
	GinkgoHelper()
	all := map[string]string{}
	Expect(filepath.WalkDir(s.path("home"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		Expect(err).NotTo(HaveOccurred())
		text, err := os.ReadFile(path)
		all[path] = fmt.Sprintf("of %v: %s", info.ModTime(), text)
		return err
	})).To(Succeed())
	return all
}

var _ = Describe("a run on kind", Serial, Ordered, ContinueOnFailure, Label("lifecycle", "kind"), func() {
	var s *site
	var before []string
	var configs map[string]string

	start := func(report string, args ...string) *gexec.Session {
		GinkgoHelper()
		return s.startRun(report, s.scenario("hairpin"), append(kindArgs(), args...)...)
	}

	// cleanedUp runs down --stale after a run that was killed.
	cleanedUp := func(ctx context.Context) {
		GinkgoHelper()
		Expect(inDocker(ctx)).NotTo(Equal(before), "there is nothing to be removed")
		down := s.start("down", "--stale")
		Eventually(down).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		Expect(down.Out).To(gbytes.Say(`faultline-hairpin-[0-9a-f]{4}: removed`))
		Expect(inDocker(ctx)).To(Equal(before))
	}

	BeforeAll(func(ctx SpecContext) {
		s = newSite(nil)
		s.env = []string{"KUBECONFIG=" + s.path("home", "elsewhere")}
		Expect(os.Mkdir(s.path("home", ".kube"), 0o755)).To(Succeed())
		for _, config := range []string{".kube/config", "elsewhere"} {
			Expect(os.WriteFile(s.path("home", config), []byte("apiVersion: v1\nkind: Config\ncurrent-context: my-own\n"), 0o644)).To(Succeed())
		}
		configs = kubeconfigs(s)
		r := start("success")
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit())
		if r.ExitCode() == unsupported {
			Skip(string(r.Out.Contents()))
		}
		Expect(r.ExitCode()).To(Equal(asExpected))
		Expect(inDocker(ctx)).NotTo(ContainElement(ContainSubstring("faultline-hairpin")), "the run that succeeded has left something")
		makeByHand(ctx, kindImage(r))
		before = inDocker(ctx)
	}, NodeTimeout(clusterTimeout))

	AfterAll(func(ctx SpecContext) { // while the directory is there without which nobody knows whose the clusters are
		if s != nil {
			faultline(ctx, s.path("work"), "--cache", s.path("cache"), "down", "--stale")
		}
	}, NodeTimeout(clusterTimeout))

	It("does not touch the user's kubeconfigs", func(SpecContext) {
		Expect(kubeconfigs(s)).To(Equal(configs))
	}, Label(quick), SpecTimeout(clusterTimeout))

	It("shows in its report what the cluster runs and has", func(SpecContext) {
		showsTheHairpin(s.report("success"))
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
			cleanedUp(ctx)
		}, labels, SpecTimeout(clusterTimeout))
	}

	It("is cleaned up by down --stale, and nothing else is, when it is killed while it removes its cluster", func(ctx SpecContext) {
		// An engine that removes the first container alone, and kills who wants them all removed.
		real, err := exec.LookPath(engineName())
		Expect(err).NotTo(HaveOccurred())
		script := fmt.Sprintf("#!/bin/sh\n[ \"$1\" = rm ] && [ -e %q ] || exec %q \"$@\"\n%q rm --force --volumes \"$4\"\nkill -KILL $PPID\n", s.path("armed"), real, real)
		Expect(os.Mkdir(s.path("bin"), 0o755)).To(Succeed())
		Expect(os.WriteFile(s.path("bin", engineName()), []byte(script), 0o755)).To(Succeed())
		env := s.env
		s.env = append(slices.Clone(env), "PATH="+s.path("bin")+":"+os.Getenv("PATH"))
		r := start("killed")
		s.env = env
		Eventually(r).WithTimeout(clusterTimeout).Should(began("fault"))
		whole := strings.Count(inDocker(ctx)[0], "/faultline-hairpin-")
		Expect(os.WriteFile(s.path("armed"), nil, 0o644)).To(Succeed())
		Eventually(r.Interrupt()).WithTimeout(clusterTimeout).Should(gexec.Exit(128 + int(syscall.SIGKILL)))
		Expect(strings.Count(inDocker(ctx)[0], "/faultline-hairpin-")).To(BeNumerically("<", whole))
		cleanedUp(ctx)
	}, SpecTimeout(clusterTimeout))

	It("says which node did not come up and what it said, and leaves nothing", func(ctx SpecContext) {
		// The file and not the image's ENTRYPOINT, which is replaced where the daemon cannot give --privileged.
		broken := s.path("entrypoint")
		Expect(os.WriteFile(broken, []byte("#!/bin/sh\necho this node has no init; exit 7\n"), 0o755)).To(Succeed())
		docker(ctx, "cp", broken, byHand+":/usr/local/bin/entrypoint")
		docker(ctx, "commit", byHand, "docker.io/library/faultline-broken-node:1")
		DeferCleanup(docker, "rmi", "docker.io/library/faultline-broken-node:1")
		r := s.startRun("broken", s.scenario("hairpin"), kindArgs("docker.io/library/faultline-broken-node:1")...)
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(brokenLab))
		// Docker starts it once more, as kind asks.
		Expect(r.Out).To(gbytes.Say(`node node \(faultline-hairpin-[0-9a-f]{4}-control-plane\) is (exited|restarting|running)`))
		Expect(r.Out).To(gbytes.Say("this node has no init"))
		Expect(inDocker(ctx)).To(Equal(before))
	}, SpecTimeout(clusterTimeout))

	It("says that there is no such image", func(ctx SpecContext) {
		r := s.startRun("no-image", s.scenario("hairpin"), kindArgs("faultline/no-such-node:1")...)
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(unsupported))
		Expect(r.Out).To(gbytes.Say("the node image faultline/no-such-node:1, here or in its registry"))
		Expect(inDocker(ctx)).To(Equal(before))
	}, SpecTimeout(clusterTimeout))

	It("keeps a cluster on demand, runs on it again, and removes it by its name", func(ctx SpecContext) {
		r := start("kept", "--keep")
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		name := keptName.FindStringSubmatch(string(r.Out.Contents()))
		Expect(name).NotTo(BeNil(), "nothing says that a cluster is kept")
		for _, use := range howToUse.FindAllStringSubmatch(string(r.Out.Contents()), -1) {
			out, err := exec.CommandContext(ctx, "sh", "-c", engineName()+" exec "+use[1]+" ip -4 -oneline address").CombinedOutput()
			Expect(err).NotTo(HaveOccurred(), "%s: %s", use[0], out)
			Expect(string(out)).To(ContainSubstring(map[string]string{"node": "10.244.0.1/", "web-pod": "10.244.0.2/", "client": "10.244.0.3/"}[use[2]]))
		}
		Expect(howToUse.FindAllString(string(r.Out.Contents()), -1)).To(HaveLen(3))
		Expect(r.Out).To(gbytes.Say("kubectl --kubeconfig %s ", regexp.QuoteMeta(s.path("cache", "clusters", name[1], "kubeconfig"))))
		Expect(os.ReadFile(s.path("cache", "clusters", name[1], "kubeconfig"))).To(ContainSubstring("current-context: kind-" + name[1]))
		Expect(r.Out).To(gbytes.Say("faultline down " + name[1]))
		Expect(docker(ctx, "exec", name[1]+"-control-plane", "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "get", "pods", "--output=name")).
			To(Equal("pod/client\npod/web-pod"))
		down := s.start("down", "--stale")
		Eventually(down).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		Expect(down.Out).To(gbytes.Say(name[1] + ": left alone, it is kept"))
		// To whoever has another cache directory it is somebody else's.
		kept := inDocker(ctx)
		down = s.start("down", "--stale", "--cache", s.path("work"))
		Eventually(down).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		Expect(down.Out.Contents()).To(BeEmpty())
		Expect(inDocker(ctx)).To(Equal(kept))

		r = start("reused", "--reuse")
		Eventually(r).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		Expect(r.Out).To(gbytes.Say("take the kept cluster " + name[1]))
		Expect(r.Out).NotTo(gbytes.Say("create cluster"))

		down = s.start("down", name[1])
		Eventually(down).WithTimeout(clusterTimeout).Should(gexec.Exit(asExpected))
		Expect(inDocker(ctx)).To(Equal(before))
		Expect(kubeconfigs(s)).To(Equal(configs))
	}, SpecTimeout(2*clusterTimeout))
})

var (
	keptName = regexp.MustCompile(`cluster (faultline-\S+) is kept`)
	// howToUse is what a run says about a node of a cluster that it has kept: a command, and the node.
	howToUse = regexp.MustCompile(`(?:docker|podman) exec -it (.+) bash   # (?:node|pod) (\S+)`)
)

// showsTheHairpin checks what a report on the hairpin in dir says about its cluster.
func showsTheHairpin(dir string) {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	Expect(err).NotTo(HaveOccurred())
	var r report.Report
	Expect(json.Unmarshal(text, &r)).To(Succeed())
	markdown, err := os.ReadFile(filepath.Join(dir, "report.md"))
	Expect(err).NotTo(HaveOccurred())
	shown := map[string]string{}
	for _, d := range r.Documents {
		shown[d.Name] = d.Text
		Expect(string(markdown)).To(ContainSubstring("    "+strings.ReplaceAll(strings.TrimSpace(d.Text), "\n", "\n    ")), d.Name)
	}
	read := func(name string, into any) {
		GinkgoHelper()
		Expect(shown).To(HaveKey(name))
		Expect(yaml.Unmarshal([]byte(shown[name]), into)).To(Succeed(), shown[name])
	}

	var nodes []struct{ Node, Kubelet, KubeProxy string }
	read("nodes.yaml", &nodes)
	Expect(nodes).To(HaveLen(1))
	Expect(nodes[0].Node).To(Equal("node"))
	Expect([]string{nodes[0].Kubelet, nodes[0].KubeProxy}).To(HaveEach(r.KubeProxy.Version))

	var configMap struct {
		Kind string
		Data map[string]string
	}
	read("kube-proxy.yaml", &configMap)
	Expect(configMap.Kind).To(Equal("ConfigMap"))
	Expect(configMap.Data["config.conf"]).To(And(ContainSubstring("\nmode: iptables\n"), ContainSubstring("\nclusterCIDR: 10.244.0.0/16\n")))

	type item struct {
		Kind     string
		Metadata struct {
			Name   string
			Labels map[string]string
		}
		Spec      struct{ ClusterIP string }
		Endpoints []struct{ Addresses []string }
		Ports     []struct{ Port int }
	}
	of := func(name string, is func(item) bool) item {
		GinkgoHelper()
		var list struct{ Items []item }
		read(name, &list)
		at := slices.IndexFunc(list.Items, is)
		Expect(at).To(BeNumerically(">=", 0), shown[name])
		return list.Items[at]
	}
	service := of("services.yaml", func(i item) bool { return i.Metadata.Name == "web" })
	Expect(service.Kind).To(Equal("Service"))
	Expect(service.Spec.ClusterIP).To(Equal("10.96.0.10"))
	slice := of("endpointslices.yaml", func(i item) bool { return i.Metadata.Labels["kubernetes.io/service-name"] == "web" })
	Expect(slice.Kind).To(Equal("EndpointSlice"))
	Expect(slice.Endpoints).To(HaveLen(1))
	Expect(slice.Endpoints[0].Addresses).To(Equal([]string{"10.244.0.2"}))
	Expect(slice.Ports).To(HaveLen(1))
	Expect(slice.Ports[0].Port).To(Equal(8080))
}

// kindImage is the node image that a run says it has used.
func kindImage(r *gexec.Session) string {
	GinkgoHelper()
	m := regexp.MustCompile(`create cluster \S+ of (\S+)`).FindStringSubmatch(string(r.Out.Contents()))
	Expect(m).NotTo(BeNil(), "the run does not say of what image its cluster is")
	return m[1]
}
