package kind

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// The variables that tell the shim what to do. CreateMain's process has them, and nobody else.
const (
	envEngine = "FAULTLINE_KIND_ENGINE" // path of the command behind it
	envSite   = "FAULTLINE_KIND_SITE"
	envBare   = "FAULTLINE_KIND_BARE" // not empty: without --privileged
)

// IsShim tells whether this process was started as kind's docker or podman.
func IsShim(arg0 string, getenv func(string) string) bool {
	name := filepath.Base(arg0)
	return (name == engine.Docker || name == engine.Podman) && getenv(envEngine) != ""
}

// ShimMain is the main function of the docker, or podman, that kind finds on its PATH: the user's own, with the site's label
// on every container and volume, and without --privileged where the daemon cannot give it. It returns on error alone.
func ShimMain(args []string, getenv func(string) string) error {
	args = labelled(args, getenv(envSite))
	if getenv(envBare) != "" {
		args = bareNode(args)
	}
	path := getenv(envEngine)
	if filepath.Base(path) == engine.Podman {
		args = linkNamed(args)
	}
	// It shall not outlive kind and make something when nobody looks after it any more. The thread that asks is the one
	// that execs.
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with kind: %w", err)
	}
	err := syscall.Exec(path, append([]string{path}, args...), syscall.Environ())
	return fmt.Errorf("start %s: %w", path, err)
}

// linkNamed is a podman command that gives a container's interface the name that furnishing would. Podman looks for the
// interface by the name that it has made it with: of one that was renamed, it leaves the bridge and the rules behind.
func linkNamed(args []string) []string {
	at := slices.Index(args, "--net") + 1
	if at == 0 || at == len(args) || args[0] != "run" {
		return args
	}
	return slices.Concat(args[:at], []string{args[at] + ":interface_name=" + kubeLink}, args[at+1:])
}

// shimmed gives a command the shim as its engine. dir is where the shim is put.
func shimmed(c *exec.Cmd, e *engine.Engine, site, dir string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	link := filepath.Join(dir, e.Command)
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
	if e.Bare {
		bare = "yes"
	}
	c.Env = append(c.Env, "PATH="+dir+":"+path, envEngine+"="+e.Path, envSite+"="+site, envBare+"="+bare,
		"KIND_EXPERIMENTAL_"+strings.ToUpper(e.Command)+"_NETWORK="+site)
	return nil
}

// bareEntrypoint begins a node container without --privileged: Docker mounts cgroups read-only there. The rest is what the
// node image does anyway (images/base/Dockerfile of kind).
const bareEntrypoint = `while read -r _ at kind _; do
	case "$kind $at" in cgroup*|tmpfs\ /sys/fs/cgroup) mount -o remount,rw "$at" 2>/dev/null || mount -o remount,bind,rw "$at" ;; esac
done < /proc/mounts
exec /usr/local/bin/entrypoint /sbin/init`

// bareNode is the docker command by which kind runs a node, without --privileged and with bareEntrypoint. kind names the
// image last.
func bareNode(args []string) []string {
	changed := engine.Unprivileged(args)
	if len(args) == 0 || args[0] != "run" || len(changed) == len(args) {
		return changed
	}
	last := len(changed) - 1
	return slices.Concat(changed[:last], []string{"--entrypoint", "/bin/sh", changed[last], "-c", bareEntrypoint})
}
