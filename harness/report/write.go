package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// The files of a report.
const (
	JSONFile     = "report.json"
	JUnitFile    = "junit.xml"
	MarkdownFile = "report.md"
)

// JSON is report.json.
func JSON(r Report) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		panic(err) // nothing in a Report can refuse
	}
	return b.Bytes()
}

// Write writes the files of the report into dir, which it makes if need be. Each file is there whole or not at all,
// report.json last: who finds it finds the others. Reports of an earlier trial are taken away first. A kill at any
// moment leaves no other file. The error says which file could not be written.
func Write(dir string, r Report) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	files := []struct {
		name string
		text []byte
	}{{JUnitFile, JUnit(r)}, {MarkdownFile, Markdown(r)}, {JSONFile, JSON(r)}}
	if err := Remove(dir); err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := writeWhole(path, f.text); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	return nil
}

// Remove takes the report of an earlier trial away from dir, report.json first. What else is there stays.
func Remove(dir string) error {
	for _, name := range []string{JSONFile, MarkdownFile, JUnitFile} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("take an earlier report away: %w", err)
		}
	}
	return nil
}

// writeWhole writes a file that has no name until all of it is written (O_TMPFILE, open(2)): whatever kills the process
// before, the kernel takes it away. On filesystems that have no such files (NFS, 9p) it is written under its own name,
// and there alone a kill can leave a part of it.
func writeWhole(path string, text []byte) error {
	fd, err := unix.Open(filepath.Dir(path), unix.O_TMPFILE|unix.O_WRONLY|unix.O_CLOEXEC, 0o644)
	// What kernels and filesystems say that do not know the flag: open(2), BUGS.
	if errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOENT) {
		return writeNamed(path, text)
	}
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	if _, err := f.Write(text); err != nil {
		return errors.Unwrap(err)
	}
	if err := f.Sync(); err != nil {
		return errors.Unwrap(err)
	}
	return unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), unix.AT_FDCWD, path, unix.AT_SYMLINK_FOLLOW)
}

func writeNamed(path string, text []byte) error {
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return errors.Join(errors.Unwrap(err), os.Remove(path))
	}
	return nil
}
