package kubeproxy

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/semver"

	"github.com/faultline-lab/faultline/harness/internal/cache"
	"github.com/faultline-lab/faultline/harness/internal/gotool"
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
	path, err := filepath.Abs(filepath.Join(b.Cache, "kube-proxy", FileName(version)))
	if err != nil {
		return "", fmt.Errorf("find cache: %w", err)
	}
	waiting := func() { b.progress(version, "another process is building it, waiting for that") }
	return path, cache.Make(ctx, path, waiting, func(work string) (string, error) { return b.build(ctx, version, work) })
}

// build builds version in the directory work and returns the path of the binary.
func (b *Builder) build(ctx context.Context, version, work string) (string, error) {
	g, err := gotool.New(work, func(s string) { b.progress(version, s) })
	if err != nil {
		return "", err
	}
	started := time.Now()
	b.progress(version, "not in the cache yet, building it from source; the first time this takes some minutes")
	mode, err := writeModule(ctx, g, version)
	if err != nil {
		return "", err
	}
	binary := filepath.Join(work, "kube-proxy")
	err = g.Build(ctx, gotool.Build{Mod: mode, Tags: BuildTags, LDFlags: LDFlags(version), Out: binary, Programs: []string{kubernetes + "/cmd/kube-proxy"}})
	if err != nil {
		return "", err
	}
	if err := checkVersion(ctx, binary, version); err != nil {
		return "", err
	}
	b.progress(version, fmt.Sprintf("built in %.0f s", time.Since(started).Seconds()))
	return binary, nil
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

// BuildTags are those of releases (hack/lib/golang.sh).
const BuildTags = "selinux,notest,grpcnotrace"

// LDFlags names the version of a Kubernetes program, as hack/lib/version.sh does.
func LDFlags(version string) string {
	major, minor, _ := strings.Cut(strings.TrimPrefix(semver.MajorMinor(version), "v"), ".")
	var flags []string
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		for _, kv := range []string{"gitVersion=" + version, "gitMajor=" + major, "gitMinor=" + minor, "gitTreeState=clean"} {
			flags = append(flags, "-X", pkg+"."+kv)
		}
	}
	return strings.Join(flags, " ")
}
