// Package kernel keeps the kernels that guests boot.
//
// In: a name ("debian-12", "host") or a file, and the machine's own apt configuration. Out: a Kernel, an image with its
// release and its tree of modules, and from such a tree the modules in the order in which they load. It writes below the
// Store's directory only, never boots anything and never trusts a package that apt did not verify.
package kernel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Kernel is a kernel that can be booted.
type Kernel struct {
	Name    string // as asked for: "debian-12", "host" or the path of the image
	Release string // as in uname -r; empty when it was not fetched yet
	Image   string // path of the bzImage
	Modules string // directory that holds kernel/ and modules.builtin
	Version string // of the distribution's package; empty for other kernels
}

// Host and Default are names of kernels.
const (
	Host    = "host" // the kernel that this machine runs
	Default = "debian-12"
)

// MissingError says that a kernel cannot be had here.
type MissingError struct {
	What string
	Do   string // what a person can do about it
}

func (e *MissingError) Error() string { return e.What + ": " + e.Do }

// ErrName is wrapped when no kernel has the name asked for.
var ErrName = errors.New("no kernel of that name")

// ErrModules is wrapped when a kernel's modules are not where they are looked for.
var ErrModules = errors.New("no modules")

// FromFile describes the kernel in the file image, whose modules are in the directory modules: a tree of modules itself
// or a directory with lib/modules/RELEASE or usr/lib/modules/RELEASE in it. An empty modules looks beside the image.
func FromFile(image, modules string) (Kernel, error) {
	release, err := imageRelease(image)
	if err != nil {
		return Kernel{}, fmt.Errorf("kernel %s: %w", image, err)
	}
	if modules == "" {
		modules = filepath.Dir(image)
	}
	dir, ok := findModules(modules, release)
	if !ok {
		return Kernel{}, fmt.Errorf("kernel %s: %w of %s in %s", image, ErrModules, release, modules)
	}
	return Kernel{Name: image, Release: release, Image: image, Modules: dir}, nil
}

func fromHost() (Kernel, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return Kernel{}, fmt.Errorf("uname: %w", err)
	}
	release := unix.ByteSliceToString(u.Release[:])
	const do = "install the package of the running kernel, or choose another one with --kernel"
	modules, ok := findModules("/", release)
	if !ok {
		return Kernel{}, &MissingError{"modules of the running kernel " + release + " in /lib/modules", do}
	}
	for _, image := range []string{"/boot/vmlinuz-" + release, filepath.Join(modules, "vmlinuz")} {
		f, err := os.Open(image)
		if errors.Is(err, os.ErrPermission) {
			return Kernel{}, &MissingError{"permission to read " + image, "sudo chmod a+r " + image}
		}
		if err == nil {
			f.Close()
			return Kernel{Name: Host, Release: release, Image: image, Modules: modules}, nil
		}
	}
	return Kernel{}, &MissingError{"the image of the running kernel, /boot/vmlinuz-" + release, do}
}

// findModules returns the tree of release's modules at or below dir.
func findModules(dir, release string) (string, bool) {
	for _, sub := range []string{"lib/modules/" + release, "usr/lib/modules/" + release, release, "."} {
		tree := filepath.Join(dir, sub)
		if st, err := os.Stat(filepath.Join(tree, "kernel")); err == nil && st.IsDir() {
			return tree, true
		}
	}
	return "", false
}

// imageRelease reads the release out of a bzImage's header: the word at 0x20e points, less 0x200, to the text of
// `uname -r -v` (Documentation/arch/x86/boot.rst, kernel_version).
func imageRelease(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return "", err
	}
	b = b[:n]
	if len(b) < 0x210 || !bytes.Equal(b[0x202:0x206], []byte("HdrS")) {
		return "", errors.New("not an x86 bzImage")
	}
	at := int(binary.LittleEndian.Uint16(b[0x20e:])) + 0x200
	if at >= len(b) {
		return "", errors.New("bzImage without a version")
	}
	text, _, _ := bytes.Cut(b[at:], []byte{0})
	release, _, _ := strings.Cut(string(text), " ")
	if release == "" {
		return "", errors.New("bzImage without a version")
	}
	return release, nil
}
