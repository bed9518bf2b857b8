// Package cache keeps what takes long to make: files and directories that appear under their name when they are whole.
//
// In: the path at which a thing is to be, and how to make it. Out: the thing at its path. Any number of processes may ask
// at once. It never looks into a thing, and never makes one anew that is there.
package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Make sees that path exists. If it does not, make makes it: in the directory work, which is its alone and empty, from
// which it returns the path of what it made. Of several processes one makes it, the others wait; waiting, which may be nil,
// is called once by those. Nothing is left when make fails or ctx ends; of a process that was killed the work directory is
// left, which nothing reads and which the next Make removes.
func Make(ctx context.Context, path string, waiting func(), make func(work string) (made string, err error)) error {
	if have, err := Has(path); have || err != nil {
		return err
	}
	dir, name := filepath.Split(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make cache: %w", err)
	}
	unlock, err := Lock(ctx, filepath.Join(dir, ".lock-"+name), waiting)
	if err != nil {
		return err
	}
	defer unlock()
	if have, err := Has(path); have || err != nil {
		return err
	}
	return Place(path, make)
}

// Place makes what is to be at path, as Make does, for a caller who sees to it that nobody else does.
func Place(path string, make func(work string) (made string, err error)) (err error) {
	dir, name := filepath.Split(path)
	work := filepath.Join(dir, ".build-"+name)
	if err := removeAll(work); err != nil {
		return fmt.Errorf("remove what an earlier run left: %w", err)
	}
	defer func() { err = errors.Join(err, removeAll(work)) }()
	if err := os.MkdirAll(work, 0o755); err != nil {
		return fmt.Errorf("make work directory: %w", err)
	}
	made, err := make(work)
	if err != nil {
		return err
	}
	if err := install(made, path); err != nil {
		return fmt.Errorf("put into cache: %w", err)
	}
	return nil
}

// Has reports whether the thing at path is there.
func Has(path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// install moves what was made to its place, whole or not at all, after a power failure too.
func install(from, to string) error {
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
	if err != nil {
		return err
	}
	return os.Rename(from, to)
}

// removeAll is os.RemoveAll for trees with directories in them that may not be written into, as those of Go modules and of
// operating systems are.
func removeAll(dir string) error {
	if os.RemoveAll(dir) == nil {
		return nil
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = os.Chmod(path, 0o700)
		}
		return err
	})
	return errors.Join(err, os.RemoveAll(dir))
}
