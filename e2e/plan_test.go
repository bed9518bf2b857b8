package e2e

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/netns"
	"github.com/faultline-lab/faultline/harness/lab/vm"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/topology"
)

// settleLimit is what interfaces have to come up and IPv6 addresses to be checked for duplicates.
const settleLimit = 10 * seconds

// A lab is built by the harness, and beside it, in a sandbox or a guest, stands one more node in which the script that
// `faultline plan` prints is run with sh: it makes its named namespaces there. Then each node is asked the same.
var _ = Describe("the script of faultline plan", Label("plan"), func() {
	for _, file := range []string{"testdata/hairpin/topology.yaml", "testdata/filtered/topology.yaml", "testdata/office/topology.yaml"} {
		It("makes the network that the harness builds of "+file, Label("netns"), func(ctx SpecContext) {
			compare(ctx, netns.New(netns.Options{Progress: progress}), file)
		}, SpecTimeout(trialTimeout))
	}
	for _, file := range []string{"../topologies/edge-ipsec.yaml", "../harness/topology/testdata/everything.yaml"} {
		It("makes the network that the harness builds of "+file, Label("vm"), func(ctx SpecContext) {
			compare(ctx, vm.New(vm.Options{Cache: userCache(), Binary: binary, Progress: progress}), file)
		}, SpecTimeout(guestTimeout))
	}
})

func progress(line string) { GinkgoWriter.Println(line) }

// paste is the node in which the script runs. No topology can name a node so: names are lower case.
const paste = "PASTE"

// compare builds the network of a topology file twice in rt, and asks for every difference.
func compare(ctx SpecContext, rt lab.Runtime, file string) {
	GinkgoHelper()
	DeferCleanup(rt.Close)
	p := network(file)
	twice := &plan.Plan{Topology: p.Topology, Steps: append(slices.Clone(p.Steps), plan.AddNode{Node: paste})}
	if _, err := rt.Check(ctx, twice); err != nil {
		Expect(err).To(MatchError(lab.ErrUnsupported))
		Skip(err.Error())
	}
	l, err := rt.Up(ctx, twice)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(l.Close)

	script := faultline(ctx, ".", "plan", file)
	Expect(script.code).To(Equal(asExpected), script.stderr)
	here, err := l.Node(paste)
	Expect(err).NotTo(HaveOccurred())
	_, err = lab.RunInput(ctx, here, script.stdout, "sh")
	Expect(err).NotTo(HaveOccurred())

	macs := givenMACs(p)
	for _, name := range p.Nodes() {
		node, err := l.Node(name)
		Expect(err).NotTo(HaveOccurred())
		ask := questions(p, name)
		Eventually(func(ctx context.Context) string {
			built := answers(ctx, macs, node, "sh", "-c", ask)
			pasted := answers(ctx, macs, here, "ip", "netns", "exec", name, "sh", "-c", ask)
			return cmp.Diff(built, pasted)
		}).WithContext(ctx).WithTimeout(settleLimit).Should(BeEmpty(), "node %s (-harness +script)", name)
	}
}

// network is the plan of a file without what runs: the script only shows how that is started.
func network(file string) *plan.Plan {
	GinkgoHelper()
	text, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	top, err := topology.Parse(file, text, nil)
	Expect(err).NotTo(HaveOccurred())
	p, err := plan.Compile(top)
	Expect(err).NotTo(HaveOccurred())
	p.Steps = slices.DeleteFunc(p.Steps, func(s plan.Step) bool {
		switch s.(type) {
		case plan.Serve, plan.StartProcess, plan.ServeAPI, plan.SetService, plan.StartKubeProxy:
			return true
		}
		return false
	})
	return p
}

// questions is a script that asks for everything about a node, each answer under a heading.
func questions(p *plan.Plan, node string) string {
	ask := []string{
		"ip -j -d link", "ip -j -d address", "ip -j rule", "ip -j -6 rule",
		"ip -j -d -4 route show table all", "ip -j -d -6 route show table all",
		"ip -j neighbour show nud permanent", "ip -j neighbour show proxy", "ip -j -6 neighbour show proxy",
		"bridge -j -d link", "bridge -j vlan", "ip xfrm state", "ip xfrm policy",
	}
	for _, s := range p.Steps {
		switch s := s.(type) {
		case plan.SetSysctl:
			if s.Node == node {
				ask = append(ask, plan.Shell("sysctl", "-n", s.Name))
			}
		case plan.LoadRuleset:
			if s.Node == node && s.Tool == "nft" {
				ask = append(ask, "nft --stateless list ruleset")
			} else if s.Node == node {
				ask = append(ask, s.Tool+"-save")
			}
		}
	}
	var b strings.Builder
	for _, q := range ask {
		fmt.Fprintf(&b, "echo %s; %s; ", plan.Shell(heading+q), q)
	}
	return "set -e; " + b.String()
}
