package agent

import (
	"io"
	"testing"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// BenchmarkDial is a handshake.
func BenchmarkDial(b *testing.B) {
	for b.Loop() {
		w := dial(b, &fakeRuntime{}, Options{})
		_ = w.Close()
		<-w.served
	}
}

// BenchmarkDialAndRun is what a sandbox pays between its start and the end of the first command.
func BenchmarkDialAndRun(b *testing.B) {
	for b.Loop() {
		w := dial(b, &fakeRuntime{}, Options{})
		if _, err := lab.Run(b.Context(), w.node(b), "true"); err != nil {
			b.Fatal(err)
		}
		_ = w.Close()
		<-w.served
	}
}

// BenchmarkRun is one command of a lab that is up; BenchmarkRunHere is the same without the wire.
func BenchmarkRun(b *testing.B) {
	n := dial(b, &fakeRuntime{}, Options{}).node(b)
	for b.Loop() {
		if _, err := lab.Run(b.Context(), n, "true"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRunHere(b *testing.B) {
	l, err := (&fakeRuntime{}).Up(b.Context(), &plan.Plan{})
	if err != nil {
		b.Fatal(err)
	}
	n, err := l.Node("client")
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := lab.Run(b.Context(), n, "true"); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOutput is 1 MiB of output.
func BenchmarkOutput(b *testing.B) {
	n := dial(b, &fakeRuntime{}, Options{}).node(b)
	b.SetBytes(1 << 20)
	for b.Loop() {
		p, err := n.Start(b.Context(), &lab.Cmd{Args: []string{"head", "-c", "1048576", "/dev/zero"}, Stdout: io.Discard})
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			b.Fatal(err)
		}
	}
}
