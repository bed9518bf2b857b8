package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Store keeps fetched kernels in a directory, one folder each. A folder appears under its name when it is complete:
// what a killed fetch left lies under another name, and the next fetch removes it. Several processes may share a Store.
type Store struct {
	Dir      string       // made when first needed
	Progress func(string) // told what a long fetch does; nil: nobody is
}

// distribution is a kernel that Debian packages.
type distribution struct {
	name     string
	suites   []string // of the main archive
	security []string // of the security archive
}

// distributions in the order in which List shows them. Bullseye's 5.10 lives on in its security suite alone.
var distributions = []distribution{
	{name: "debian-11", security: []string{"bullseye-security"}},
	{name: "debian-12", suites: []string{"bookworm"}, security: []string{"bookworm-security"}},
	{name: "debian-13", suites: []string{"trixie"}, security: []string{"trixie-security"}},
	{name: "debian-13-backports", suites: []string{"trixie-backports"}},
}

// Names returns the names that Get knows.
func Names() []string {
	names := make([]string, 0, len(distributions)+1)
	for _, d := range distributions {
		names = append(names, d.name)
	}
	return append(names, Host)
}

// List returns the kernels by name, fetched or not, and the machine's own last. Release and the paths are empty for
// one that is not here.
func (s *Store) List() ([]Kernel, error) {
	var all []Kernel
	for _, d := range distributions {
		k, err := s.fetched(d.name)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
		k.Name = d.name
		all = append(all, k)
	}
	host, err := fromHost()
	if missing := (*MissingError)(nil); err != nil && !errors.As(err, &missing) {
		return nil, err
	}
	host.Name = Host
	return append(all, host), nil
}

// Get returns the kernel of that name, the path of an image included, and fetches it first where it can be fetched and
// is not here. modules is the directory of modules of a kernel given by its path, else unused. The error is a
// *MissingError when this machine cannot have that kernel, and wraps ErrName when there is no such kernel.
func (s *Store) Get(ctx context.Context, name, modules string) (Kernel, error) {
	switch {
	case name == Host:
		return fromHost()
	case strings.Contains(name, "/"):
		return FromFile(name, modules)
	}
	k, err := s.fetched(name)
	if errors.Is(err, os.ErrNotExist) {
		return s.Fetch(ctx, name)
	}
	return k, err
}

// Fetch gets the newest package of the named kernel, also when an older one is here already.
func (s *Store) Fetch(ctx context.Context, name string) (Kernel, error) {
	var d *distribution
	for i := range distributions {
		if distributions[i].name == name {
			d = &distributions[i]
		}
	}
	if d == nil {
		return Kernel{}, fmt.Errorf("kernel %q: %w: have %s, or the path of an image", name, ErrName, strings.Join(Names(), ", "))
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return Kernel{}, err
	}
	defer unlock()
	if err := s.fetch(ctx, d); err != nil {
		return Kernel{}, fmt.Errorf("fetch kernel %s: %w", name, err)
	}
	return s.fetched(name)
}

// partialSuffix is of the folder of a kernel that is not complete.
const partialSuffix = ".partial"

func (s *Store) fetch(ctx context.Context, d *distribution) error {
	final := filepath.Join(s.Dir, d.name)
	partial, old := final+partialSuffix, final+".old"
	// Whatever has these names while the lock is held was left by a process that died.
	if err := errors.Join(os.RemoveAll(partial), os.RemoveAll(old)); err != nil {
		return err
	}
	dir, err := filepath.Abs(filepath.Join(partial, "apt")) // apt runs there
	if err != nil {
		return err
	}
	a := &apt{dir: dir, progress: s.say}
	had, _ := s.fetched(d.name)
	version, err := a.fetch(ctx, d, filepath.Join(filepath.Dir(dir), "root"), had.Version)
	if err == nil && version != had.Version {
		err = complete(partial, version)
	}
	switch {
	case err != nil:
		return errors.Join(err, os.RemoveAll(partial))
	case version == had.Version:
		return os.RemoveAll(partial)
	}
	if err := os.Rename(final, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(partial, final); err != nil {
		return err
	}
	return os.RemoveAll(old)
}

// manifest is the file kernel.json of a fetched kernel.
type manifest struct {
	Version string `json:"version"` // of the package
	Release string `json:"release"`
	Image   string `json:"image"`   // below the kernel's folder
	Modules string `json:"modules"` // below the kernel's folder
}

// complete removes what only the fetch needed and writes the manifest.
func complete(dir, version string) error {
	if err := os.RemoveAll(filepath.Join(dir, "apt")); err != nil {
		return err
	}
	root := filepath.Join(dir, "root")
	var images []string
	for _, pattern := range []string{"boot/vmlinuz-*", "usr/lib/modules/*/vmlinuz", "lib/modules/*/vmlinuz"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return err
		}
		images = append(images, found...)
	}
	if len(images) != 1 {
		return fmt.Errorf("package %s has %d kernel images, want 1", version, len(images))
	}
	k, err := FromFile(images[0], root)
	if err != nil {
		return err
	}
	m := manifest{Version: version, Release: k.Release}
	if m.Image, err = filepath.Rel(dir, k.Image); err != nil {
		return err
	}
	if m.Modules, err = filepath.Rel(dir, k.Modules); err != nil {
		return err
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "kernel.json"), append(text, '\n'), 0o644)
}

// fetched returns the named kernel as it lies in the store; the error wraps os.ErrNotExist when it does not.
func (s *Store) fetched(name string) (Kernel, error) {
	dir := filepath.Join(s.Dir, name)
	text, err := os.ReadFile(filepath.Join(dir, "kernel.json"))
	if err != nil {
		return Kernel{}, fmt.Errorf("read kernel: %w", err)
	}
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return Kernel{}, fmt.Errorf("read kernel: %s: %w: remove the folder to fetch it again", dir, err)
	}
	return Kernel{Name: name, Release: m.Release, Image: filepath.Join(dir, m.Image), Modules: filepath.Join(dir, m.Modules), Version: m.Version}, nil
}

// lock keeps other processes from fetching into the same store. The kernel drops the lock when its holder dies.
func (s *Store) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make kernel store: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(s.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock kernel store: %w", err)
	}
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
		return func() { f.Close() }, nil
	}
	s.say("waiting for another run that fetches a kernel")
	got := make(chan error)
	go func() {
		err := flock(f)
		select {
		case got <- err:
		case <-ctx.Done(): // nobody waits any more: a lock that comes after all is given back
			f.Close()
		}
	}()
	select {
	case err := <-got:
		if err != nil {
			f.Close()
			return nil, fmt.Errorf("lock kernel store: %w", err)
		}
		return func() { f.Close() }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("lock kernel store: %w", ctx.Err())
	}
}

func flock(f *os.File) error {
	for {
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

func (s *Store) say(line string) {
	if s.Progress != nil {
		s.Progress(line)
	}
}
