package kubeproxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// progressEvery is how often a person hears of a build that goes on.
const progressEvery = 10 * time.Second

// goTool runs the machine's go command in one directory.
type goTool struct {
	path     string
	dir, tmp string
	progress func(string)
}

func newGoTool(dir, tmp string, progress func(string)) (*goTool, error) {
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("needs the go command to build it from source: install Go and put it into PATH: %w", err)
	}
	return &goTool{path: path, dir: dir, tmp: tmp, progress: progress}, nil
}

// build compiles kube-proxy of the module in g.dir to the file out.
func (g *goTool) build(ctx context.Context, mod, version, out string) error {
	const program = kubernetes + "/cmd/kube-proxy"
	// The tags are those of releases (hack/lib/golang.sh).
	flags := []string{"-mod=" + mod, "-tags=selinux,notest,grpcnotrace"}

	// Listing first fetches every module needed and says how much there is to compile.
	list, err := g.run(ctx, "fetch its modules", append(append([]string{"list"}, flags...), "-deps", program)...)
	if err != nil {
		return err
	}
	what := fmt.Sprintf("compile at most %d packages", bytes.Count(list, []byte("\n")))
	args := append(append([]string{"build"}, flags...),
		"-v", "-trimpath", "-buildvcs=false", "-ldflags="+ldflags(version), "-o", out, program)
	_, err = g.run(ctx, what, args...)
	return err
}

// run runs go with args and returns its standard output. what says what that is for, to the person who waits.
func (g *goTool) run(ctx context.Context, what string, args ...string) ([]byte, error) {
	// Pdeathsig is bound to the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var out bytes.Buffer
	log := &goLog{}
	cmd := exec.CommandContext(ctx, g.path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = g.dir, &out, log
	cmd.Env = append(cmd.Environ(), buildEnv(g.tmp)...)
	// A group of its own, to end the compilers together with go; and no go that outlives a killed harness.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second

	stop := g.report(what, log)
	defer stop()
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, fmt.Errorf("%s: %w", what, ctx.Err())
	}
	if err != nil {
		return nil, explain(what, err, log.messages())
	}
	return out.Bytes(), nil
}

// report tells g.progress about log every now and then until the returned function is called.
func (g *goTool) report(what string, log *goLog) (stop func()) {
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
				g.progress(fmt.Sprintf("%s: %s, %.0f s", what, log.counts(), time.Since(started).Seconds()))
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
	// Module proxies differ in how they say that they do not have a version; some forbid it.
	saysNoSuchVersion = regexp.MustCompile(`(?s)k8s\.io/kubernetes@.*(unknown revision|invalid version|403 Forbidden|404 Not Found|410 Gone|no matching versions)`)
	saysNoNetwork     = regexp.MustCompile(`dial tcp|no such host|i/o timeout|connection refused|network is unreachable|TLS handshake|proxyconnect|lookup disabled by GOPROXY|server misbehaving`)
	saysNoSpace       = regexp.MustCompile(`no space left on device|disk quota exceeded`)
)

// explain turns the end of a go command into an error that says what to do.
func explain(what string, err error, said string) error {
	switch {
	case saysNoSpace.MatchString(said):
		err = errors.New("the disk is full: make room for about 3 GB in faultline's cache and go's caches (go env GOCACHE GOMODCACHE)")
	case saysNoNetwork.MatchString(said):
		err = errors.New("go cannot reach where modules come from: check the network and go env GOPROXY")
	case saysNoSuchVersion.MatchString(said):
		err = ErrNoSuchVersion
	}
	if said == "" {
		return fmt.Errorf("%s: %w", what, err)
	}
	return fmt.Errorf("%s: %w\n%s", what, err, said)
}
