package image

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// programs adds programs and plugins at the paths that they have here, with the loader and the shared libraries of each.
// A program that is a link goes in under the name asked for: multi-call binaries look at their name.
func (a *archive) programs(programs, plugins []string) {
	for _, p := range append(append([]string(nil), programs...), plugins...) {
		if a.err != nil {
			return
		}
		libs, err := libraries(p)
		if err != nil {
			a.err = fmt.Errorf("libraries of %s: %w", p, err)
			return
		}
		for _, l := range libs {
			a.file(inGuest(l), l)
		}
		a.program(p)
	}
}

// program adds p; where p is a link, the file it ends at and a link to that.
func (a *archive) program(p string) {
	real, err := filepath.EvalSymlinks(p)
	if err != nil {
		a.err = err
		return
	}
	a.file(inGuest(real), real)
	if name := inGuest(p); name != inGuest(real) {
		a.symlinks(map[string]string{name: inGuest(real)})
	}
}

// inGuest returns the guest's path of a file of this machine: the same, but in the merged /usr.
func inGuest(p string) string {
	for _, d := range []string{"/bin/", "/sbin/", "/lib/", "/lib64/"} {
		if strings.HasPrefix(p, d) {
			return "/usr" + p
		}
	}
	return path.Clean(p)
}

// libraries returns the loader and the shared libraries that the ELF file p needs, each once, dependencies of
// dependencies included. Scripts need none here: their interpreter is a program of its own.
func libraries(p string) ([]string, error) {
	r := resolver{seen: map[string]bool{}}
	if err := r.add(p, nil); err != nil {
		return nil, err
	}
	return r.order, nil
}

type resolver struct {
	seen  map[string]bool
	order []string
}

func (r *resolver) add(p string, inherited []string) error {
	file, err := os.Open(p)
	if err != nil {
		return err
	}
	defer file.Close()
	magic := make([]byte, 2)
	if _, err := io.ReadFull(file, magic); err == nil && string(magic) == "#!" {
		return nil
	}
	f, err := elf.NewFile(file)
	if err != nil {
		return err
	}
	if loader := interpreter(f); loader != "" && !r.seen[loader] {
		r.seen[loader] = true
		r.order = append(r.order, loader)
	}
	needed, err := f.ImportedLibraries()
	if err != nil {
		return err
	}
	dirs := append(runPath(f, p), inherited...)
	for _, name := range needed {
		if r.seen[name] {
			continue
		}
		r.seen[name] = true
		lib, err := locate(name, f.Class, dirs)
		if err != nil {
			return err
		}
		if !r.seen[lib] {
			r.order = append(r.order, lib)
		}
		if err := r.add(lib, dirs); err != nil {
			return err
		}
	}
	return nil
}

// interpreter returns the loader that f asks the kernel for, empty for a statically linked program.
func interpreter(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, err := io.ReadAll(p.Open())
			if err != nil {
				return ""
			}
			return strings.TrimRight(string(b), "\x00")
		}
	}
	return ""
}

// runPath returns the directories that f itself names (DT_RUNPATH, DT_RPATH), $ORIGIN being its own.
func runPath(f *elf.File, p string) []string {
	var dirs []string
	for _, tag := range []elf.DynTag{elf.DT_RUNPATH, elf.DT_RPATH} {
		values, err := f.DynString(tag)
		if err != nil {
			continue
		}
		for _, v := range values {
			for _, d := range strings.Split(v, ":") {
				dirs = append(dirs, os.Expand(d, func(name string) string {
					if name == "ORIGIN" {
						return filepath.Dir(p)
					}
					return ""
				}))
			}
		}
	}
	return dirs
}

// systemDirs are where loaders look without ld.so.cache, which the guest does not have.
var systemDirs = []string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"}

// locate finds the library name for class, in dirs and then where loaders look.
func locate(name string, class elf.Class, dirs []string) (string, error) {
	for _, d := range append(append([]string(nil), dirs...), systemDirs...) {
		lib := filepath.Join(d, name)
		f, err := elf.Open(lib)
		if err != nil {
			continue
		}
		fits := f.Class == class && f.Machine == elf.EM_X86_64
		if err := f.Close(); err != nil {
			return "", err
		}
		if fits {
			return lib, nil
		}
	}
	return "", fmt.Errorf("%s: %w in %s", name, errors.New("not found"), strings.Join(systemDirs, ", "))
}
