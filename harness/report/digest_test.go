package report

import (
	"bytes"
	"testing"
	"time"

	"github.com/faultline-lab/faultline/harness/internal/golden"
	"github.com/faultline-lab/faultline/harness/verdict"
)

func TestDigest(t *testing.T) {
	good, part, bad, broken, none := New(green(), maker), New(green(), maker), New(trial(), maker), New(trial(), maker), New(trial(), maker)
	good.NotVerified = nil
	part.Variant = "in part"
	bad.Scenario = "upside-down"
	broken.Scenario, broken.ExitCode = "dead", verdict.ExitBroken
	none.Scenario, none.ExitCode = "nowhere", verdict.ExitUnsupported
	late := bad
	late.ExitCode = verdict.ExitInterrupted
	var b bytes.Buffer
	Aside(&b, 0, "boot a guest\x1b[2J")
	for i, r := range []Report{good, part, bad, late} {
		Line(&b, Options{Colour: i == 2}, time.Duration(i)*65*time.Second, r)
	}
	notRun := [][2]string{{"guests-alone", "its file names the runtimes vm"}}
	Sum(&b, Options{}, time.Minute, []Report{good, good}, nil)
	Sum(&b, Options{Colour: true}, time.Minute, []Report{good}, notRun)
	Sum(&b, Options{}, time.Minute, []Report{part, none, bad, broken, late, bad}, notRun)
	golden.Check(t, "testdata/digest.txt", b.Bytes())
}
