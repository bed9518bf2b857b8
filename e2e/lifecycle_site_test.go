package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/google/go-cmp/cmp"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
	"github.com/onsi/gomega/types"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// goneLimit is what the kernel has to take down what a killed run had.
const (
	goneLimit   = 20 * seconds
	interrupted = 130 // exit code
)

// site is where runs of a user happen: a copy of the binary, which tells its processes from all others, and directories
// of its own for everything that a run writes.
type site struct {
	dir    string
	host   *ownHost            // nil: this machine
	user   *syscall.Credential // nil: the user of the tests
	env    []string            // of runs, besides the usual
	before traces
}

// newSite returns a site with the scenarios of testdata, and what the user's cache has of names, so that runs find
// kube-proxy and kernels without writing to that cache.
func newSite(user *syscall.Credential, cached ...string) *site {
	GinkgoHelper()
	// Not below the suite's own TMPDIR alone: another user must get there.
	dir, err := os.MkdirTemp("", "faultline-site")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	s := &site{dir: dir, user: user}
	Expect(os.Chmod(dir, 0o755)).To(Succeed())
	for _, name := range []string{"cache", "home", "tmp", "work", "reports"} {
		Expect(os.Mkdir(s.path(name), 0o755)).To(Succeed())
	}
	Expect(os.CopyFS(s.path("scenarios"), os.DirFS("testdata"))).To(Succeed())
	for _, name := range cached {
		copyFiles(filepath.Join(userCache(), name), s.path("cache", name))
	}
	copyFiles(binary, s.path("faultline"))
	if user != nil {
		Expect(filepath.Walk(dir, func(path string, _ os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, int(user.Uid), int(user.Gid))
		})).To(Succeed())
	}
	return s
}

// userCache is the cache that faultline uses for the user of the tests.
func userCache() string {
	GinkgoHelper()
	if dir := os.Getenv("FAULTLINE_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	Expect(err).NotTo(HaveOccurred())
	return filepath.Join(dir, "faultline")
}

func copyFiles(from, to string) {
	GinkgoHelper()
	Expect(os.MkdirAll(filepath.Dir(to), 0o755)).To(Succeed())
	out, err := exec.Command("cp", "-a", "--reflink=auto", from, to).CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
}

func (s *site) path(names ...string) string {
	return filepath.Join(append([]string{s.dir}, names...)...)
}
func (s *site) scenario(name string) string { return s.path("scenarios", name, "scenario.yaml") }
func (s *site) report(name string) string   { return s.path("reports", name) }

// start starts faultline at the site, in a process group of its own.
func (s *site) start(args ...string) *gexec.Session {
	GinkgoHelper()
	return s.startCommand(append([]string{s.path("faultline")}, args...)...)
}

func (s *site) startCommand(args ...string) *gexec.Session {
	GinkgoHelper()
	c := exec.Command(args[0], args[1:]...)
	c.Dir = s.path("work")
	c.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.path("home"), "TMPDIR=" + s.path("tmp"), "FAULTLINE_CACHE=" + s.path("cache"),
		"DOCKER_HOST=" + os.Getenv("DOCKER_HOST"), engine.Variable + "=" + os.Getenv(engine.Variable),
	}, s.env...)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: s.user}
	var session *gexec.Session
	err := s.host.on(func() (err error) {
		session, err = gexec.Start(c, GinkgoWriter, GinkgoWriter)
		return err
	})
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Kill().Wait(goneLimit) })
	return session
}

// startRun starts a scenario in verbose mode, with the report in a directory of that name.
func (s *site) startRun(report, scenario string, args ...string) *gexec.Session {
	GinkgoHelper()
	return s.start(append([]string{"-v", "run", scenario, "--report", s.report(report)}, args...)...)
}

// onTmpfs is the beginning of a command that has directories of the site on a tmpfs each, of that size. They are in a mount
// namespace that goes with the command.
func (s *site) onTmpfs(size string, names ...string) []string {
	script := ""
	for _, name := range names {
		script += fmt.Sprintf("mount -n -t tmpfs -o size=%s none %q && ", size, s.path(name)) // -n: nothing in /run
	}
	unshare := []string{"unshare", "--mount"}
	if os.Getuid() != 0 {
		unshare = append(unshare, "--user", "--map-root-user")
	}
	return append(unshare, "sh", "-c", script+`exec "$@"`, "sh")
}

