package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/lab/kind/image"
)

func TestKindImage(t *testing.T) {
	tag, err := image.Tag(image.DefaultVersion)
	if err != nil {
		t.Fatal(err)
	}
	const info = `'{"ServerVersion": "20.10", "OSType": "linux", "Architecture": "x86_64"}'`
	for _, row := range []struct {
		name, docker   string
		check          bool
		code           int
		stdout, stderr string // stderr: a part
	}{
		{"it is there", "echo " + info, false, ExitOK, tag + "\n", ""},
		{"no daemon", "echo Cannot connect >&2; exit 1", false, ExitUnsupported, "", "systemctl start docker"},
		{"Docker fails", `[ "$1" = info ] && echo ` + info, false, ExitBroken, "", "docker image ls --quiet " + tag + ": exit status 1"},
		{"it is there, and only that is asked", "echo " + info, true, ExitOK, tag + "\n", ""},
		{"nothing of it is there, and only that is asked", "exit 1", true, ExitUnsupported, "", "base, kubernetes, etcd, coredns, cni, pause would have to be made"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+row.docker+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", dir)
			var stdout, stderr bytes.Buffer
			args := []string{"faultline", "kind", "image", "--cache", t.TempDir()}
			if row.check {
				args = append(args, "--check")
			}
			code := Main(args, nil, &stdout, &stderr)
			if code != row.code || stdout.String() != row.stdout || !strings.Contains(stderr.String(), row.stderr) {
				t.Errorf("exit code %d, want %d\nstdout %s\nstderr %s", code, row.code, &stdout, &stderr)
			}
		})
	}
}
