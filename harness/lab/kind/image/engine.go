package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/faultline-lab/faultline/harness/internal/tail"
	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// builder is the container engine, Docker or Podman, with what making an image takes of it.
type builder struct{ *engine.Engine }

// label marks the containers of a build with the cache that they are made for. Whoever has the lock of that cache knows
// that any such container was left by a build that was killed.
const label = "faultline.node-image"

// cleanupTimeout bounds the taking back, which goes on after an interrupt.
const cleanupTimeout = time.Minute

// has reports whether the engine has an image of that tag.
func (b *builder) has(ctx context.Context, tag string) (bool, error) {
	out, err := b.Output(ctx, "image", "ls", "--quiet", b.Reference(tag))
	return strings.TrimSpace(string(out)) != "", err
}

// newBuilder returns the engine of that name, as engine.Find does.
func newBuilder(ctx context.Context, name string) (*builder, error) {
	e, err := engine.Find(ctx, name)
	if err != nil {
		return nil, err
	}
	if e.Platform != "linux/amd64" || runtime.GOARCH != "amd64" {
		return nil, unsupported("a container engine for linux/amd64, this one is for "+e.Platform, "the packages of node images are pinned for that alone")
	}
	return &builder{e}, nil
}

// removeLeft removes the containers that killed builds for the cache left, and the images that only those used.
func (b *builder) removeLeft(ctx context.Context, cache string) error {
	left, err := b.Containers(ctx, label+"="+cache, "{{.ID}} {{.Image}}")
	if err != nil {
		return err
	}
	for _, line := range left {
		id, image, _ := strings.Cut(line, " ")
		if err := b.Remove(ctx, id); err != nil {
			return err
		}
		_ = b.removeImage(ctx, image) // one with images made from it stays, and that is right
	}
	return nil
}

// importTree makes an image without a name of a tar stream, and returns its ID. u takes it back.
func (b *builder) importTree(ctx context.Context, u *undo.Stack, tree io.Reader) (id string, err error) {
	out, err := b.Feed(ctx, tree, "import", "-")
	if err != nil {
		return "", err
	}
	id = strings.TrimSpace(string(out))
	u.Push(func() error { return b.cleanup(ctx, func(ctx context.Context) error { return b.removeImage(ctx, id) }) })
	return id, nil
}

func (b *builder) removeImage(ctx context.Context, id string) error {
	_, err := b.Output(ctx, "rmi", id)
	return err
}

// create makes a container of an image, for the cache, that runs a shell script without network. u takes it back.
func (b *builder) create(ctx context.Context, u *undo.Stack, cache, image, script string, args ...string) (id string, err error) {
	all := append([]string{"create", "--interactive", "--network=none", "--label=" + label + "=" + cache, "--entrypoint=/bin/sh"}, args...)
	out, err := b.Output(ctx, append(all, image, "-euc", script)...)
	if err != nil {
		return "", err
	}
	id = strings.TrimSpace(string(out))
	u.Push(func() error { return b.cleanup(ctx, func(ctx context.Context) error { return b.Remove(ctx, id) }) })
	return id, nil
}

// cleanup takes something back, when ctx has ended too.
func (b *builder) cleanup(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return do(ctx)
}

// command runs a program that dies with this process. The error says in words of the program what went wrong.
func command(ctx context.Context, program string, args []string, set func(*exec.Cmd)) error {
	said := tail.Buffer{Limit: tailSize}
	c := exec.CommandContext(ctx, program, args...)
	c.Stderr = &said
	c.SysProcAttr = &syscall.SysProcAttr{}
	set(c)
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	c.WaitDelay = 5 * time.Second
	err := engine.Run(c)
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if err != nil {
		err = errors.Join(err, words(&said))
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(program), args[0], err)
	}
	return nil
}

// tailSize is enough for the last lines of a package that could not be configured.
const tailSize = 2000

// words are what a program said, as an error; nil if that is nothing.
func words(said fmt.Stringer) error {
	if s := strings.TrimSpace(said.String()); s != "" {
		return errors.New(s)
	}
	return nil
}

// output runs a program of the image's, here, and returns what it prints.
func output(ctx context.Context, program string, args ...string) (string, error) {
	var out bytes.Buffer
	err := command(ctx, program, args, func(c *exec.Cmd) { c.Stdout = &out })
	return out.String(), err
}
