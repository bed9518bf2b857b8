package kind

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The variables that tell the shim what to do. CreateMain's process has them, and nobody else.
const (
	envDocker = "FAULTLINE_KIND_DOCKER" // the docker command behind it
	envSite   = "FAULTLINE_KIND_SITE"
	envBare   = "FAULTLINE_KIND_BARE" // not empty: without --privileged
)

// IsShim tells whether this process was started as kind's docker.
func IsShim(arg0 string, getenv func(string) string) bool {
	return filepath.Base(arg0) == "docker" && getenv(envDocker) != ""
}

// ShimMain is the main function of the docker that kind finds on its PATH: the user's docker, with the site's label on
// every container, and without --privileged where the daemon cannot give it. It returns on error alone.
func ShimMain(args []string, getenv func(string) string) error {
	args = labelled(args, getenv(envSite))
	if getenv(envBare) != "" {
		args = bareNode(args)
	}
	path := getenv(envDocker)
	// It shall not outlive kind and make something when nobody looks after it any more. The thread that asks is the one
	// that execs.
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with kind: %w", err)
	}
	err := syscall.Exec(path, append([]string{path}, args...), syscall.Environ())
	return fmt.Errorf("start %s: %w", path, err)
}

// shimmed gives a command the shim as its docker. dir is where the shim is put.
func shimmed(c *exec.Cmd, e *engine, site, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	link := filepath.Join(dir, "docker")
	if err := os.Symlink(self, link); err != nil && !os.IsExist(err) {
		return err
	}
	path := ""
	c.Env = c.Environ()
	for _, v := range c.Env {
		if p, ok := strings.CutPrefix(v, "PATH="); ok {
			path = p
		}
	}
	bare := ""
	if e.bare {
		bare = "yes"
	}
	c.Env = append(c.Env, "PATH="+dir+":"+path, envDocker+"="+e.path, envSite+"="+site, envBare+"="+bare,
		"KIND_EXPERIMENTAL_DOCKER_NETWORK="+site, "KIND_EXPERIMENTAL_PROVIDER=docker")
	return nil
}
