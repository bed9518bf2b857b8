package kernel

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// bzImage returns the head of a kernel image of that release.
func bzImage(release string) []byte {
	b := make([]byte, 0x1000)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x400)
	copy(b[0x600:], release+" (builder@host) #1 SMP\x00")
	return b
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestFromFile(t *testing.T) {
	dir := t.TempDir()
	image := filepath.Join(dir, "vmlinuz")
	write(t, image, bzImage("6.1.0-50-cloud-amd64"))
	if _, err := FromFile(image, ""); err == nil || !strings.HasSuffix(err.Error(), "no modules of 6.1.0-50-cloud-amd64 in "+dir) {
		t.Errorf("without modules: %v", err)
	}
	for _, below := range []string{"tree", "lib/modules/6.1.0-50-cloud-amd64", "usr/lib/modules/6.1.0-50-cloud-amd64"} {
		t.Run(below, func(t *testing.T) {
			root := t.TempDir()
			want := filepath.Join(root, below)
			write(t, filepath.Join(want, "kernel/a.ko"), nil)
			given := root
			if below == "tree" {
				given = want
			}
			k, err := FromFile(image, given)
			if err != nil || k.Release != "6.1.0-50-cloud-amd64" || k.Modules != want {
				t.Errorf("%+v, %v", k, err)
			}
		})
	}
	write(t, image, []byte("text"))
	if _, err := FromFile(image, ""); err == nil || !strings.HasSuffix(err.Error(), "not an x86 bzImage") {
		t.Errorf("not a kernel: %v", err)
	}
}

func TestHalfDoneKernelIsNotThere(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	write(t, filepath.Join(s.Dir, "debian-12.partial/root/boot/vmlinuz-6.1"), bzImage("6.1"))
	write(t, filepath.Join(s.Dir, "debian-12.old/kernel.json"), []byte(`{}`))
	all, err := s.List()
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range all {
		if k.Name == "debian-12" && k.Release != "" {
			t.Errorf("listed as %+v", k)
		}
	}
}

func TestCompleteMovesWithItsFolder(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	partial := filepath.Join(s.Dir, "debian-12.partial")
	write(t, filepath.Join(partial, "root/boot/vmlinuz-6.1"), bzImage("6.1"))
	write(t, filepath.Join(partial, "root/lib/modules/6.1/kernel/a.ko"), nil)
	write(t, filepath.Join(partial, "apt/lists/x"), nil)
	if err := complete(partial, "6.1-1"); err != nil {
		t.Fatal(err)
	}
	final := filepath.Join(s.Dir, "debian-12")
	if err := os.Rename(partial, final); err != nil {
		t.Fatal(err)
	}
	k, err := s.Get(context.Background(), "debian-12", "")
	want := Kernel{Name: "debian-12", Release: "6.1", Image: final + "/root/boot/vmlinuz-6.1", Modules: final + "/root/lib/modules/6.1", Version: "6.1-1"}
	if err != nil || k != want {
		t.Errorf("got %+v, %v", k, err)
	}
	if _, err := os.Stat(filepath.Join(final, "apt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("apt's lists are still there: %v", err)
	}
}

func TestUnknownName(t *testing.T) {
	_, err := (&Store{Dir: t.TempDir()}).Get(context.Background(), "debian-99", "")
	want := `kernel "debian-99": no kernel of that name: have debian-11, debian-12, debian-13, debian-13-backports, host, or the path of an image`
	if !errors.Is(err, ErrName) || err.Error() != want {
		t.Errorf("got %v", err)
	}
}

func TestSecondFetchWaitsAndCanBeCancelled(t *testing.T) {
	s := &Store{Dir: t.TempDir()}
	other, err := os.OpenFile(filepath.Join(s.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := unix.Flock(int(other.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	var said []string
	s.Progress = func(line string) { said = append(said, line) }
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Fetch(ctx, "debian-12"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("fetch: %v", err)
	}
	if len(said) != 1 || said[0] != "waiting for another run that fetches a kernel" {
		t.Errorf("said %q", said)
	}
}
