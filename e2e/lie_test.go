package e2e

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
	"github.com/faultline-lab/faultline/scenarios"
	"github.com/faultline-lab/faultline/topologies"
)

// change replaces one piece of text in a file.
type change struct{ file, old, new string }

// lie is a scenario that is not true any more, and what the harness must say to it.
type lie struct {
	changes []change
	variant string // of a scenario that has some
	args    []string

	code  int
	fault verdict.Verdict
	why   string                     // of the fault, in part; empty: not looked at
	fixes map[string]verdict.Verdict // those that matter here
	whys  map[string]string          // of fixes, in part

	unverified []string // fixes of which the report says nothing; nil: not looked at
	matrix     string   // why the first phase of the matrix is not as stated, in part; empty: not looked at
}

// The files of a scenario that is lied about. Topologies of those that the binary carries have names of their own.
const (
	sc  = "scenario.yaml"
	top = "topology.yaml"
)

// copyOf puts a scenario that the binary carries into a directory, with its topologies as NAME.yaml, to be lied about. Of
// its variants only the first ones stay, up to last: what the others change is theirs.
func copyOf(name string, last ...string) (dir string) {
	GinkgoHelper()
	dir = GinkgoT().TempDir()
	carried, err := scenarios.Read(name)
	Expect(err).NotTo(HaveOccurred())
	parsed, err := scenario.Parse(sc, carried)
	Expect(err).NotTo(HaveOccurred())
	text := string(carried)
	for i, v := range parsed.Variants[:max(len(parsed.Variants)-1, 0)] {
		if len(last) > 0 && v.Name == last[0] {
			text, _, _ = strings.Cut(text, "  - name: "+parsed.Variants[i+1].Name+"\n")
		}
	}
	for _, s := range parsed.Each() {
		lab, err := topologies.Read(s.Topology)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(filepath.Join(dir, s.Topology+".yaml"), lab, 0o644)).To(Succeed())
		text = strings.ReplaceAll(text, "topology: "+s.Topology+"\n", "topology: ./"+s.Topology+".yaml\n")
	}
	Expect(os.WriteFile(filepath.Join(dir, sc), []byte(text), 0o644)).To(Succeed())
	return dir
}

// hold tells the lie in dir, where the true files are, and holds the report against what must be said to it.
func (l lie) hold(ctx SpecContext, dir, runtime string) {
	GinkgoHelper()
	for _, c := range l.changes {
		path := filepath.Join(dir, c.file)
		text, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		Expect(strings.Count(string(text), c.old)).To(Equal(1), "%s must have this once: %s", c.file, c.old)
		Expect(os.WriteFile(path, []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o644)).To(Succeed())
	}
	t := runVariants(ctx, filepath.Join(dir, "report"), []string{l.variant}, append([]string{filepath.Join(dir, sc), "--runtime", runtime}, l.args...)...)[0]
	if t.report.Verdict == verdict.Unsupported && l.fault != verdict.Unsupported {
		Skip(t.report.Why)
	}
	Expect(t.report.Verdict).To(Equal(l.fault), t.report.Why)
	Expect(t.report.Why).To(ContainSubstring(l.why))
	for name, want := range l.fixes {
		Expect(t.fix(name).Verdict).To(Equal(want), "%s: %s", name, t.fix(name).Why)
		Expect(t.fix(name).Why).To(ContainSubstring(l.whys[name]))
	}
	if l.matrix != "" {
		before := t.report.Matrix.Phases[0]
		Expect(before.Expected).To(BeFalse())
		Expect(before.Why).To(ContainSubstring(l.matrix))
	}
	if l.unverified != nil {
		Expect(t.report.NotVerified).To(Equal(l.unverified))
		Expect(t.stdout).To(ContainSubstring("NOT VERIFIED: " + strings.Join(l.unverified, ", ")))
		text, err := os.ReadFile(filepath.Join(dir, "report", "report.md"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(text)).To(ContainSubstring("NOT VERIFIED: " + strings.Join(l.unverified, ", ")))
	}
	Expect(t.code).To(Equal(l.code), t.stdout)
	Expect(t.report.Expected).To(Equal(l.code == asExpected))
}
