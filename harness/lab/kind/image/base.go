package image

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/faultline-lab/faultline/harness/internal/gotool"
	"github.com/faultline-lab/faultline/harness/internal/tail"
	"github.com/faultline-lab/faultline/harness/internal/undo"
)

// The release of Debian that the packages are of. A newer one's systemd refuses hosts with cgroup v1.
const suite = "bookworm"

// The files of the base, in its directory in the cache.
const (
	baseTree  = "base.tar"  // all of the operating system
	proxyTree = "proxy.tar" // what kube-proxy's image has of it

	containerdConfig = "config.toml" // what its containerd is configured with
)

// buildBase installs the operating system. debootstrap unpacks as much as needs no root; in a container, which is root's
// place without being root's machine, its second stage installs what is there, and base.sh makes a node's base of it.
func buildBase(ctx context.Context, w *work, _ stage, dir string) (string, error) {
	all, err := parseIndex(packages)
	if err != nil {
		return "", err
	}
	files, err := w.fetch(ctx, all, filepath.Join(w.dir, "packages"))
	if err != nil {
		return "", err
	}
	mirror, tree, out := filepath.Join(dir, "mirror"), filepath.Join(dir, "tree"), filepath.Join(dir, "out")
	if err := writeMirror(mirror, packages, all, files); err != nil {
		return "", fmt.Errorf("write mirror: %w", err)
	}
	w.say("base: debootstrap unpacks")
	if err := debootstrap(ctx, all, mirror, tree); err != nil {
		return "", err
	}
	kindFiles, err := w.kindFiles(ctx, dir)
	if err != nil {
		return "", err
	}
	// dpkg need not see every file on the disk before it goes on: nothing of this outlives a failure.
	err = errors.Join(
		copyTree(kindFiles, filepath.Join(tree, "kind-files")),
		os.WriteFile(filepath.Join(tree, "etc/dpkg/dpkg.cfg.d/unsafe-io"), []byte("force-unsafe-io\n"), 0o644),
		os.Mkdir(out, 0o755),
	)
	if err != nil {
		return "", err
	}
	config, err := os.ReadFile(filepath.Join(kindFiles, "etc", "containerd", "config.toml"))
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(out, containerdConfig), config, 0o644); err != nil {
		return "", err
	}
	return out, w.install(ctx, tree, out)
}

// writeMirror writes a mirror of Debian that has the given packages alone.
func writeMirror(dir, index string, all []debian, files map[string]string) error {
	index = strings.TrimSpace(index) + "\n\n" // debootstrap sees an entry when the empty line after it comes
	const list = "main/binary-amd64/Packages"
	dist := filepath.Join(dir, "dists", suite)
	release := fmt.Sprintf("Suite: %s\nCodename: %s\nArchitectures: amd64\nComponents: main\nSHA256:\n %x %d %s\n",
		suite, suite, sha256.Sum256([]byte(index)), len(index), list)
	err := errors.Join(
		os.MkdirAll(filepath.Dir(filepath.Join(dist, list)), 0o755),
		os.WriteFile(filepath.Join(dist, list), []byte(index), 0o644),
		os.WriteFile(filepath.Join(dist, "Release"), []byte(release), 0o644),
	)
	for _, p := range all {
		to := filepath.Join(dir, p.filename)
		err = errors.Join(err, os.MkdirAll(filepath.Dir(to), 0o755), os.Link(files[p.name], to))
	}
	return err
}

// debootstrap does its first stage, in namespaces of its own: the caller need not be root, it has no network, and neither
// processes nor mounts outlive it.
func debootstrap(ctx context.Context, all []debian, mirror, tree string) error {
	var names []string
	for _, p := range all {
		names = append(names, p.name)
	}
	args := []string{
		"--foreign", "--arch=amd64", "--variant=minbase", "--no-check-gpg", // each package was checked already
		"--include=" + strings.Join(names, ","), suite, tree, "file://" + mirror,
	}
	err := command(ctx, lookPath("debootstrap"), args, func(c *exec.Cmd) {
		// In a container it tries to make no devices, and tar is not to give files to users that the namespace has not:
		// dpkg, in the second stage, unpacks all of them again.
		c.Env = append(c.Environ(), "container=lxc", "TAR_OPTIONS=--no-same-owner", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
		c.Stdout = c.Stderr // where it says what is wrong
		c.SysProcAttr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID
		c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	})
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) && strings.Contains(err.Error(), "fork/exec") {
		return unsupported("user namespaces: "+err.Error(), "allow them (sysctl user.max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns)")
	}
	return err
}

