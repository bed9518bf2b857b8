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

	"github.com/faultline-lab/faultline/harness/internal/undo"
)

// docker talks to the daemon through the machine's docker command, so that it is the daemon that kind talks to.
type docker struct {
	path string
	root string // the daemon's directory, on this machine or another
}

// label marks the containers of a build with the cache that they are made for. Whoever has the lock of that cache knows
// that any such container was left by a build that was killed.
const label = "faultline.node-image"

// cleanupTimeout bounds the taking back, which goes on after an interrupt.
const cleanupTimeout = time.Minute

// newDocker returns the daemon, once it has answered.
func newDocker(ctx context.Context) (*docker, error) {
	path, err := exec.LookPath("docker")
	if err != nil {
		return nil, unsupported("docker", "install Docker (apt-get install docker.io) and start its daemon")
	}
	d := &docker{path: path}
	out, err := d.output(ctx, "info", "--format", "{{.OSType}}/{{.Architecture}} {{.DockerRootDir}}")
	if ctx.Err() != nil {
		return nil, err
	}
	platform, root, ok := strings.Cut(out, " ")
	if err == nil && (!ok || strings.HasPrefix(out, "/")) {
		err = fmt.Errorf("docker info: %q", out)
	}
	if err != nil {
		return nil, unsupported("a Docker daemon that answers: "+strings.Join(strings.Fields(err.Error()), " "), "start it (systemctl start docker), and see that `docker info` shows a server to this user")
	}
	if platform != "linux/x86_64" || runtime.GOARCH != "amd64" {
		return nil, unsupported("a Docker daemon for linux/x86_64, this one is for "+platform, "the packages of node images are pinned for that alone")
	}
	d.root = root
	return d, nil
}

// has reports whether the daemon has an image of that tag.
func (d *docker) has(ctx context.Context, tag string) (bool, error) {
	out, err := d.output(ctx, "image", "ls", "--quiet", tag)
	return out != "", err
}

// removeLeft removes the containers that killed builds for the cache left, and the images that only those used.
func (d *docker) removeLeft(ctx context.Context, cache string) error {
	out, err := d.output(ctx, "ps", "--all", "--no-trunc", "--filter", "label="+label+"="+cache, "--format", "{{.ID}} {{.Image}}")
	if err != nil {
		return err
	}
	for _, line := range strings.Split(out, "\n") {
		id, image, ok := strings.Cut(line, " ")
		if !ok {
			continue
		}
		if _, err := d.output(ctx, "rm", "--force", "--volumes", id); err != nil {
			return err
		}
		_ = d.removeImage(ctx, image) // one with images made from it stays, and that is right
	}
	return nil
}

// importTree makes an image without a name of a tar stream, and returns its ID. u takes it back.
func (d *docker) importTree(ctx context.Context, u *undo.Stack, tree io.Reader) (id string, err error) {
	var out bytes.Buffer
	if err := d.run(ctx, tree, &out, "import", "-"); err != nil {
		return "", err
	}
	id = strings.TrimSpace(out.String())
	u.Push(func() error { return d.cleanup(ctx, func(ctx context.Context) error { return d.removeImage(ctx, id) }) })
	return id, nil
}

func (d *docker) removeImage(ctx context.Context, id string) error {
	_, err := d.output(ctx, "rmi", id)
	return err
}

// create makes a container of an image, for the cache, that runs a shell script without network. u takes it back.
func (d *docker) create(ctx context.Context, u *undo.Stack, cache, image, script string, args ...string) (id string, err error) {
	all := append([]string{"create", "--interactive", "--network=none", "--label=" + label + "=" + cache, "--entrypoint=/bin/sh"}, args...)
	id, err = d.output(ctx, append(all, image, "-euc", script)...)
	if err != nil {
		return "", err
	}
	u.Push(func() error {
		return d.cleanup(ctx, func(ctx context.Context) error {
			_, err := d.output(ctx, "rm", "--force", "--volumes", id)
			return err
		})
	})
	return id, nil
}

// cleanup takes something back, when ctx has ended too.
func (d *docker) cleanup(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return do(ctx)
}

// output runs docker and returns what it prints, without the space around it.
func (d *docker) output(ctx context.Context, args ...string) (string, error) {
	var out bytes.Buffer
	err := d.run(ctx, nil, &out, args...)
	return strings.TrimSpace(out.String()), err
}

// run runs docker. The error carries the end of what it wrote to its standard error.
func (d *docker) run(ctx context.Context, in io.Reader, out io.Writer, args ...string) error {
	return command(ctx, d.path, args, func(c *exec.Cmd) { c.Stdin, c.Stdout = in, out })
}

// command runs a program that dies with this process. The error says in words of the program what went wrong.
func command(ctx context.Context, program string, args []string, set func(*exec.Cmd)) error {
	// Pdeathsig is bound to the thread that starts the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	said := &tail{}
	c := exec.CommandContext(ctx, program, args...)
	c.Stderr = said
	c.SysProcAttr = &syscall.SysProcAttr{}
	set(c)
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	c.WaitDelay = 5 * time.Second
	err := c.Run()
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	} else if err != nil {
		err = errors.Join(err, said.err())
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", filepath.Base(program), args[0], err)
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail struct{ kept []byte }

// tailSize is enough for the last lines of a package that could not be configured.
const tailSize = 2000

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if n := len(t.kept); n > tailSize {
		t.kept = append(t.kept[:0], t.kept[n-tailSize:]...)
	}
	return len(p), nil
}

func (t *tail) err() error {
	if s := strings.TrimSpace(string(t.kept)); s != "" {
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
