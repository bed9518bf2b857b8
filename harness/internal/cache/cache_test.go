package cache

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// tree writes a directory as operating systems have them, with one inside that may not be written into.
func tree(dir string) error {
	return errors.Join(
		os.MkdirAll(filepath.Join(dir, "closed"), 0o755),
		os.WriteFile(filepath.Join(dir, "closed", "file"), []byte("whole"), 0o644),
		os.Symlink("/does/not/exist", filepath.Join(dir, "link")),
		os.Chmod(filepath.Join(dir, "closed"), 0o555),
	)
}

func left(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestOneOfManyMakes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "cache", "thing")
	// What a killed run left is gone before the next begins.
	if err := tree(filepath.Join(dir, "cache", ".build-thing")); err != nil {
		t.Fatal(err)
	}
	var made, waited atomic.Int32
	errs := make(chan error)
	for range 4 {
		go func() {
			errs <- Make(t.Context(), path, func() { waited.Add(1) }, func(work string) (string, error) {
				made.Add(1)
				if s := left(t, work); s != "" {
					t.Errorf("work directory has %s", s)
				}
				for waited.Load() < 3 {
					select {
					case <-t.Context().Done():
						return "", t.Context().Err()
					case <-time.After(time.Millisecond):
					}
				}
				return filepath.Join(work, "tree"), tree(filepath.Join(work, "tree"))
			})
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if text, err := os.ReadFile(filepath.Join(path, "closed", "file")); string(text) != "whole" || err != nil {
		t.Errorf("made %q, %v", text, err)
	}
	if s := left(t, filepath.Dir(path)); made.Load() != 1 || s != ".lock-thing thing" {
		t.Errorf("made %d times, left %s", made.Load(), s)
	}
	if err := os.Chmod(filepath.Join(path, "closed"), 0o755); err != nil {
		t.Error(err)
	}
}

func TestMakingThatFailsLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	want := errors.New("no luck")
	err := Make(t.Context(), filepath.Join(dir, "thing"), nil, func(work string) (string, error) {
		return filepath.Join(work, "tree"), errors.Join(tree(filepath.Join(work, "tree")), want)
	})
	if s := left(t, dir); !errors.Is(err, want) || s != ".lock-thing" {
		t.Errorf("error %v, left %s", err, s)
	}
}

func TestWaitingEndsWithTheContext(t *testing.T) {
	dir := t.TempDir()
	unlock, err := Lock(t.Context(), filepath.Join(dir, ".lock-thing"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	err = Make(ctx, filepath.Join(dir, "thing"), cancel, func(string) (string, error) { return "", errors.New("made without the lock") })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}
