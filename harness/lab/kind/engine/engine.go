// Package engine is the container engine of a machine, Docker or Podman, by its command: whatever context, host and
// credentials the user has set up hold.
//
// In: arguments that both commands understand in the same way. Out: what they print, or an error with the end of what they
// said. Where the two differ, the difference is here and nowhere else.
package engine

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/faultline-lab/faultline/harness/internal/tail"
)

// The commands, by which kind's own tool names its providers too.
const (
	Docker = "docker"
	Podman = "podman"
)

// Engine is one that has answered.
type Engine struct {
	Command  string // Docker or Podman
	Path     string // of the command
	Version  string
	Platform string // for example linux/amd64
	Root     string // the directory of its images, on this machine or another
	Cgroup1  bool
	// Bare is set by who finds out that it cannot give --privileged: see Unprivileged.
	Bare bool
}

// String is the engine for a person.
func (e *Engine) String() string { return e.title() + " " + e.Version }

func (e *Engine) title() string { return strings.ToUpper(e.Command[:1]) + e.Command[1:] }

// ioLimit is how long pipes may stay open after the command has ended, or was killed.
const ioLimit = 5 * time.Second

// Cmd is the engine's command with args, for this process alone: it dies with it, and when ctx ends. Run starts it.
func (e *Engine) Cmd(ctx context.Context, args ...string) *exec.Cmd {
	if e.Bare {
		args = Unprivileged(args)
	}
	c := exec.CommandContext(ctx, e.Path, args...)
	// A group of its own: Ctrl-C is for this process to act on.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.WaitDelay = ioLimit
	return c
}

// Run runs c on a thread that stays as long as c does: Pdeathsig is sent when the thread ends that made the process
// (prctl(2)).
func Run(c *exec.Cmd) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- c.Run()
	}()
	return <-done
}

// saidLimit is enough for the last lines of a package that could not be configured.
const saidLimit = 2000

// Stream runs the engine's command to its end. The error has the end of what it wrote to its standard error.
func (e *Engine) Stream(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	said := tail.Buffer{Limit: saidLimit}
	c := e.Cmd(ctx, args...)
	c.Stdin, c.Stdout, c.Stderr = in, out, &said
	err := Run(c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		err = fmt.Errorf("%s %s: %w", e.Command, briefly(args), err)
	}
	if words := strings.TrimSpace(said.String()); err != nil && words != "" {
		err = fmt.Errorf("%w: %s", err, words)
	}
	return err
}

// Feed is Stream, and returns what the command prints.
func (e *Engine) Feed(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	var out bytes.Buffer
	err := e.Stream(ctx, in, &out, args...)
	return out.Bytes(), err
}

// Output is Feed without an input.
func (e *Engine) Output(ctx context.Context, args ...string) ([]byte, error) {
	return e.Feed(ctx, nil, args...)
}

// briefly is a command without what is long in it.
func briefly(args []string) string {
	var words []string
	for _, a := range args {
		if strings.Contains(a, "\n") || len(a) > 100 {
			a = "..."
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// PID is the first process of a container, in the pid namespace of the engine.
func (e *Engine) PID(ctx context.Context, container string) (int, error) {
	out, err := e.Output(ctx, "inspect", "--format", "{{.State.Pid}}", container)
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil || pid == 0 {
		return 0, fmt.Errorf("container %s does not run", container)
	}
	return pid, nil
}

// Reference is the name of an image as kind asks the engine for it. Podman has no default registry, so a name without one
// could be of any; kind takes it for one of Docker Hub, where Docker would look for it too.
func (e *Engine) Reference(image string) string {
	if e.Command == Docker {
		return image
	}
	if name, digest, ok := strings.Cut(image, "@"); ok { // Podman takes no tag beside it
		if i := strings.LastIndex(name, ":"); i > strings.LastIndex(name, "/") {
			name = name[:i]
		}
		image = name + "@" + digest
	}
	registry, _, ok := strings.Cut(image, "/")
	switch {
	case !ok:
		return "docker.io/library/" + image
	case strings.ContainsAny(registry, ".:") || registry == "localhost":
		return image
	}
	return "docker.io/" + image
}
