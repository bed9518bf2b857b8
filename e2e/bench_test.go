package e2e

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/faultline-lab/faultline/harness/report"
)

var tableFlag = flag.String("table", "", "file for the table of the benchmarks; empty: standard output")

// boots is how many guests are started at most.
const boots = 5

// row is a line of the table that a person reads.
type row struct{ what, measured, goal string }

// BenchmarkFaultline measures what a person waits for, and prints it as one table. It judges nothing: the machine may be
// a slow one.
func BenchmarkFaultline(b *testing.B) {
	var table []row
	section := func(name string, measure func(*testing.B) []row) {
		var rows []row
		// The function is called with growing b.N: the last call has the most to go by.
		if b.Run(name, func(b *testing.B) { rows = append(rows[:0], measure(b)...) }) && len(rows) > 0 {
			table = append(append(table, rows...), row{})
		}
	}
	section("lab of 6", func(b *testing.B) []row { return benchLabs(b, 6, 150*time.Millisecond) })
	section("lab of 100", func(b *testing.B) []row { return benchLabs(b, 100, 1500*time.Millisecond) })
	section("guest", benchGuest)
	section("ipvs-ipsec", benchScenario)

	out := io.Writer(os.Stdout)
	if *tableFlag != "" {
		f, err := os.Create(*tableFlag)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		out = f
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "WHAT\tMEASURED\tGOAL")
	for _, r := range table {
		line := r.what + "\t" + r.measured
		if r.goal != "" {
			line += "\t" + r.goal
		}
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w, "\nup and down: sandbox or unshare included, without what the kernel does later by itself; peak: resident memory of the sandbox, or of the script's processes together")
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
}

// builtBinary is the path of the binary under test.
func builtBinary(b *testing.B) string {
	b.Helper()
	path, err := filepath.Abs(*binaryFlag)
	if err != nil {
		b.Fatal(err)
	}
	return path
}

// ready is what `faultline kernels check` says of a boot.
var ready = regexp.MustCompile(`(\S+), agent ready (\S+) after the start of QEMU \((\w+)\)`)

// benchGuest measures a guest from the start of QEMU to its agent's answer.
func benchGuest(b *testing.B) []row {
	var took []time.Duration
	var said [][]byte
	for range min(b.N, boots) {
		out, err := exec.Command(builtBinary(b), "kernels", "check").CombinedOutput()
		if said = ready.FindSubmatch(out); err != nil || said == nil {
			return unmeasured("guest", err, out)
		}
		d, err := time.ParseDuration(string(said[2]))
		if err != nil {
			b.Fatal(err)
		}
		took = append(took, d)
	}
	return []row{{
		fmt.Sprintf("guest %s (%s), from the start of QEMU to agent ready: median of %d", said[1], said[3], len(took)),
		fmt.Sprintf("%s (%s to %s)", show(median(took)), show(slices.Min(took)), show(slices.Max(took))),
		"5 s",
	}}
}

// benchScenario runs ipvs-ipsec once and says where the time went.
func benchScenario(b *testing.B) []row {
	if b.N > 1 { // once is long enough; the first call was that
		b.SkipNow()
	}
	dir := b.TempDir()
	out, err := exec.Command(builtBinary(b), "run", "ipvs-ipsec", "--report", dir).CombinedOutput()
	text, rerr := os.ReadFile(filepath.Join(dir, report.JSONFile))
	if rerr != nil {
		return unmeasured("scenario ipvs-ipsec", errors.Join(err, rerr), out)
	}
	var r report.Report
	if err := json.Unmarshal(text, &r); err != nil {
		b.Fatal(err)
	}
	ms := func(n int64) string { return show(time.Duration(n) * time.Millisecond) }
	rows := []row{{
		fmt.Sprintf("scenario ipvs-ipsec on %s (%s %s): %s, exit code %d", r.Kernel, r.Runtime, r.Accelerator, r.Verdict, r.ExitCode),
		ms(r.Durations.Total), "90 s",
	}}
	for _, p := range r.Durations.Phases {
		rows = append(rows, row{what: "  " + p.Name, measured: ms(p.Took)})
	}
	return rows
}

// unmeasured says loudly what this machine could not be asked, with the end of what was said about it.
func unmeasured(what string, err error, out []byte) []row {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return []row{{what: what, measured: fmt.Sprintf("NOT MEASURED: %v: %s", err, lines[len(lines)-1])}}
}

func median(d []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(d))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

func show(d time.Duration) string {
	if d < 10*time.Second {
		return fmt.Sprintf("%.0f ms", d.Seconds()*1000)
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
