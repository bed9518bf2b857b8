package kubeproxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

// ErrNoSuchVersion is wrapped by the error for a version that was never released.
var ErrNoSuchVersion = errors.New("no such release of Kubernetes")

// Builder builds kube-proxy from its released source with the machine's go command, once per version.
type Builder struct {
	// Cache is the directory that keeps the binaries, as kube-proxy/kube-proxy-<version>. Required.
	Cache string
	// Progress is told in one line what goes on: when a build begins, about every 10 seconds while it lasts, and when
	// it ends. nil: nobody is told.
	Progress func(string)
}

// Binary returns the absolute path of kube-proxy of version, "v1.36.3" for example, and builds it if the cache does not have
// it. Any number of processes may ask at once: one builds, the others wait for it. A run that is killed leaves a work
// directory that nothing reads and that the next build removes.
//
// The error wraps ErrNoSuchVersion for a version that does not exist; others say what to do about them: no go command,
// no network, no space.
func (b *Builder) Binary(ctx context.Context, version string) (string, error) {
	path, err := b.binary(ctx, version)
	if err != nil {
		return "", fmt.Errorf("kube-proxy %s: %w", version, err)
	}
	return path, nil
}

func (b *Builder) binary(ctx context.Context, version string) (string, error) {
	if !released(version) {
		return "", fmt.Errorf("not a version: want one like %s: %w", pinned, ErrNoSuchVersion)
	}
	dir, err := filepath.Abs(filepath.Join(b.Cache, "kube-proxy"))
	if err != nil {
		return "", fmt.Errorf("find cache: %w", err)
	}
	path := filepath.Join(dir, FileName(version))
	if have, err := isFile(path); have || err != nil {
		return path, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	unlock, err := lock(ctx, filepath.Join(dir, ".lock-"+version), func() {
		b.progress(version, "another process is building it, waiting for that")
	})
	if err != nil {
		return "", err
	}
	defer unlock()
	if have, err := isFile(path); have || err != nil {
		return path, err
	}
	return path, b.build(ctx, version, filepath.Join(dir, ".build-"+version), path)
}

// build builds version in the directory work, of which the lock makes it the only user, and puts the binary at path.
func (b *Builder) build(ctx context.Context, version, work, path string) (err error) {
	if err := os.RemoveAll(work); err != nil {
		return fmt.Errorf("remove what an earlier run left: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	// go's own temporary files lie in the work directory too, so that a killed build leaves none elsewhere.
	tmp := filepath.Join(work, "tmp")
	if err := os.MkdirAll(tmp, 0o755); err != nil {
		return fmt.Errorf("make work directory: %w", err)
	}
	g, err := newGoTool(work, tmp, func(s string) { b.progress(version, s) })
	if err != nil {
		return err
	}

	started := time.Now()
	b.progress(version, "not in the cache yet, building it from source; the first time this takes some minutes")
	mode, err := writeModule(ctx, g, work, version)
	if err != nil {
		return err
	}
	binary := filepath.Join(work, "kube-proxy")
	if err := g.build(ctx, mode, version, binary); err != nil {
		return err
	}
	if err := checkVersion(ctx, binary, version); err != nil {
		return err
	}
	if err := install(binary, path); err != nil {
		return fmt.Errorf("put into cache: %w", err)
	}
	b.progress(version, fmt.Sprintf("built in %.0f s", time.Since(started).Seconds()))
	return nil
}

func (b *Builder) progress(version, s string) {
	if b.Progress != nil {
		b.Progress("kube-proxy " + version + ": " + s)
	}
}

// released reports whether v can be a release: "v1.36.3", "v1.37.0-rc.1".
func released(v string) bool {
	return semver.IsValid(v) && semver.Canonical(v) == v && semver.Major(v) == "v1"
}

// checkVersion runs the binary once: it must start here and must be what was asked for.
func checkVersion(ctx context.Context, binary, version string) error {
	out, err := exec.CommandContext(ctx, binary, "--version").CombinedOutput()
	got := strings.TrimSpace(string(out))
	if err != nil {
		return fmt.Errorf("run kube-proxy --version: %w: %s", err, got)
	}
	if want := "Kubernetes " + version; got != want {
		return fmt.Errorf("kube-proxy --version says %q, want %q", got, want)
	}
	return nil
}

// install moves a finished binary to its place, whole or not at all, after a power failure too.
func install(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(from, to)
}

func isFile(path string) (bool, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is in the way: not a file", path)
	}
	return err == nil, err
}

// ldflags strips the binary as releases are stripped and names its version, as hack/lib/version.sh does.
func ldflags(version string) string {
	major, minor, _ := strings.Cut(strings.TrimPrefix(semver.MajorMinor(version), "v"), ".")
	flags := []string{"-s", "-w"}
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, kv := range []string{"gitVersion=" + version, "gitMajor=" + major, "gitMinor=" + minor, "gitTreeState=clean"} {
			flags = append(flags, "-X", pkg+"."+kv)
		}
	}
	return strings.Join(flags, " ")
}

// buildEnv makes the build the same whatever the user's go settings are, except for where modules come from and where
// go keeps its caches.
func buildEnv(tmp string) []string {
	return []string{"GO111MODULE=on", "GOWORK=off", "CGO_ENABLED=0", "GOOS=linux", "GOARCH=" + runtime.GOARCH, "GOTMPDIR=" + tmp}
}
