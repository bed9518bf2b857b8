package image

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
	"github.com/faultline-lab/faultline/harness/lab/kind/archive/archivetest"
)

func TestSplitBase(t *testing.T) {
	dir := t.TempDir()
	base, proxy := filepath.Join(dir, "base"), filepath.Join(dir, "proxy")
	files := []archive.File{{Name: "etc/passwd", Mode: 0o644, Data: []byte("root")}, {Name: "proxy.tar", Mode: 0o644, Data: []byte("tools")}, {Name: "usr/proxy.tar", Mode: 0o644, Data: []byte("another")}}
	stream := archivetest.Written(t, func(w io.Writer) error { return archive.WriteFiles(w, files...) })
	if err := splitBase(bytes.NewReader(stream), base, proxy); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"etc/": "", "etc/passwd": "root", "usr/": "", "usr/proxy.tar": "another"}
	if diff := cmp.Diff(want, archivetest.Contents(t, left)); diff != "" {
		t.Errorf("base (-want +got):\n%s", diff)
	}
	if got, err := os.ReadFile(proxy); string(got) != "tools" || err != nil {
		t.Errorf("proxy %q, %v", got, err)
	}

	without := archivetest.Written(t, func(w io.Writer) error { return archive.WriteFiles(w, files[:1]...) })
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
