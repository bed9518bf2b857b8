package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/faultline-lab/faultline/harness/report"
	"github.com/faultline-lab/faultline/harness/verdict"
)

var _ = Describe("a comparison of netns and kind", Label("compare", "kind"), func() {
	// compare compares the hairpin in both, with old replaced in its file, and returns the verdicts on its fix.
	compare := func(ctx SpecContext, old, new string) (e ended, fix map[string]verdict.Verdict) {
		GinkgoHelper()
		dir := GinkgoT().TempDir()
		Expect(os.CopyFS(dir, os.DirFS("testdata/hairpin"))).To(Succeed())
		text, err := os.ReadFile(filepath.Join(dir, sc))
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Count(string(text), old)).To(Equal(1))
		Expect(os.WriteFile(filepath.Join(dir, sc), []byte(strings.Replace(string(text), old, new, 1)), 0o644)).To(Succeed())

		e = faultline(ctx, ".", append([]string{"compare", filepath.Join(dir, sc), "--runtime", "netns,kind", "--report", dir + "/reports"}, nodeImageArgs()...)...)
		if e.code == unsupported {
			Skip(e.stdout)
		}
		fix = map[string]verdict.Verdict{}
		for _, runtime := range []string{"netns", "kind"} {
			var r report.Report
			text, err := os.ReadFile(filepath.Join(dir, "reports", runtime, "report.json"))
			Expect(err).NotTo(HaveOccurred(), e.stdout)
			Expect(json.Unmarshal(text, &r)).To(Succeed())
			Expect(r.Runtime).To(Equal(runtime))
			fix[runtime] = r.Fixes[0].Verdict
		}
		return e, fix
	}

	const command = `cmd: [ip, link, set, veth-web, type, bridge_slave, hairpin, "on"]`

	It("has every verdict side by side, and they are the same", func(ctx SpecContext) {
		e, fix := compare(ctx, command, command)
		Expect(e.code).To(Equal(asExpected), e.stdout)
		Expect(e.stdout).To(MatchRegexp(`\n +NETNS +KIND\n` +
			`  hairpin  fault +Reproduced  Reproduced\n` +
			` +fix +hairpin-mode +Fixed +Fixed\n` +
			` +inert +hairpin-on-the-other-port +Inert +Inert\n\n` +
			`3 of 3 verdicts compared in netns, kind: all the same\n$`))
		Expect(fix).To(Equal(map[string]verdict.Verdict{"netns": verdict.Fixed, "kind": verdict.Fixed}))
	}, SpecTimeout(clusterTimeout))

	It("marks a fix that mends in one of them alone, and says what each has seen", func(ctx SpecContext) {
		// Nodes of kind have this directory.
		e, fix := compare(ctx, command, `cmd: [sh, -c, "test -d /kind || ip link set veth-web type bridge_slave hairpin on"]`)
		Expect(e.code).To(Equal(unexpected), e.stdout)
		Expect(e.stdout).To(MatchRegexp(`\n +fix +hairpin-mode +Fixed +NotFixed  <- differs\n`))
		Expect(e.stdout).To(MatchRegexp(`\n  differs: hairpin, fix hairpin-mode\n` +
			`    netns: Fixed: .*delivered by web-pod.*\n` +
			`    kind: NotFixed: the symptom is still there: timeout.*\n\n` +
			`3 of 3 verdicts compared in netns, kind: 1 not the same; not as documented in kind\n$`))
		Expect(fix).To(Equal(map[string]verdict.Verdict{"netns": verdict.Fixed, "kind": verdict.NotFixed}))
	}, SpecTimeout(clusterTimeout))
})