// kindFiles returns the directory with the files of kind's base image.
func (w *work) kindFiles(ctx context.Context, dir string) (string, error) {
	g, err := gotool.New(dir, w.say)
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module faultline.invalid/kind\n"), 0o644); err != nil {
		return "", err
	}
	out, err := g.Run(ctx, "fetch kind", "mod", "download", "-json", kindModule+"@"+kindVersion)
	if err != nil {
		return "", err
	}
	var m struct{ Dir, Sum string }
	if err := json.Unmarshal(out, &m); err != nil {
		return "", fmt.Errorf("read answer of go mod download: %w", err)
	}
	if m.Sum != kindSum {
		return "", fmt.Errorf("%s@%s has the checksum %s, want %s", kindModule, kindVersion, m.Sum, kindSum)
	}
	return filepath.Join(m.Dir, "images", "base", "files"), nil
}

// copyTree copies files with the modes that kind's base image gives them: a module's files have none of their own.
func copyTree(from, to string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if filepath.Base(filepath.Dir(rel)) == "bin" {
			mode = 0o755
		}
		return os.WriteFile(filepath.Join(to, rel), text, mode)
	})
}

// install runs base.sh in a container of tree and writes to the directory out what that makes.
func (w *work) install(ctx context.Context, tree, out string) (err error) {
	var u undo.Stack
	defer func() { err = errors.Join(err, u.Unwind()) }()
	w.say("base: hand it to the container engine")
	image, err := w.importDir(ctx, &u, tree)
	if err != nil {
		return err
	}
	id, err := w.engine.create(ctx, &u, w.dir, image, baseScript)
	if err != nil {
		return err
	}
	if err := w.runBase(ctx, id); err != nil {
		return err
	}
	w.say("base: take it from the container engine")
	r, to := io.Pipe()
	exported := make(chan error, 1)
	go func() {
		err := w.engine.Stream(ctx, nil, to, "export", id)
		to.CloseWithError(err)
		exported <- err
	}()
	err = splitBase(r, filepath.Join(out, baseTree), filepath.Join(out, proxyTree))
	r.CloseWithError(err)
	return errors.Join(err, <-exported)
}

// importDir makes an image of the directory tree, all of it root's.
func (w *work) importDir(ctx context.Context, u *undo.Stack, tree string) (id string, err error) {
	r, to := io.Pipe()
	packed := make(chan error, 1)
	go func() {
		args := []string{"--create", "--numeric-owner", "--owner=0", "--group=0", "--sort=name", "--directory=" + tree, "."}
		err := command(ctx, "tar", args, func(c *exec.Cmd) { c.Stdout = to })
		to.CloseWithError(err)
		packed <- err
	}()
	id, err = w.engine.importTree(ctx, u, r)
	r.CloseWithError(err)
	return id, errors.Join(err, <-packed)
}

// runBase runs the container of base.sh and tells how many packages it has configured.
func (w *work) runBase(ctx context.Context, id string) error {
	progress := &configured{Buffer: tail.Buffer{Limit: tailSize}, say: w.say, last: time.Now()}
	if err := w.engine.Stream(ctx, nil, progress, "start", "--attach", id); err != nil {
		return errors.Join(err, words(progress))
	}
	return nil
}

// configured reads what debootstrap prints: lines like "I: Configuring systemd...".
type configured struct {
	tail.Buffer
	say  func(string)
	last time.Time
	did  int
}

func (c *configured) Write(p []byte) (int, error) {
	c.did += strings.Count(string(p), "I: Unpacking ") + strings.Count(string(p), "I: Configuring ")
	if now := time.Now(); now.Sub(c.last) >= progressEvery {
		c.last = now
		c.say(fmt.Sprintf("base: %d steps of about %d: %s", c.did, 2*strings.Count(packages, "\nFilename: "), lastLine(string(p))))
	}
	return c.Buffer.Write(p)
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndex(s, "\n")+1:]
}

// splitBase reads the export of base.sh's container and writes the base, and apart from it the file proxy.tar.
func splitBase(r io.Reader, base, proxy string) (err error) {
	f, err := os.Create(base)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	from, to := tar.NewReader(r), tar.NewWriter(f)
	split := false
	for {
		h, err := from.Next()
		if errors.Is(err, io.EOF) && !split {
			return fmt.Errorf("the base has no file %s", proxyTree)
		}
		if errors.Is(err, io.EOF) {
			_, err = io.Copy(io.Discard, r) // a writer that is not read to the end fails
			return errors.Join(err, to.Close())
		}
		if err != nil {
			return fmt.Errorf("read the base: %w", err)
		}
		if h.Name == proxyTree {
			split = true
			err = writeFile(proxy, from)
		} else if err = to.WriteHeader(h); err == nil {
			_, err = io.Copy(to, from)
		}
		if err != nil {
			return fmt.Errorf("write the base: %s: %w", h.Name, err)
		}
	}
}

func writeFile(name string, r io.Reader) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Close())
}
