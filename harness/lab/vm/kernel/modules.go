package kernel

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"
)

// Module is a module as it goes to the guest.
type Module struct {
	Name string // as /proc/modules has it, with underscores
	Data []byte // the ELF object, decompressed
}

// Tree is a directory of modules. It reads no modules.dep: packages do not carry one, depmod makes it at installation;
// what depmod reads, the .modinfo section of each module, is here as well.
type Tree struct {
	dir     string
	files   map[string]string // path below dir, by name
	builtin map[string]bool
}

// OpenTree lists the modules below dir.
func OpenTree(dir string) (*Tree, error) {
	t := &Tree{dir: dir, files: map[string]string{}, builtin: map[string]bool{}}
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		if name, ok := moduleName(file); ok {
			t.files[name], err = filepath.Rel(dir, file)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	list, err := os.ReadFile(filepath.Join(dir, "modules.builtin"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list modules: %w", err)
	}
	for _, line := range strings.Fields(string(list)) {
		if name, ok := moduleName(line); ok {
			t.builtin[name] = true
		}
	}
	return t, nil
}

// moduleName returns the name of the module in a file of that path: kernel/net/ipv4/netfilter/ipt_REJECT.ko.xz.
func moduleName(file string) (string, bool) {
	base, ext, ok := strings.Cut(filepath.Base(file), ".ko")
	if !ok || !slices.Contains([]string{"", ".xz", ".zst", ".gz"}, ext) {
		return "", false
	}
	return strings.ReplaceAll(base, "-", "_"), true
}

// Has reports whether the kernel has the module, as a file or built in.
func (t *Tree) Has(name string) bool { return t.files[name] != "" || t.builtin[name] }

// Match returns the names of modules in files that match the patterns, which are as in path.Match: in the order of the
// patterns, sorted for each.
func (t *Tree) Match(patterns ...string) []string {
	var names []string
	for _, p := range patterns {
		var fit []string
		for name := range t.files {
			if ok, err := path.Match(p, name); ok && err == nil {
				fit = append(fit, name)
			}
		}
		slices.Sort(fit)
		names = append(names, fit...)
	}
	return names
}

// Closure returns the named modules with all that they depend on, in an order in which they load. Names that are built
// in or unknown are passed over: ask Has. Soft dependencies count where the tree has them.
func (t *Tree) Closure(names []string) ([]Module, error) {
	c := closure{tree: t, seen: map[string]bool{}}
	for _, n := range names {
		if err := c.add(n); err != nil {
			return nil, err
		}
	}
	return c.order, nil
}

type closure struct {
	tree  *Tree
	seen  map[string]bool
	order []Module
}

func (c *closure) add(name string) error {
	file := c.tree.files[name]
	if c.seen[name] || file == "" {
		return nil
	}
	c.seen[name] = true
	data, err := readModule(filepath.Join(c.tree.dir, file))
	if err != nil {
		return fmt.Errorf("module %s: %w", name, err)
	}
	info, err := modinfo(data)
	if err != nil {
		return fmt.Errorf("module %s: %w", name, err)
	}
	for _, d := range slices.Concat(info.pre, info.depends) {
		if err := c.add(d); err != nil {
			return err
		}
	}
	c.order = append(c.order, Module{name, unsigned(data)})
	for _, d := range info.post {
		if err := c.add(d); err != nil {
			return err
		}
	}
	return nil
}

// info is the part of .modinfo that says what else a module wants.
type info struct{ depends, pre, post []string }

// modinfo reads "key=value" strings, each ended by a zero byte.
func modinfo(data []byte) (info, error) {
	var in info
	f, err := elf.NewFile(bytes.NewReader(data))
	if err != nil {
		return in, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return in, errors.New("no .modinfo section")
	}
	text, err := section.Data()
	if err != nil {
		return in, err
	}
	for _, line := range strings.Split(string(text), "\x00") {
		switch key, value, _ := strings.Cut(line, "="); key {
		case "depends":
			in.depends = append(in.depends, strings.FieldsFunc(underscores(value), func(r rune) bool { return r == ',' })...)
		case "softdep":
			into := &in.pre
			for _, w := range strings.Fields(value) {
				switch w {
				case "pre:":
					into = &in.pre
				case "post:":
					into = &in.post
				default:
					*into = append(*into, underscores(w))
				}
			}
		}
	}
	return in, nil
}

func underscores(s string) string { return strings.ReplaceAll(s, "-", "_") }

// readModule returns the module in a file, decompressed as the name says: not every kernel can do that itself.
func readModule(file string) ([]byte, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var r io.Reader
	switch filepath.Ext(file) {
	case ".ko":
		return raw, nil
	case ".gz":
		r, err = gzip.NewReader(bytes.NewReader(raw))
	case ".xz":
		r, err = xz.NewReader(bytes.NewReader(raw))
	case ".zst":
		var z *zstd.Decoder
		if z, err = zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1)); err == nil {
			defer z.Close()
			r = z
		}
	}
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// unsigned returns a module without the signature at its end. Under emulation checking it takes longer than all else about
// loading the module, 5 to 20 ms; apt has verified the package that it is from, and a module without only taints the
// guest's kernel, unless that was built with CONFIG_MODULE_SIG_FORCE, as no distribution's general kernel is. The
// signature ends in a mark, before which its length stands (include/linux/module_signature.h).
func unsigned(data []byte) []byte {
	body, ok := bytes.CutSuffix(data, []byte("~Module signature appended~\n"))
	const header = 12
	if !ok || len(body) < header {
		return data
	}
	length := int(binary.BigEndian.Uint32(body[len(body)-4:]))
	if length > len(body)-header {
		return data
	}
	return body[:len(body)-header-length]
}
