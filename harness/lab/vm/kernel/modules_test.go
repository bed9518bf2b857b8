package kernel

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// object returns an ELF object with nothing but a .modinfo section of these lines.
func object(t *testing.T, lines ...string) []byte {
	t.Helper()
	var text, b bytes.Buffer
	for _, l := range lines {
		text.WriteString(l + "\x00")
	}
	names := "\x00.modinfo\x00.shstrtab\x00"
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT), Ehsize: 64,
		Shoff: uint64(64 + text.Len() + len(names)), Shentsize: 64, Shnum: 3, Shstrndx: 2,
	}
	sections := []elf.Section64{
		{},
		{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: 64, Size: uint64(text.Len())},
		{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: uint64(64 + text.Len()), Size: uint64(len(names))},
	}
	for _, part := range []any{header, text.Bytes(), []byte(names), sections} {
		if err := binary.Write(&b, binary.LittleEndian, part); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// tree writes files below a new directory and opens it.
func tree(t *testing.T, files map[string][]byte) *Tree {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	tr, err := OpenTree(dir)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func packed(t *testing.T, data []byte, how string) []byte {
	t.Helper()
	var b bytes.Buffer
	switch how {
	case "xz":
		w, err := xz.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	case "zst":
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

func TestClosure(t *testing.T) {
	tr := tree(t, map[string][]byte{
		"modules.builtin":             []byte("kernel/net/ipv6/ipv6.ko\nkernel/crypto/aes-generic.ko\n"),
		"kernel/net/esp4.ko.xz":       packed(t, object(t, "license=GPL", "depends=xfrm-algo,crypto"), "xz"),
		"kernel/net/xfrm_algo.ko.zst": packed(t, object(t, "depends="), "zst"),
		"kernel/net/loop-a.ko":        object(t, "depends=loop_b"),
		"kernel/net/loop_b.ko":        object(t, "depends=loop_a"),
		"kernel/net/soft.ko":          object(t, "softdep=pre: loop-b post: xfrm_algo nowhere"),
		"build/esp4.ko.txt":           []byte("not a module"),
	})
	for _, c := range []struct {
		name        string
		names, want []string
	}{
		{"dependencies come first, each once", []string{"esp4", "esp4", "xfrm_algo"}, []string{"xfrm_algo", "esp4"}},
		{"built in and unknown ones are passed over", []string{"ipv6", "aes_generic", "nowhere"}, nil},
		{"a circle ends", []string{"loop_a"}, []string{"loop_b", "loop_a"}},
		{"soft dependencies count where they exist", []string{"soft"}, []string{"loop_a", "loop_b", "soft", "xfrm_algo"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			modules, err := tr.Closure(c.names)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, m := range modules {
				got = append(got, m.Name)
				if !bytes.HasPrefix(m.Data, []byte("\x7fELF")) {
					t.Errorf("%s is still packed", m.Name)
				}
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	for name, want := range map[string]bool{"esp4": true, "aes_generic": true, "nowhere": false} {
		if got := tr.Has(name); got != want {
			t.Errorf("has %s: %v", name, got)
		}
	}
	if d := cmp.Diff([]string{"xfrm_algo", "loop_a", "loop_b"}, tr.Match("xfrm_*", "loop_[ab]", "none_*")); d != "" {
		t.Error(d)
	}
}

func TestClosureOfDamagedModule(t *testing.T) {
	tr := tree(t, map[string][]byte{"kernel/a.ko.xz": []byte("\xfd7zXZ\x00 cut short"), "kernel/b.ko": []byte("text")})
	for _, name := range []string{"a", "b"} {
		if _, err := tr.Closure([]string{name}); err == nil || !strings.HasPrefix(err.Error(), "module "+name+": ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnsigned(t *testing.T) {
	const mark = "~Module signature appended~\n"
	signed := "ELF" + "signature" + strings.Repeat("\x00", 11) + "\x09" + mark
	for _, c := range []struct{ name, in, want string }{
		{"signed", signed, "ELF"},
		{"not signed", "ELF", "ELF"},
		{"a length that cannot be", "ELF" + "\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff" + mark, "ELF" + "\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff" + mark},
		{"only a mark", mark, mark},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(unsigned([]byte(c.in))); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