// began matches the line in which a run tells that a phase begins.
func began(phase string) types.GomegaMatcher { return gbytes.Say(`\d s +` + phase + `\b`) }

func (s *site) look() (t traces) {
	GinkgoHelper()
	dirs := []string{s.path("tmp"), s.path("cache"), s.path("work"), s.path("home")}
	if s.host != nil {
		dirs = append(dirs, places...)
	}
	Expect(s.host.on(func() error {
		t = look(s.path("faultline"), dirs...)
		return nil
	})).To(Succeed())
	if s.before != nil {
		// Modules bring sysctls to all hosts, and specs on others have them loaded meanwhile. What else brings some are
		// interfaces, and those are in the traces.
		maps.DeleteFunc(t, func(name, _ string) bool {
			_, was := s.before[name]
			return !was && strings.HasPrefix(name, sysctl)
		})
	}
	return t
}

// remember takes the traces that there are on its host without a run.
func (s *site) remember() { s.before = s.look() }

// isAsBefore waits until the host is as it was when remember was called: the kernel takes down what a killed process
// had after the process is gone.
func (s *site) isAsBefore() {
	GinkgoHelper()
	Eventually(func() string { return cmp.Diff(s.before, s.look()) }).WithTimeout(goneLimit).Should(BeEmpty(), "(-before +after)")
}

// events counts what is in the journal of a run that may be at work, or may not have begun one.
func (s *site) events(report string) int {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(s.report(report), "journal.jsonl"))
	if !errors.Is(err, fs.ErrNotExist) {
		Expect(err).NotTo(HaveOccurred())
	}
	return bytes.Count(text, []byte("\n"))
}

// journal reads the journal of a run, whose every line must be whole.
func (s *site) journal(report string) []harness.Event {
	GinkgoHelper()
	text, err := os.ReadFile(filepath.Join(s.report(report), "journal.jsonl"))
	Expect(err).NotTo(HaveOccurred())
	Expect(len(text) == 0 || bytes.HasSuffix(text, []byte("\n"))).To(BeTrue(), "the last line is torn: %s", text)
	var events []harness.Event
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		var e harness.Event
		Expect(json.Unmarshal(lines.Bytes(), &e)).To(Succeed(), lines.Text())
		events = append(events, e)
	}
	return events
}

// told returns what the journal says in a word or two for each event: "began fault", "probed the second port".
func told(events []harness.Event) []string {
	var said []string
	for _, e := range events {
		said = append(said, fmt.Sprintf("%s %s", e.Kind, e.Text))
	}
	return said
}

// unended returns the phases that began and did not end. Parts of a trial that are carried out at once tell theirs by turns.
func unended(events []harness.Event) []string {
	open := map[int][]string{}
	for _, e := range events {
		of := open[e.Part]
		switch {
		case e.Kind == harness.Began:
			open[e.Part] = append(of, e.Text)
		case e.Kind == harness.Ended && len(of) > 0 && of[len(of)-1] == e.Text:
			open[e.Part] = of[:len(of)-1]
		}
	}
	return slices.Concat(slices.Collect(maps.Values(open))...)
}

// change writes a scenario like an existing one, with old replaced in its files, and returns the scenario's path.
func (s *site) change(scenario, name, old, new string) string {
	GinkgoHelper()
	Expect(os.CopyFS(s.path("scenarios", name), os.DirFS(s.path("scenarios", scenario)))).To(Succeed())
	changed := 0
	for _, file := range []string{"scenario.yaml", "topology.yaml"} {
		path := s.path("scenarios", name, file)
		text, err := os.ReadFile(path)
		Expect(err).NotTo(HaveOccurred())
		changed += strings.Count(string(text), old)
		Expect(os.WriteFile(path, []byte(strings.Replace(string(text), old, new, 1)), 0o644)).To(Succeed())
	}
	Expect(changed).To(Equal(1), "times that %q stands in %s", old, scenario)
	return s.scenario(name)
}
