package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/internal/golden"
	"github.com/faultline-lab/faultline/harness/verdict"
)

func TestReports(t *testing.T) {
	r := New(trial(), maker)
	golden.Check(t, "testdata/report.json", JSON(r))
	golden.Check(t, "testdata/junit.xml", JUnit(r))
	golden.Check(t, "testdata/report.md", Markdown(r))
}

func TestReportsOfATrialThatSawNothing(t *testing.T) {
	s := experiment()
	r := New(verdict.Trial{Scenario: s, Started: began, Judgement: verdict.Judgement{Verdict: verdict.Unsupported, Why: "runtime netns: unsupported here:\n  - ip_vs"}}, Maker{})
	golden.Check(t, "testdata/unsupported.json", JSON(r))
	golden.Check(t, "testdata/unsupported.xml", JUnit(r))
	golden.Check(t, "testdata/unsupported.md", Markdown(r))
	if r.Expected || r.ExitCode != 3 {
		t.Errorf("expected %v, exit code %d", r.Expected, r.ExitCode)
	}
}

func TestListsAreNeverNull(t *testing.T) {
	for _, x := range []verdict.Trial{trial(), {}} {
		var r struct {
			Controls, Fixes, Inert []json.RawMessage
			Fault                  struct{ Evidence []json.RawMessage }
			Durations              struct{ Phases []json.RawMessage }
		}
		if err := json.Unmarshal(JSON(New(x, maker)), &r); err != nil {
			t.Fatal(err)
		}
		if r.Controls == nil || r.Fixes == nil || r.Inert == nil || r.Fault.Evidence == nil || r.Durations.Phases == nil {
			t.Errorf("null in %+v", r)
		}
	}
}

func TestJUnitCounts(t *testing.T) {
	var got testSuites
	if err := xml.Unmarshal(JUnit(New(trial(), maker)), &got); err != nil {
		t.Fatal(err)
	}
	s := got.Suite
	if s.Tests != len(s.Cases) || s.Tests != 11 || s.Failures != 3 || s.Errors != 0 || s.Skipped != 1 {
		t.Errorf("%d cases: tests %d, failures %d, errors %d, skipped %d", len(s.Cases), s.Tests, s.Failures, s.Errors, s.Skipped)
	}
	x := trial()
	x.Fixes[0].Judgement = verdict.JudgeBroken("the guest died")
	if err := xml.Unmarshal(JUnit(New(x, maker)), &got); err != nil || got.Suite.Errors != 1 {
		t.Errorf("errors %d, %v", got.Suite.Errors, err)
	}
}

func TestTerminal(t *testing.T) {
	for file, o := range map[string]Options{
		"testdata/plain.txt":    {},
		"testdata/verbose.txt":  {Verbose: true},
		"testdata/terminal.txt": {Width: 50, Colour: true},
	} {
		var b bytes.Buffer
		term := NewTerminal(&b, o)
		for _, e := range story() {
			term.Tell(e)
		}
		term.Close(New(trial(), maker), "build/reports/invented")
		golden.Check(t, file, b.Bytes())
		if !o.Colour && o.Width == 0 && strings.ContainsAny(b.String(), "\x1b\r") {
			t.Errorf("%s has control characters", file)
		}
	}
}

func TestTable(t *testing.T) {
	good, bad, none := New(trial(), maker), New(trial(), maker), New(verdict.Trial{Scenario: experiment()}, maker)
	good.Variant, good.Expected = "plain", true
	bad.Variant, bad.Verdict = "upside-down", verdict.WrongReason
	none.Variant = "nowhere"
	none.Verdict, none.ExitCode = verdict.Unsupported, verdict.ExitUnsupported
	broken := New(trial(), maker)
	broken.Variant, broken.Verdict, broken.ExitCode = "dead", verdict.BrokenLab, verdict.ExitBroken
	for i := range broken.Fixes {
		broken.Fixes[i].Verdict, broken.Fixes[i].Expected = verdict.NotTried, false
	}
	broken.Inert = broken.Fixes
	var b bytes.Buffer
	for i, r := range []Report{good, bad} {
		Heading(&b, Options{Colour: i == 1}, r.name(), strings.Repeat("It says so. ", i), i == 0)
	}
	for _, o := range []Options{{}, {Colour: true}} {
		Table(&b, o, []Report{good, bad, none, broken}, [][2]string{{"invented/guests-alone", "its file names the runtimes vm"}})
	}
	good.Matrix = &Matrix{Phases: []MatrixPhase{{Asked: true, Expected: true}, {Expected: true}}}
	bad.ExitCode = verdict.ExitInterrupted
	Table(&b, Options{}, []Report{good, bad}, nil)
	golden.Check(t, "testdata/table.txt", b.Bytes())
}

