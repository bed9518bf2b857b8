package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
)

// contents reads a tar stream: what is in each file, and for a directory its mode.
func contents(t *testing.T, stream []byte) map[string]string {
	t.Helper()
	all, r := map[string]string{}, tar.NewReader(bytes.NewReader(stream))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := all[h.Name]; twice || h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s: twice %v, of %d:%d, of %v", h.Name, twice, h.Uid, h.Gid, h.ModTime)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all[h.Name] = string(text)
	}
}

func write(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSplitBase(t *testing.T) {
	dir := t.TempDir()
	base, proxy := filepath.Join(dir, "base"), filepath.Join(dir, "proxy")
	files := []archive.File{{Name: "etc/passwd", Mode: 0o644, Data: []byte("root")}, {Name: "proxy.tar", Mode: 0o644, Data: []byte("tools")}, {Name: "usr/proxy.tar", Mode: 0o644, Data: []byte("another")}}
	stream := write(t, func(w io.Writer) error { return archive.WriteFiles(w, files...) })
	if err := splitBase(bytes.NewReader(stream), base, proxy); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"etc/": "", "etc/passwd": "root", "usr/": "", "usr/proxy.tar": "another"}
	if diff := cmp.Diff(want, contents(t, left)); diff != "" {
		t.Errorf("base (-want +got):\n%s", diff)
	}
	if got, err := os.ReadFile(proxy); string(got) != "tools" || err != nil {
		t.Errorf("proxy %q, %v", got, err)
	}

	without := write(t, func(w io.Writer) error { return archive.WriteFiles(w, files[:1]...) })
	for name, row := range map[string]struct {
		stream []byte
		want   string
	}{
		"without proxy.tar": {without, "the base has no file proxy.tar"}, "cut off": {without[:len(without)/4], "unexpected EOF"},
	} {
		if err := splitBase(bytes.NewReader(row.stream), base, proxy); err == nil || !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: error %v, want %s", name, err, row.want)
		}
	}
}
