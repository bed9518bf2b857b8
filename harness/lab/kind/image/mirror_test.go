package image

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/faultline-lab/faultline/harness/lab"
)

func TestMachineMirror(t *testing.T) {
	for _, row := range []struct{ name, apt, mirror string }{
		{"the first of several", "echo http://one.test/debian/; echo http://two.test/debian/", "http://one.test/debian/"},
		{"none", "true", ""},
		{"an apt that fails", "exit 100", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "apt-get"), []byte("#!/bin/sh\n"+row.apt+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
			got, err := machineMirror(t.Context())
			if got != row.mirror || errors.Is(err, lab.ErrUnsupported) != (row.mirror == "") {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}
