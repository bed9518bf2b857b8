package image

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/internal/gotool"
	"github.com/faultline-lab/faultline/harness/lab"
)

// imageDisk is the room, in MB, that the image takes in the daemon's directory: the base twice, and the components.
const imageDisk = 2000

// check sees, before anything is begun, that there are tools and room for the stages that are missing.
func (w *work) check(ctx context.Context, missing []stage) error {
	lacks := &lab.UnsupportedError{Runtime: "kind"}
	lack := func(what, do string) { lacks.Missing = append(lacks.Missing, lab.Missing{What: what, Do: do}) }
	tools := map[string]string{}
	need := 0
	for _, s := range missing {
		need += s.disk
		if s.name == stageBase {
			tools["debootstrap"] = "apt-get install debootstrap"
		} else {
			tools["go"] = "install Go and put it into PATH: see https://go.dev/doc/install"
		}
	}
	for _, tool := range []string{"debootstrap", "go"} {
		if do, ok := tools[tool]; ok && !found(tool) {
			lack("the command "+tool, do)
		}
	}
	// The caches of go and the daemon's directory lie on the same disk as faultline's cache more often than not; where one
	// does not, it is the disk itself that will say so.
	if free, err := freeMB(w.dir); err == nil && free < need+imageDisk {
		lack(fmt.Sprintf("room on the disk of %s: %d MB are free, %d MB are needed", w.dir, free, need+imageDisk), "make room, or choose another place with --cache")
	}
	if free, err := freeMB(w.engine.Root); err == nil && free < imageDisk {
		lack(fmt.Sprintf("room on the disk of %s: %d MB are free, %d MB are needed", w.engine.Root, free, imageDisk), "make room (`"+w.engine.Command+" system df` says what can go)")
	}
	if len(lacks.Missing) > 0 {
		return lacks
	}
	return ctx.Err()
}

// found reports whether a command is in PATH or where administrators' commands are, which a user's PATH leaves out.
func found(name string) bool { return lookPath(name) != "" }

func lookPath(name string) string {
	for _, n := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if p, err := exec.LookPath(n); err == nil {
			return p
		}
	}
	return ""
}

// freeMB returns the room that this user has on the disk of dir.
func freeMB(dir string) (int, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(dir, &s); err != nil {
		return 0, err
	}
	return int(s.Bavail * uint64(s.Bsize) / 1_000_000), nil
}

var saysNoSpace = regexp.MustCompile(`no space left on device|No space left on device|disk quota exceeded|Disk quota exceeded`)

// explain marks the errors that a person can do something about as such.
func explain(err error) error {
	switch {
	case errors.Is(err, lab.ErrUnsupported):
		return err
	case errors.Is(err, gotool.ErrNoGo), errors.Is(err, gotool.ErrNoNetwork), errors.Is(err, gotool.ErrNoSpace):
		return lab.Unsupported(err)
	case saysNoSpace.MatchString(err.Error()):
		return lab.Unsupported(fmt.Errorf("%w: make room in faultline's cache and where the container engine keeps its images", err))
	}
	return err
}
