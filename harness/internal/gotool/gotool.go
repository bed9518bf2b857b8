// Package gotool builds programs with the machine's go command out of modules that lie in a directory, and tells how it
// goes.
//
// In: a directory with go.mod and go.sum, the programs to build. Out: binaries, or an error that says what to do: no go
// command, no network, no space. It never changes what the machine's go is configured with.
package gotool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// progressEvery is how often a person hears of a build that goes on.
const progressEvery = 10 * time.Second

// What a person can do something about. Errors of a Tool wrap one of these, or none.
var (
	ErrNoGo      = errors.New("needs the go command to build it from source: install Go and put it into PATH")
	ErrNoNetwork = errors.New("go cannot reach where modules come from: check the network, its proxy (HTTPS_PROXY) and go env GOPROXY. " +
		"It is needed once: what was built is kept in faultline's cache, which may be copied from another machine")
	ErrNoSpace = errors.New("the disk is full: make room for about 3 GB in faultline's cache and go's caches (go env GOCACHE GOMODCACHE)")
)

// Tool runs the machine's go command in one directory.
type Tool struct {
	Dir      string
	path     string
	tmp      string
	progress func(string)
}

// New returns a Tool for the directory dir. go's own temporary files lie there too, so that a killed build leaves none
// elsewhere. progress is told about every 10 seconds what go does.
func New(dir string, progress func(string)) (*Tool, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoGo, err)
	}
	tmp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return nil, fmt.Errorf("make work directory: %w", err)
	}
	return &Tool{Dir: dir, path: path, tmp: tmp, progress: progress}, nil
}

// Build says what Tool.Build makes.
type Build struct {
	Mod      string   // go's -mod: readonly for module files that are complete, mod to complete them
	Tags     string   // build tags, separated by commas
	LDFlags  string   // for the linker, beside those that strip the binary
	Out      string   // the file to write, or for several programs an existing directory
	Programs []string // import paths
}

// Build compiles programs of the module in t.Dir and of those that it requires.
func (t *Tool) Build(ctx context.Context, b Build) error {
	flags := []string{"-mod=" + b.Mod}
	if b.Tags != "" {
		flags = append(flags, "-tags="+b.Tags)
	}
	// Listing first fetches every module needed and says how much there is to compile.
	list, err := t.Run(ctx, "fetch its modules", slices.Concat([]string{"list"}, flags, []string{"-deps"}, b.Programs)...)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("compile at most %d packages", bytes.Count(list, []byte("\n")))
	args := slices.Concat([]string{"build"}, flags,
		// Linkers are what needs memory, up to 2 GB each: not as many at once as there are processors.
		[]string{"-v", "-trimpath", "-buildvcs=false", "-p=" + strconv.Itoa(min(runtime.NumCPU(), 4)),
			"-ldflags=" + strings.TrimSpace("-s -w "+b.LDFlags), "-o", b.Out},
		b.Programs)
	_, err = t.Run(ctx, what, args...)
	return err
}

// Run runs go with args and returns its standard output. what says what that is for, to the person who waits.
func (t *Tool) Run(ctx context.Context, what string, args ...string) ([]byte, error) {
	// Pdeathsig is bound to the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var out bytes.Buffer
	log := &goLog{}
	cmd := exec.CommandContext(ctx, t.path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.Dir, &out, log
	cmd.Env = append(cmd.Environ(), t.env()...)
	// A group of its own, to end the compilers together with go; and no go that outlives a killed harness.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second

	stop := t.report(what, log)
	defer stop()
	err := cmd.Start()
	if err == nil {
		// Whoever waits for a build does other things meanwhile. A build that cannot be made nicer is as good.
		_ = syscall.Setpriority(syscall.PRIO_PGRP, cmd.Process.Pid, 10)
		err = cmd.Wait()
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if err != nil {
		return nil, explain(what, err, log.messages())
	}
	return out.Bytes(), nil
}

// report tells t.progress about log every now and then until the returned function is called.
func (t *Tool) report(what string, log *goLog) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		started := time.Now()
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				t.progress(fmt.Sprintf("%s: %s, %.0f s", what, log.counts(), time.Since(started).Seconds()))
			}
		}
	})
	return func() { close(done); wg.Wait() }
}

// goLog reads what go writes to its standard error: modules that it fetches, packages that it compiled, messages.
type goLog struct {
	mu                  sync.Mutex
	partial             []byte
	fetched, compiled   int
	lastFetch, lastPack string
	said                []string
}

func (l *goLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, ok := bytes.Cut(l.partial, []byte("\n"))
		if !ok {
			return len(p), nil
		}
		l.line(string(line))
		l.partial = rest
	}
}

func (l *goLog) line(s string) {
	if m, ok := strings.CutPrefix(s, "go: downloading "); ok {
		l.fetched++
		l.lastFetch = m
	} else if s != "" && !strings.ContainsAny(s, " \t:") {
		l.compiled++
		l.lastPack = s
	} else if s != "" {
		l.said = append(l.said, s)
	}
}

func (l *goLog) counts() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.compiled > 0:
		return fmt.Sprintf("%d compiled, the last is %s", l.compiled, l.lastPack)
	case l.fetched > 0:
		return fmt.Sprintf("%d modules fetched, now %s", l.fetched, l.lastFetch)
	}
	return "go has said nothing yet"
}

// messages returns the last lines that go wrote about what went wrong.
func (l *goLog) messages() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	said := l.said
	if s := strings.TrimSpace(string(l.partial)); s != "" {
		said = append(said, s)
	}
	if n := len(said); n > 12 {
		said = said[n-12:]
	}
	return strings.Join(said, "\n")
}

// The wordings of go and of the kernel for what a person can do something about.
var (
	saysNoNetwork = regexp.MustCompile(`dial tcp|no such host|i/o timeout|connection refused|network is unreachable|TLS handshake|proxyconnect|lookup disabled by GOPROXY|server misbehaving`)
	saysNoSpace   = regexp.MustCompile(`no space left on device|disk quota exceeded`)
)

// Error is the end of a go command.
type Error struct {
	What string // what it was run for
	Err  error  // wraps ErrNoSpace or ErrNoNetwork where that is the reason
	Said string // the last lines that go wrote, if any
}

func (e *Error) Error() string {
	if e.Said == "" {
		return e.What + ": " + e.Err.Error()
	}
	return e.What + ": " + e.Err.Error() + "\n" + e.Said
}

func (e *Error) Unwrap() error { return e.Err }

// Known reports whether the reason is one that a person can do something about.
func (e *Error) Known() bool { return errors.Is(e.Err, ErrNoSpace) || errors.Is(e.Err, ErrNoNetwork) }

// explain turns the end of a go command into an error that says what to do.
func explain(what string, err error, said string) error {
	switch {
	case saysNoSpace.MatchString(said):
		err = ErrNoSpace
	case saysNoNetwork.MatchString(said):
		err = ErrNoNetwork
	}
	return &Error{What: what, Err: err, Said: said}
}

// env makes a build the same whatever the user's go settings are, except for where modules come from and where go keeps
// its caches.
func (t *Tool) env() []string {
	return []string{"GO111MODULE=on", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + runtime.GOARCH, "GOTMPDIR=" + t.tmp}
}
