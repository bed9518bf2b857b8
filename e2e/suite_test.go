// Package e2e runs the built binary as a person does and reads what it leaves: exit codes, words and report.json.
//
// In: bin/faultline, the scenarios it carries and the files in testdata. Out: specs. What a spec knows about a trial, it
// has from the report or the journal, read into the harness's own types. Two kinds of tests build labs by themselves, as
// faultline does: those of plan scripts, and the measurements.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	"github.com/onsi/ginkgo/v2/types"
	. "github.com/onsi/gomega"

	"github.com/faultline-lab/faultline/harness/report"
	"github.com/faultline-lab/faultline/harness/verdict"
	"github.com/faultline-lab/faultline/scenarios"
)

var (
	binaryFlag    = flag.String("faultline", "../bin/faultline", "the binary under test")
	kernelsFlag   = flag.String("kernels", "", "further kernels of guests as SCENARIO:KERNEL, separated by commas")
	nodeImageFlag = flag.String("node-image", "", "node image of kind clusters; empty: the binary's default")
	everyFlag     = flag.Bool("every", false, "fail where a scenario could run in none of its runtimes here")
	update        = flag.Bool("update", false, "write the golden files anew")
)

// Exit codes of faultline.
const (
	asExpected  = 0
	unexpected  = 1
	badUsage    = 2
	unsupported = 3
	brokenLab   = 4
)

// Limits. Nothing waits for them: a spec that meets one has failed.
const (
	seconds        = time.Second
	trialTimeout   = 5 * time.Minute // of a trial in netns, with all that a busy machine adds
	guestTimeout   = 20 * time.Minute
	clusterTimeout = 10 * time.Minute
)

// long is the priority of what takes longest: it begins first, or it would run alone at the end.
const long = 1

// binary is the absolute path of the binary under test.
var binary string

func TestE2E(t *testing.T) {
	var err error
	if binary, err = filepath.Abs(*binaryFlag); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(binary); err != nil {
		t.Fatalf("there is no binary to test, run make build: %v", err)
	}
	kernels, err := kernelsFor(*kernelsFlag)
	if err != nil {
		t.Fatal(err)
	}
	describeScenarios(kernels)
	RegisterFailHandler(Fail)
	RunSpecs(t, "faultline")
}

// A suite whose specs were all skipped has shown nothing, and one that skipped some must say so where it is seen.
var _ = ReportAfterSuite("says what was not run", func(r Report) {
	if r.SuiteConfig.DryRun {
		return
	}
	ran, skipped := account(r)
	if len(skipped) > 0 {
		fmt.Printf("\nNOT RUN, %d specs:\n  %s\n", len(skipped), strings.Join(skipped, "\n  "))
	}
	fmt.Printf("\n%d specs ran\n", ran)
	if ran == 0 {
		Fail("no spec ran: nothing was shown")
	}
	for _, name := range scenarios.List() {
		if *everyFlag && !carried(r, name) {
			Fail(name + " could run in none of its runtimes here, and -every was asked for")
		}
	}
})

// carried says whether some place here could carry a scenario: some of its specs ran.
func carried(r Report, name string) bool {
	return slices.ContainsFunc(r.SpecReports, func(s SpecReport) bool {
		return slices.Contains(s.Labels(), name) && !s.State.Is(types.SpecStateSkipped|types.SpecStatePending)
	})
}

// inBeforeAll is what Ginkgo says of the further specs of a container that was skipped.
const inBeforeAll = "Spec skipped because Skip() was called in BeforeAll"

// account counts the specs that ran, and lists those that were skipped with their reasons. What a filter on the command
// line left out was not asked for.
func account(r Report) (ran int, skipped []string) {
	for _, s := range r.SpecReports {
		switch {
		case !s.LeafNodeType.Is(types.NodeTypeIt):
		case s.State.Is(types.SpecStateSkipped) && s.Failure.Message == inBeforeAll:
			skipped = append(skipped, s.FullText()+": as above")
		case s.State.Is(types.SpecStateSkipped) && s.Failure.Message != "":
			skipped = append(skipped, s.FullText()+": "+strings.ReplaceAll(s.Failure.Message, "\n", "\n    "))
		case s.State.Is(types.SpecStateSkipped), s.State.Is(types.SpecStatePending):
		default:
			ran++
		}
	}
	return ran, skipped
}

// ended is a run of faultline that is over.
type ended struct {
	code           int
	stdout, stderr string
}

// faultline runs the binary in dir to its end. The end of ctx interrupts it, so that it takes down what it built.
func faultline(ctx context.Context, dir string, args ...string) ended {
	GinkgoHelper()
	var stdout, stderr bytes.Buffer
	c := exec.CommandContext(ctx, binary, args...)
	c.Dir, c.Stdout, c.Stderr = dir, &stdout, &stderr
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGINT) }
	c.WaitDelay = 30 * seconds
	err := c.Run()
	e := ended{c.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	AddReportEntry("faultline "+strings.Join(args, " "), fmt.Sprintf("exit code %d\n%s%s", e.code, e.stdout, e.stderr), ReportEntryVisibilityFailureOrVerbose)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		Fail(fmt.Sprintf("faultline %s: %v\n%s%s", strings.Join(args, " "), err, e.stdout, e.stderr))
	}
	return e
}

// trial is the report on a scenario or one of its variants, with the run that left it.
type trial struct {
	ended
	report report.Report
}

// run runs a scenario without variants and reads its report from dir. Whether the place could carry it is in the report.
func run(ctx context.Context, dir string, args ...string) trial {
	GinkgoHelper()
	return runVariants(ctx, dir, []string{""}, args...)[0]
}

// runVariants runs a scenario and reads the reports on its variants, each from its directory below dir.
func runVariants(ctx context.Context, dir string, variants []string, args ...string) []trial {
	GinkgoHelper()
	began := time.Now()
	e := faultline(ctx, ".", append([]string{"run", "--report", dir}, args...)...)
	var all []trial
	code := asExpected
	for _, v := range variants {
		t := trial{ended: e}
		text, err := os.ReadFile(filepath.Join(dir, v, "report.json"))
		Expect(err).NotTo(HaveOccurred(), "exit code %d: %s", e.code, e.stderr)
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.DisallowUnknownFields()
		Expect(dec.Decode(&t.report)).To(Succeed())
		Expect(t.report.Started).To(BeTemporally(">=", began), "the report is of an earlier run:\n%s%s", e.stdout, e.stderr)
		code = verdict.Worse(code, t.report.ExitCode)
		all = append(all, t)
	}
	Expect(e.code).To(Equal(code), "the reports tell another exit code than the process:\n%s%s", e.stdout, e.stderr)
	return all
}

// fix returns the fix or inert fix of that name.
func (t trial) fix(name string) report.Fix {
	GinkgoHelper()
	for _, f := range slices.Concat(t.report.Fixes, t.report.Inert) {
		if f.Name == name {
			return f
		}
	}
	Fail(fmt.Sprintf("the report has no fix %q", name))
	return report.Fix{}
}

// evidence returns the piece of that name.
func evidence(list []report.Evidence, name string) report.Evidence {
	GinkgoHelper()
	for _, e := range list {
		if e.Name == name {
			return e
		}
	}
	Fail(fmt.Sprintf("the report has no evidence %q", name))
	return report.Evidence{}
}
