package read

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// readSysctl reads a sysctl. Those of the network are the ones of this process's namespace.
func readSysctl(s evidence.Spec) (evidence.Reading, error) {
	root, err := os.OpenRoot("/proc/sys")
	if err != nil {
		return evidence.Reading{}, err
	}
	defer func() { _ = root.Close() }() // only read
	text, err := root.ReadFile(sysctlPath(s.Sysctl))
	if errors.Is(err, fs.ErrNotExist) {
		return evidence.Reading{}, fmt.Errorf("there is no sysctl %s", s.Sysctl)
	}
	if err != nil {
		return evidence.Reading{}, fmt.Errorf("read sysctl %s: %w", s.Sysctl, err)
	}
	return evidence.Reading{Exists: true, Value: strings.Join(strings.Fields(string(text)), " ")}, nil
}

// sysctlPath turns dots into slashes and slashes into dots, as sysctl(8) does for interfaces with a dot in their name.
func sysctlPath(name string) string {
	return strings.NewReplacer(".", "/", "/", ".").Replace(name)
}
