package image

import (
	"context"
	"errors"
	"os"
	"path/filepath"

	"github.com/faultline-lab/faultline/harness/internal/gotool"
)

// buildModule builds the programs of a stage's module into a directory of binaries.
func buildModule(ctx context.Context, w *work, s stage, dir string) (string, error) {
	g, err := gotool.New(dir, func(line string) { w.say(s.name + ": " + line) })
	if err != nil {
		return "", err
	}
	m, bin := s.module, filepath.Join(dir, "bin")
	err = errors.Join(
		os.Mkdir(bin, 0o755),
		os.WriteFile(filepath.Join(dir, "go.mod"), []byte(m.mod), 0o644),
		os.WriteFile(filepath.Join(dir, "go.sum"), []byte(m.sum), 0o644),
	)
	if m.main != "" {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "main.go"), []byte(m.main), 0o644))
	}
	if err != nil {
		return "", err
	}
	// Binaries have the names that the image gives them, which go would choose otherwise for one: etcd's is "server".
	out := bin + string(filepath.Separator)
	if len(m.programs) == 1 {
		out = filepath.Join(bin, s.name)
	}
	// The module files are whole, and go may not add to them: what is built is what was reviewed.
	return bin, g.Build(ctx, gotool.Build{Mod: "readonly", Tags: m.tags, LDFlags: m.ldflags, Out: out, Programs: m.programs})
}

// binary returns the path of a stage's binary.
func (w *work) binary(stage, name string) string {
	return filepath.Join(w.path(w.plan.stage(stage)), name)
}
