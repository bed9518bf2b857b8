// Package archivetest reads in tests what package archive has written.
package archivetest

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"
)

// Contents reads a tar stream: by name what is in each file, and for a directory nothing. It is an error of the test if a name
// is there twice, or if anything has an owner or a time.
func Contents(t *testing.T, stream []byte) map[string]string {
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

// Written is what write writes.
func Written(t *testing.T, write func(io.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
