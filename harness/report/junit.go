package report

import (
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/faultline-lab/faultline/harness/verdict"
)

type testSuites struct {
	XMLName xml.Name  `xml:"testsuites"`
	Name    string    `xml:"name,attr"`
	Suite   testSuite `xml:"testsuite"`
}

type testSuite struct {
	Name       string     `xml:"name,attr"`
	Tests      int        `xml:"tests,attr"`
	Failures   int        `xml:"failures,attr"`
	Errors     int        `xml:"errors,attr"`
	Skipped    int        `xml:"skipped,attr"`
	Time       string     `xml:"time,attr"` // seconds
	Timestamp  string     `xml:"timestamp,attr"`
	Properties []property `xml:"properties>property"`
	Cases      []testCase `xml:"testcase"`
}

type property struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type testCase struct {
	Class   string   `xml:"classname,attr"`
	Name    string   `xml:"name,attr"`
	Time    string   `xml:"time,attr"` // seconds
	Failure *problem `xml:"failure,omitempty"`
	Error   *problem `xml:"error,omitempty"`
	Skipped *problem `xml:"skipped,omitempty"`
	Out     string   `xml:"system-out,omitempty"`
}

type problem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
}

// JUnit is the report as CI systems read it: one test case for the fault, for each control in each phase and for each
// fix. A verdict that is not as documented is a failure; a lab that broke is an error; what was not tried, or what this place
// cannot carry, is skipped, with the reason. There are failures or errors if and only if the exit code is neither 0 nor that
// of what is unsupported: where no single verdict tells why, a test case for the whole trial does.
func JUnit(r Report) []byte {
	s := testSuite{
		Name:      fmt.Sprintf("%s [%s]", r.name(), r.Runtime),
		Time:      junitTime(r.Durations.Total),
		Timestamp: r.Started.UTC().Format(time.RFC3339),
		Properties: []property{
			{"schema", r.Schema}, {"kernel", r.Kernel}, {"accelerator", r.Accelerator},
			{"kubeProxy.version", r.KubeProxy.Version}, {"kubeProxy.mode", r.KubeProxy.Mode},
			{"expected", fmt.Sprint(r.Expected)},
		},
	}
	class := "faultline." + strings.ReplaceAll(r.name(), "/", ".")
	for _, c := range r.Controls {
		one := testCase{Class: class, Name: fmt.Sprintf("control %s (%s)", c.Name, c.Phase), Time: junitTime(c.Took), Out: c.saw()}
		switch {
		case c.Documented:
			one.Out = "broken, as documented: " + one.Out
		case !c.OK:
			one.Failure = &problem{fmt.Sprintf("wanted %s; saw %s", c.Wanted, c.saw()), "Control"}
		}
		s.Cases = append(s.Cases, one)
	}
	fault := testCase{Class: class, Name: "fault " + r.Fault.Probe.Name, Time: junitTime(r.Fault.Probe.Took), Out: proof(&r.Fault.Probe, r.Fault.Evidence)}
	fault.judge(r.Verdict, r.Verdict == verdict.Reproduced, r.Why)
	s.Cases = append(s.Cases, fault)
	for _, list := range []struct {
		what  string
		fixes []Fix
	}{{"fix ", r.Fixes}, {"inert ", r.Inert}} {
		for _, f := range list.fixes {
			one := testCase{Class: class, Name: list.what + f.Name, Time: junitTime(f.Took), Out: proof(f.Probe, slices.Concat(f.Evidence, f.Own))}
			one.judge(f.Verdict, f.Expected, f.Why)
			s.Cases = append(s.Cases, one)
		}
	}
	if r.Matrix != nil {
		for _, p := range r.Matrix.Phases {
			s.Cases = append(s.Cases, p.testCase(class))
		}
	}
	s.count()
	if r.ExitCode != verdict.ExitExpected && r.ExitCode != verdict.ExitUnsupported && s.Failures+s.Errors == 0 {
		s.Cases = append(s.Cases, testCase{Class: class, Name: "the whole trial", Time: junitTime(r.Durations.Total),
			Error: &problem{printable(fmt.Sprintf("%s (exit code %d)", conclusion(r), r.ExitCode)), "Trial"}})
		s.count()
	}
	out, err := xml.MarshalIndent(testSuites{Name: "faultline", Suite: s}, "", "  ")
	if err != nil {
		panic(err) // strings and numbers alone
	}
	return append([]byte(xml.Header), append(out, '\n')...)
}

func (c *testCase) judge(v Verdict, expected bool, why string) {
	p := &problem{Message: printable(fmt.Sprintf("%s: %s", v, why)), Type: string(v)}
	switch {
	case v == verdict.NotTried, v == verdict.Unsupported:
		p.Type = ""
		c.Skipped = p
	case v == verdict.BrokenLab:
		c.Error = p
	case !expected:
		c.Failure = p
	}
}

func (s *testSuite) count() {
	s.Tests, s.Failures, s.Errors, s.Skipped = len(s.Cases), 0, 0, 0
	for _, c := range s.Cases {
		switch {
		case c.Failure != nil:
			s.Failures++
		case c.Error != nil:
			s.Errors++
		case c.Skipped != nil:
			s.Skipped++
		}
	}
}

// proof is what was seen, a line for the probe and for each piece of evidence.
func proof(p *Probe, found []Evidence) string {
	if p == nil {
		return ""
	}
	lines := []string{p.Name + ": " + p.saw()}
	for _, e := range found {
		lines = append(lines, fmt.Sprintf("%s: %s", e.Name, e.Why))
		if e.Readings.After.Text != "" {
			lines = append(lines, e.Readings.After.Text)
		}
	}
	return printable(strings.Join(lines, "\n"))
}

func junitTime(ms int64) string { return fmt.Sprintf("%.3f", float64(ms)/1000) }
