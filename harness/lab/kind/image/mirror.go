package image

import (
	"context"
	"os/exec"
	"strings"
)

// machineMirror is the Debian mirror that apt is set up with on this machine.
func machineMirror(ctx context.Context) (string, error) {
	const do = "name one with --mirror"
	out, err := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Label: Debian", "Component: main").Output()
	if err != nil {
		return "", unsupported("a Debian mirror: apt names none: "+err.Error(), do)
	}
	mirror, _, _ := strings.Cut(string(out), "\n")
	if mirror == "" {
		return "", unsupported("a Debian mirror: apt is set up with none, or was never updated", do)
	}
	return mirror, nil
}
