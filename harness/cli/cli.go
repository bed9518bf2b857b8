// Package cli is what a person meets: commands, flags and exit codes. It wires the parts of the harness together and is
// the only place that reads flags or the environment.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes of every command.
const (
	ExitOK          = 0   // every verdict as the scenario documents it
	ExitUnexpected  = 1   // a verdict is not
	ExitUsage       = 2   // bad usage or a bad file; nothing was built
	ExitUnsupported = 3   // this machine or kernel cannot carry it
	ExitBroken      = 4   // the lab broke
	ExitInterrupted = 130 // SIGINT or SIGTERM; everything was taken down
)

// exit carries an exit code through cobra, with the error that the person is told. Where that is errSaid, nothing is
// printed any more.
type exit struct {
	code int
	err  error
}

func (e *exit) Error() string { return e.err.Error() }
func (e *exit) Unwrap() error { return e.err }

// errSaid stands for an error that the person has been told already.
var errSaid = errors.New("said already")

// app holds what all commands share.
type app struct {
	stdout  *output
	stderr  io.Writer
	cache   string
	verbose bool
}

// Main runs the command in args and returns the exit code.
func Main(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if code, ok := inner(args, stdin, stdout, stderr); ok {
		return code
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := &app{stdout: &output{w: stdout}, stderr: stderr}
	root := a.root()
	root.SetArgs(args[1:])
	err := root.ExecuteContext(ctx)
	if lost := a.stdout.lost(); lost != nil { // what was to be read is not there to be read, whatever it said
		err = &exit{ExitBroken, lost}
	}
	if err == nil {
		return ExitOK
	}
	a.complain(err)
	var e *exit
	switch {
	case ctx.Err() != nil:
		return ExitInterrupted
	case errors.As(err, &e):
		return e.code
	}
	return ExitUsage
}

// complain tells the person an error, unless it was told before.
func (a *app) complain(err error) {
	if !errors.Is(err, errSaid) {
		fmt.Fprintf(a.stderr, "faultline: %v\n", err)
	}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "faultline",
		Short: "A reproducible lab for Kubernetes data-path failures",
		Long: `faultline builds a small Kubernetes network out of namespaces, in a micro-VM or on a kind cluster, reproduces a documented failure in it,
proves the cause from kernel evidence, and verifies every documented fix.

Exit codes: 0 every verdict as documented, 1 a verdict is not, 2 bad usage or a bad file, 3 unsupported here,
4 the lab broke, 130 interrupted.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.PersistentFlags().StringVar(&a.cache, "cache", defaultCache(), "directory for kernels, kube-proxy binaries, node images and the state of clusters")
	root.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "print every step and every progress line")
	root.AddCommand(a.list(), a.run(), a.compare(), a.plan(), a.validate(), a.schema(), a.kernels(), a.kind(), a.down(), a.version())
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	strict(root)
	return root
}

// defaultCache is a directory below the user's cache directory, or below the temporary directory where there is none.
func defaultCache() string {
	if dir := os.Getenv("FAULTLINE_CACHE"); dir != "" {
		return dir
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return filepath.Join(dir, "faultline")
}

// terminal reports whether w is a terminal, with its width, and whether colours are wanted on it.
func terminal(w io.Writer) (width int, colour bool) {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0, false
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		width = 80
	}
	return width, os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}