func TestVariantIsPartOfTheName(t *testing.T) {
	x := trial()
	x.Scenario.Variant = "upside-down"
	r := New(x, maker)
	for what, text := range map[string][]byte{"report.json": JSON(r), "junit.xml": JUnit(r), "report.md": Markdown(r)} {
		if !strings.Contains(string(text), "upside-down") {
			t.Errorf("%s does not name the variant", what)
		}
	}
	if strings.Contains(string(JSON(New(trial(), maker))), `"variant"`) {
		t.Error("report.json names a variant where there is none")
	}
}

func TestJournalHasWholeLines(t *testing.T) {
	var w lines
	j := NewJournal(&w)
	for _, e := range story() {
		j.Tell(e)
	}
	if err := j.Err(); err != nil {
		t.Fatal(err)
	}
	for i, want := range story() {
		var got harness.Event
		if err := json.Unmarshal([]byte(w[i]), &got); err != nil || strings.Index(w[i], "\n") != len(w[i])-1 {
			t.Fatalf("write %d: %q: %v", i, w[i], err)
		}
		if strings.Contains(w[i], "00000000") { // a time in nanoseconds
			t.Errorf("write %d has nanoseconds: %s", i, w[i])
		}
		if got.Kind != want.Kind || got.Text != want.Text || !got.Time.Equal(want.Time) {
			t.Errorf("write %d: got %+v, want %+v", i, got, want)
		}
	}
}

// lines keeps each write.
type lines []string

func (l *lines) Write(p []byte) (int, error) {
	*l = append(*l, string(p))
	return len(p), nil
}

func TestJournalStopsAtTheFirstError(t *testing.T) {
	var w full
	j := NewJournal(&w)
	j.Tell(harness.Event{})
	j.Tell(harness.Event{})
	if got, want := j.Err().Error(), "write journal: no room"; got != want || w != 1 {
		t.Errorf("got %q after %d writes, want %q after one", got, w, want)
	}
}

type full int

func (f *full) Write([]byte) (int, error) {
	*f++
	return 0, errors.New("no room")
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "build", "reports", "invented")
	for range 2 { // the second takes the first away
		if err := Write(dir, New(trial(), maker)); err != nil {
			t.Fatal(err)
		}
	}
	for name, golden := range map[string]string{JSONFile: "report.json", JUnitFile: "junit.xml", MarkdownFile: "report.md"} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		want, _ := os.ReadFile(filepath.Join("testdata", golden))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not as the golden file: %v", name, err)
		}
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm()&0o444 == 0 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 3 {
		t.Errorf("%v %v, want three files", entries, err)
	}
}

func TestWriteSaysWhichFileItCouldNotWrite(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	err := Write(filepath.Join(dir, "file", "reports"), New(trial(), maker))
	if want := "write report: mkdir " + dir + "/file: not a directory"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := os.MkdirAll(filepath.Join(dir, JSONFile, "x"), 0o755); err != nil {
		t.Fatal(err)
	}
	err = Write(dir, New(trial(), maker))
	if want := "take an earlier report away: remove " + dir + "/report.json: directory not empty"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestWriteWithoutRoom takes a limit on the size of files for a full disk: the kernel answers writes beyond it with an
// error, as it does there.
func TestWriteWithoutRoom(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(unix.SIGXFSZ)
	defer signal.Reset(unix.SIGXFSZ)
	for _, write := range []struct {
		name  string
		whole func(string, []byte) error
	}{{"a file without a name", writeWhole}, {"a file with a name", writeNamed}} {
		t.Run(write.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 64, Max: limit.Max}); err != nil {
				t.Fatal(err)
			}
			err := write.whole(filepath.Join(dir, "f"), make([]byte, 100))
			all := Write(dir, New(trial(), maker))
			if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
				t.Fatal(err)
			}
			if !errors.Is(err, unix.EFBIG) {
				t.Errorf("got %v", err)
			}
			if want := "write " + dir + "/junit.xml: file too large"; all == nil || all.Error() != want {
				t.Errorf("got %v, want %s", all, want)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}
