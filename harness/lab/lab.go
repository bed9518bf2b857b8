// Package lab is the contract between the experiment and the place where it runs.
//
// In: a plan.Plan. Out: a Lab whose nodes run commands. The contract never says how: the runtimes in the folders below
// build the same plan from namespaces on this kernel, in a micro-VM, or on a kind cluster. Nothing here knows what a
// scenario is.
package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/faultline-lab/faultline/harness/plan"
)

// Self names, as the first argument of a Cmd, the harness's own binary as the lab has it: the probe client, the
// servers and the evidence readers are this binary, whatever its path is where the node lives.
const Self = "faultline"

// Runtime makes labs of one kind.
type Runtime interface {
	// Check says what a lab for p would run on. The error is nil, or wraps ErrUnsupported and lists everything that is
	// missing with what to do about it; any other error means that the question could not be answered. Check builds
	// nothing that outlives it.
	Check(ctx context.Context, p *plan.Plan) (Facts, error)

	// Up builds p. ctx bounds the building only, the Lab outlives it. On error nothing is left behind. A Runtime may
	// have several labs up at once and Up may be called from several goroutines.
	Up(ctx context.Context, p *plan.Plan) (Lab, error)

	// Close ends what labs of this runtime share, a guest for example, and any lab still up. Idempotent.
	Close() error
}

// Lab is a topology that is up.
type Lab interface {
	// Node returns the node of that name. The error lists the names there are.
	Node(name string) (Node, error)

	// Apply carries out more steps on the live lab, in their order, and returns once they have taken effect in the kernel.
	Apply(ctx context.Context, steps ...plan.Step) error

	// Close ends every process of the lab and removes what Up made. It is idempotent and cannot be cancelled; it
	// bounds itself.
	Close() error
}

// Node is one node of a Lab: a place in its network that runs commands.
type Node interface {
	Name() string

	// Start runs c inside the node and returns once the process runs. When ctx ends before the process does, the
	// process and its children are killed and Wait returns ctx's error.
	Start(ctx context.Context, c *Cmd) (Process, error)
}

// Cmd is a command for a Node. It is a value: the same Cmd may be started many times unless Stdin is set.
type Cmd struct {
	Args   []string  // program and arguments; Self as the first is the harness's own binary
	Env    []string  // "NAME=value", added to the node's environment
	Stdin  io.Reader // nil reads as empty
	Stdout io.Writer // nil discards
	Stderr io.Writer // nil discards
}

// String prints c as a shell would read it.
func (c *Cmd) String() string { return plan.Shell(c.Args...) }

// Process is a command that was started.
type Process interface {
	// Wait returns after the process has ended and its output was written: nil for exit code 0, an *ExitError for any
	// other end of the process, another error when the harness lost sight of it.
	Wait() error

	// Signal sends sig to the process. Signalling one that has ended is not an error.
	Signal(sig os.Signal) error
}

// Facts says what a lab runs on, for the report.
type Facts struct {
	Runtime     string // "netns", "vm" or "kind"
	Kernel      string // release as in uname -r
	Accelerator string // of a vm: "kvm" or "tcg"; else empty
	Detail      string // one line for a person: why this accelerator, which image; may be empty
	Labs        int    // how many labs may be up at once; 0 is 1
	Builds      int    // how many of them may be in building, or restart kube-proxies, at once; 0 is 1
}

// ErrUnsupported is wrapped by every error that says that this machine or this kernel cannot carry a plan.
var ErrUnsupported = errors.New("unsupported here")

// Missing is one thing that a plan needs and the place does not have.
type Missing struct {
	What string // "ip_vs in the kernel (kube-proxy in IPVS mode)"
	Do   string // what a person can do about it; may be empty
}

// UnsupportedError lists all that is missing. It wraps ErrUnsupported.
type UnsupportedError struct {
	Runtime string
	Missing []Missing
}

func (e *UnsupportedError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "runtime %s: %v:", e.Runtime, ErrUnsupported)
	for _, m := range e.Missing {
		b.WriteString("\n  - " + m.What)
		if m.Do != "" {
			b.WriteString(": " + m.Do)
		}
	}
	return b.String()
}

func (e *UnsupportedError) Unwrap() error { return ErrUnsupported }

// Unsupported is err, which says what is missing and what to do about it, as one that wraps ErrUnsupported.
func Unsupported(err error) error { return &unsupported{err} }

type unsupported struct{ err error }

func (u *unsupported) Error() string   { return u.err.Error() }
func (u *unsupported) Unwrap() []error { return []error{u.err, ErrUnsupported} }

// ExitError is the end of a process with a code other than 0, or by a signal.
type ExitError struct {
	Code   int    // -1 when a signal ended the process
	Signal string // name of that signal, "KILL"; else empty
	Stderr string // the end of what it wrote to its standard error where Run collected that
}

func (e *ExitError) Error() string {
	s := fmt.Sprintf("exit code %d", e.Code)
	if e.Signal != "" {
		s = "killed by SIG" + e.Signal
	}
	if e.Stderr != "" {
		s += ": " + e.Stderr
	}
	return s
}

// Run runs args in n to its end and returns its standard output. An *ExitError carries the end of standard error.
func Run(ctx context.Context, n Node, args ...string) ([]byte, error) {
	return RunInput(ctx, n, "", args...)
}

// RunInput is Run with stdin as the command's standard input.
func RunInput(ctx context.Context, n Node, stdin string, args ...string) ([]byte, error) {
	var out, errOut tail
	out.limit, errOut.limit = 64<<20, 4<<10
	c := &Cmd{Args: args, Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errOut}
	p, err := n.Start(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("%s: run %s: %w", n.Name(), c, err)
	}
	if err := p.Wait(); err != nil {
		var exit *ExitError
		if errors.As(err, &exit) {
			exit.Stderr = strings.TrimSpace(string(errOut.b))
		}
		return out.b, fmt.Errorf("%s: run %s: %w", n.Name(), c, err)
	}
	return out.b, nil
}

// tail keeps the last limit bytes written to it.
type tail struct {
	b     []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if over := len(t.b) - t.limit; over > 0 {
		t.b = t.b[over:]
	}
	return len(p), nil
}
