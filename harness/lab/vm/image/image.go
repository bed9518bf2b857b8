// Package image writes the initial root file system of a guest.
//
// In: the harness's own binary, modules in load order, kube-proxy binaries and programs of this machine. Out: an
// anonymous file with a newc archive. Programs bring their shared libraries with them, as their ELF headers name them.
// It leaves no file behind, whenever it is killed: the archive has no name.
package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"
	"golang.org/x/sys/unix"
)

// Paths in the guest.
const (
	Init    = "/init"
	BinDir  = "/usr/local/bin" // of kube-proxies
	Modules = "/modules"       // of NAME.ko, and the list of their load order
	Order   = Modules + "/order"
)

// Spec is what an image holds besides directories and a few small files that programs look for.
type Spec struct {
	Binary   string            // path of the harness's binary, statically linked
	Modules  []Module          // in load order
	Proxies  []string          // paths of kube-proxy-VERSION
	Programs []string          // paths of this machine's programs, each with the libraries it needs
	Plugins  []string          // shared objects that programs load by themselves, each at its own path
	Links    map[string]string // symbolic links: path in the guest to target
}

// Module is a kernel module, with its parameters as modprobe would pass them.
type Module struct {
	Name   string
	Data   []byte
	Params string
}

// directories of the guest. The merged /usr is what all of Debian's and Ubuntu's supported releases have.
var directories = []string{
	"/dev", "/etc", "/etc/iproute2", "/modules", "/proc", "/root", "/run", "/sys", "/tmp", "/usr", "/usr/bin", "/usr/lib", "/usr/lib64",
	"/usr/local", "/usr/local/bin", "/usr/sbin", "/usr/share", "/var", "/var/lib", "/var/log",
}

var links = map[string]string{"/bin": "usr/bin", "/sbin": "usr/sbin", "/lib": "usr/lib", "/lib64": "usr/lib64", "/var/run": "/run"}

// small files: names of protocols and services as rule tools print and read them, and enough for a resolver to find
// no network.
var texts = map[string]string{
	"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\n",
	"/etc/group":         "root:x:0:\n",
	"/etc/hosts":         "127.0.0.1 localhost\n::1 localhost\n",
	"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nprotocols: files\nservices: files\n",
	"/etc/protocols":     "ip 0 IP\nicmp 1 ICMP\nipencap 4 IP-ENCAP\ntcp 6 TCP\nudp 17 UDP\nipv6 41 IPv6\ngre 47 GRE\nesp 50 IPSEC-ESP\nah 51 IPSEC-AH\nipv6-icmp 58 IPv6-ICMP\nsctp 132 SCTP\n",
	"/etc/services":      "domain 53/tcp\ndomain 53/udp\nhttp 80/tcp\nhttps 443/tcp\nisakmp 500/udp\nipsec-nat-t 4500/udp\nvxlan 4789/udp\n",
}

// Build writes the image that s describes. The caller closes the file.
func Build(s *Spec) (*os.File, error) {
	f, err := anonymous("faultline-initramfs")
	if err != nil {
		return nil, err
	}
	if err := write(f, s); err != nil {
		f.Close()
		return nil, fmt.Errorf("build initramfs: %w", err)
	}
	return f, nil
}

func anonymous(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make anonymous file: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func write(out io.Writer, s *Spec) error {
	if err := checkStatic(s.Binary); err != nil {
		return err
	}
	a := &archive{w: cpio.NewWriter(out), have: map[string]bool{}}
	for _, d := range directories {
		a.dir(d)
	}
	a.symlinks(links)
	for _, name := range sorted(texts) {
		a.bytes(name, 0o644, []byte(texts[name]))
	}
	a.file(Init, s.Binary)
	var order strings.Builder
	for _, m := range s.Modules {
		a.bytes(path.Join(Modules, m.Name+".ko"), 0o644, m.Data)
		order.WriteString(strings.TrimSpace(m.Name+" "+m.Params) + "\n")
	}
	a.bytes(Order, 0o644, []byte(order.String()))
	for _, p := range s.Proxies {
		a.file(path.Join(BinDir, path.Base(p)), p)
	}
	a.programs(s.Programs, s.Plugins)
	a.symlinks(s.Links)
	if a.err != nil {
		return a.err
	}
	return a.w.Close()
}

// checkStatic refuses a binary that needs a loader: the guest's init is started by the kernel, before anything else.
func checkStatic(name string) error {
	f, err := elf.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if interpreter(f) != "" {
		return fmt.Errorf("%s is dynamically linked and cannot be a guest's init: build it with CGO_ENABLED=0", name)
	}
	return nil
}

// archive writes each path once and keeps the first error.
type archive struct {
	w    *cpio.Writer
	have map[string]bool
	err  error
}

func (a *archive) dir(name string) { a.entry(name, cpio.TypeDir|0o755, 0, nil) }

// parents makes the directories above name.
func (a *archive) parents(name string) {
	if d := path.Dir(name); d != "/" && !a.have[d] {
		a.parents(d)
		a.dir(d)
	}
}

func (a *archive) bytes(name string, perm cpio.FileMode, b []byte) {
	a.parents(name)
	a.entry(name, cpio.TypeReg|perm, int64(len(b)), bytes.NewReader(b))
}

// file copies the file from of this machine to name.
func (a *archive) file(name, from string) {
	if a.err != nil || a.have[name] {
		return
	}
	f, err := os.Open(from)
	if err != nil {
		a.err = err
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		a.err = err
		return
	}
	a.parents(name)
	a.entry(name, cpio.TypeReg|0o755, st.Size(), f)
}

func (a *archive) symlinks(all map[string]string) {
	for _, name := range sorted(all) {
		a.parents(name)
		a.entry(name, cpio.TypeSymlink|0o777, int64(len(all[name])), strings.NewReader(all[name]))
	}
}

func (a *archive) entry(name string, mode cpio.FileMode, size int64, body io.Reader) {
	if a.err != nil || a.have[name] {
		return
	}
	a.have[name] = true
	h := &cpio.Header{Name: strings.TrimPrefix(name, "/"), Mode: mode, Size: size, Links: 1}
	if a.err = a.w.WriteHeader(h); a.err != nil || body == nil {
		return
	}
	n, err := io.Copy(a.w, body)
	if err == nil && n != size {
		err = errors.New("changed while it was read")
	}
	if err != nil {
		a.err = fmt.Errorf("%s: %w", name, err)
	}
}

func sorted(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
