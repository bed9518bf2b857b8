// Package image makes the image of kind's nodes where no image registry can be reached: out of Debian packages, Go
// modules and the files of kind's own base image, each pinned by checksum in this repository.
//
// In: a version of Kubernetes, the machine's go, debootstrap and container engine, Docker or Podman. Out: an image of the engine's, by its tag. It
// never asks an image registry for anything, needs no root beside the daemon, and leaves nothing behind but its cache and
// the image.
//
// There are six stages, in this order: the binaries of Kubernetes, etcd, CoreDNS, the CNI plugins and pause, built from
// their modules; the base, an operating system installed in a container. Each is kept in the cache under a hash of all
// that goes into it. At last a container of the base is given the binaries, its containerd is given the components'
// images, and it is committed. The tag has a hash of everything, so that an image that is there need not be looked into.
package image

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline-lab/faultline/harness/internal/cache"
	"github.com/faultline-lab/faultline/harness/lab"
)

// ErrNoSuchVersion is wrapped by the error for a version of Kubernetes that is not pinned.
var ErrNoSuchVersion = errors.New("this version of Kubernetes is not pinned")

// DefaultVersion is the version of Kubernetes that images are made of where none is named.
const DefaultVersion = "v1.36.3"

// Builder makes node images. One build runs at a time in a cache, whoever asks.
type Builder struct {
	// Cache is the directory that keeps packages, binaries and bases, in its directory kind. Required.
	Cache string
	// Engine is docker or podman, as in engine.Variable. Empty: Docker if its daemon answers, else Podman.
	Engine string
	// Mirror is the URL of a Debian mirror; empty: the one that apt has here. What it sends is checked, so that any will do.
	Mirror string
	// Progress is told in one line what goes on. nil: nobody is told.
	Progress func(string)
}

// Image returns the tag of the node image of version, "v1.36.3" for example, and makes the image if the engine does not
// have it: some minutes from cached stages, about a quarter of an hour from nothing.
//
// The error wraps ErrNoSuchVersion for a version that is not pinned, and lab.ErrUnsupported where this machine lacks
// something that a person can give it: Docker or Podman, debootstrap, go, network, room on the disk. When ctx ends, what was begun
// is taken back.
func (b *Builder) Image(ctx context.Context, version string) (tag string, err error) {
	tag, err = b.image(ctx, version)
	if err != nil {
		return "", fmt.Errorf("node image %s: %w", version, err)
	}
	return tag, nil
}

func (b *Builder) image(ctx context.Context, version string) (string, error) {
	p, err := newPlan(version)
	if err != nil {
		return "", err
	}
	d, err := newBuilder(ctx, b.Engine)
	if err != nil {
		return "", err
	}
	if have, err := d.has(ctx, p.tag()); have || err != nil {
		return p.tag(), err
	}
	dir, err := filepath.Abs(filepath.Join(b.Cache, "kind"))
	if err != nil {
		return "", fmt.Errorf("find cache: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make cache: %w", err)
	}
	unlock, err := cache.Lock(ctx, filepath.Join(dir, ".lock"), func() { b.say("another process is making one, waiting for that") })
	if err != nil {
		return "", err
	}
	defer unlock()
	if have, err := d.has(ctx, p.tag()); have || err != nil {
		return p.tag(), err
	}
	w := &work{plan: p, engine: d, dir: dir, mirror: b.Mirror, say: b.say}
	if w.mirror == "" {
		if w.mirror, err = machineMirror(ctx); err != nil {
			return "", err
		}
	}
	return p.tag(), w.run(ctx)
}

func (b *Builder) say(line string) {
	if b.Progress != nil {
		b.Progress("node image: " + line)
	}
}

// Missing returns the tag of the node image of version and the names of the stages that Image would have to make for it: none
// where the engine has the image, or the cache all of its stages. It makes nothing, and needs no engine.
//
// The error wraps ErrNoSuchVersion for a version that is not pinned.
func (b *Builder) Missing(ctx context.Context, version string) (tag string, stages []string, err error) {
	p, err := newPlan(version)
	if err != nil {
		return "", nil, fmt.Errorf("node image %s: %w", version, err)
	}
	if d, err := newBuilder(ctx, b.Engine); err == nil {
		if have, err := d.has(ctx, p.tag()); err == nil && have {
			return p.tag(), nil, nil
		}
	}
	if ctx.Err() != nil {
		return "", nil, context.Cause(ctx)
	}
	missing, err := p.missing(filepath.Join(b.Cache, "kind"))
	if err != nil {
		return "", nil, fmt.Errorf("node image %s: %w", version, err)
	}
	for _, s := range missing {
		stages = append(stages, s.name)
	}
	return p.tag(), stages, nil
}

// work is the making of one image, by the only process that makes one in this cache.
type work struct {
	plan   *plan
	engine *builder
	dir    string // absolute
	mirror string
	say    func(string)
}

// run makes what stages the cache does not have, and the image of them.
func (w *work) run(ctx context.Context) error {
	started := time.Now()
	if err := w.engine.removeLeft(ctx, w.dir); err != nil {
		return err
	}
	missing, err := w.plan.missing(w.dir)
	if err != nil {
		return err
	}
	if err := w.check(ctx, missing); err != nil {
		return err
	}
	for _, s := range w.plan.stages {
		if err := w.stage(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.name, explain(err))
		}
	}
	if err := w.timed("assembly", func() error { return w.assemble(ctx) }); err != nil {
		return fmt.Errorf("assembly: %w", explain(err))
	}
	w.say(fmt.Sprintf("%s made in %s", w.plan.tag(), seconds(started)))
	return nil
}

// stage sees that s is in the cache.
func (w *work) stage(ctx context.Context, s stage) error {
	if have, err := cache.Has(w.path(s)); have || err != nil {
		w.say(s.name + ": in the cache")
		return err
	}
	return w.timed(s.name, func() error {
		return cache.Place(w.path(s), func(dir string) (string, error) { return s.build(ctx, w, s, dir) })
	})
}

// path is where the cache has s.
func (w *work) path(s stage) string { return s.path(w.dir) }

func (w *work) timed(name string, do func() error) error {
	started := time.Now()
	w.say(name + ": not there yet, making it")
	err := do()
	if err == nil {
		w.say(name + ": made in " + seconds(started))
	}
	return err
}

func seconds(since time.Time) string { return fmt.Sprintf("%.0f s", time.Since(since).Seconds()) }

// unsupported says that this machine lacks something, and what to do about it.
func unsupported(what, do string) error {
	return &lab.UnsupportedError{Runtime: "kind", Missing: []lab.Missing{{What: what, Do: do}}}
}
