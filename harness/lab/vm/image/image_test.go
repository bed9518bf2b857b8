package image

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cavaliergopher/cpio"
	"github.com/google/go-cmp/cmp"
)

// static writes the smallest file that counts as a statically linked program.
func static(t *testing.T, name string) string {
	t.Helper()
	var b bytes.Buffer
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Ehsize: 64,
	}
	if err := binary.Write(&b, binary.LittleEndian, header); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, b.Bytes(), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// content reads an archive back: a line for each entry, and what the regular files hold.
func content(t *testing.T, f io.Reader) (names []string, files map[string]string) {
	t.Helper()
	files = map[string]string{}
	r := cpio.NewReader(f)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return names, files
		}
		if err != nil {
			t.Fatal(err)
		}
		line := h.Mode.String() + " " + h.Name
		if h.Linkname != "" {
			line += " -> " + h.Linkname
		}
		names = append(names, line)
		if h.Mode.IsRegular() {
			b, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			files[h.Name] = string(b)
		}
	}
}

func TestImage(t *testing.T) {
	f, err := Build(&Spec{
		Binary:  static(t, "faultline"),
		Modules: []Module{{Name: "virtio", Data: []byte("one")}, {Name: "dummy", Data: []byte("two"), Params: "numdummies=0"}},
		Proxies: []string{static(t, "kube-proxy-v1.36.3")},
		Links:   map[string]string{"/usr/sbin/iptables": "xtables-nft-multi"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	names, files := content(t, f)
	want := map[string]string{"modules/order": "virtio\ndummy numdummies=0\n", "modules/virtio.ko": "one", "modules/dummy.ko": "two"}
	for name, text := range want {
		if files[name] != text {
			t.Errorf("%s is %q, want %q", name, files[name], text)
		}
	}
	if d := cmp.Diff(listing, strings.Join(names, "\n")); d != "" {
		t.Error(d)
	}
}

// listing is TestImage's archive.
const listing = `040755 dev
040755 etc
040755 etc/iproute2
040755 modules
040755 proc
040755 root
040755 run
040755 sys
040755 tmp
040755 usr
040755 usr/bin
040755 usr/lib
040755 usr/lib64
040755 usr/local
040755 usr/local/bin
040755 usr/sbin
040755 usr/share
040755 var
040755 var/lib
040755 var/log
0120777 bin -> usr/bin
0120777 lib -> usr/lib
0120777 lib64 -> usr/lib64
0120777 sbin -> usr/sbin
0120777 var/run -> /run
0100644 etc/group
0100644 etc/hosts
0100644 etc/nsswitch.conf
0100644 etc/passwd
0100644 etc/protocols
0100644 etc/services
0100755 init
0100644 modules/virtio.ko
0100644 modules/dummy.ko
0100644 modules/order
0100755 usr/local/bin/kube-proxy-v1.36.3
0120777 usr/sbin/iptables -> xtables-nft-multi`

func TestImageNeedsStaticInit(t *testing.T) {
	_, err := Build(&Spec{Binary: "/bin/sh"})
	want := "build initramfs: /bin/sh is dynamically linked and cannot be a guest's init: build it with CGO_ENABLED=0"
	if err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestProgramsBringTheirLibraries(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "shell") // a program of many names is looked up by its own
	if err := os.Symlink("/bin/sh", link); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	a := &archive{w: cpio.NewWriter(&b), have: map[string]bool{}}
	a.programs([]string{"/bin/sh", link, script}, nil)
	if a.err != nil {
		t.Fatal(a.err)
	}
	if err := a.w.Close(); err != nil {
		t.Fatal(err)
	}
	names, _ := content(t, &b)
	real, err := filepath.EvalSymlinks("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(names, "\n")
	for _, want := range []string{"/libc.so.6", "/ld-linux-x86-64.so.2", strings.TrimPrefix(link, "/") + " -> " + inGuest(real), strings.TrimPrefix(script, "/")} {
		if !strings.Contains(all+"\n", want+"\n") {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

func TestMissingLibrary(t *testing.T) {
	_, err := locate("libnowhere.so.1", elf.ELFCLASS64, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "libnowhere.so.1: not found in /lib/x86_64-linux-gnu, ") {
		t.Errorf("got %v", err)
	}
}

func TestInGuest(t *testing.T) {
	for in, want := range map[string]string{
		"/bin/sh": "/usr/bin/sh", "/lib64/ld.so": "/usr/lib64/ld.so", "/usr/sbin/nft": "/usr/sbin/nft", "/opt/x": "/opt/x",
	} {
		if d := cmp.Diff(want, inGuest(in)); d != "" {
			t.Error(d)
		}
	}
}
