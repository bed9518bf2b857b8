package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"github.com/faultline-lab/faultline/harness/lab"
)

// label is on everything that this package makes in Docker; its value is the name of the site.
const label = "io.faultline.cluster"

// engine is Docker, by its command: whatever context, host and credentials the user has set up hold.
type engine struct {
	path    string // of the command
	version string // of the daemon
	cgroup1 bool
	bare    bool // the daemon cannot give --privileged: see bareFlags
}

// docker finds Docker, once, and removes what runs before this one have left behind.
func (r *Runtime) docker(ctx context.Context) (*engine, error) {
	r.engineOnce.Do(func() {
		if r.engine, r.engineErr = findEngine(ctx, r.options.Docker); r.engineErr != nil {
			return
		}
		removed, err := RemoveStale(ctx, r.options)
		for _, stale := range removed {
			if stale.Left == "" {
				r.options.Progress("removed cluster " + stale.Name + ", whose run is gone")
			}
		}
		if err != nil {
			r.options.Progress(fmt.Sprintf("remove what is stale: %v", err)) // nothing of this run's depends on it
		}
	})
	return r.engine, r.engineErr
}

func findEngine(ctx context.Context, command string) (*engine, error) {
	if command == "" {
		command = "docker"
	}
	path, err := exec.LookPath(command)
	if err != nil {
		return nil, missing("Docker: "+err.Error(), "install it: `sudo apt-get install docker.io`")
	}
	e := &engine{path: path}
	out, err := e.run(ctx, "info", "--format", "{{json .}}")
	var info struct {
		ServerVersion, CgroupVersion string
		ServerErrors                 []string
	}
	if err == nil {
		err = json.Unmarshal(out, &info)
	}
	if err == nil && len(info.ServerErrors) > 0 {
		err = errors.New(strings.Join(info.ServerErrors, "; "))
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, missing("a Docker daemon that answers: "+err.Error(),
			"start it (`sudo systemctl start docker`), add yourself to the group docker, or set DOCKER_HOST to one that runs")
	}
	e.version, e.cgroup1 = info.ServerVersion, info.CgroupVersion == "1"
	return e, nil
}

func missing(what, do string) error {
	return &lab.UnsupportedError{Runtime: "kind", Missing: []lab.Missing{{What: what, Do: do}}}
}

// run runs docker to its end and returns its standard output.
func (e *engine) run(ctx context.Context, args ...string) ([]byte, error) {
	return e.feed(ctx, nil, args...)
}

// feed is run with an input.
func (e *engine) feed(ctx context.Context, in io.Reader, args ...string) ([]byte, error) {
	var out, errOut bytes.Buffer
	c := e.command(ctx, args...)
	c.Stdin, c.Stdout, c.Stderr = in, &out, &errOut
	if err := runHere(c); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		said := strings.TrimSpace(errOut.String())
		if said == "" {
			said = strings.TrimSpace(out.String())
		}
		return out.Bytes(), fmt.Errorf("docker %s: %w: %s", briefly(args), err, lastLines(said, 15))
	}
	return out.Bytes(), nil
}

// command is docker with args, for this process alone: it dies with it.
func (e *engine) command(ctx context.Context, args ...string) *exec.Cmd {
	if e.bare {
		args = unprivileged(args)
	}
	c := exec.CommandContext(ctx, e.path, args...)
	// A group of its own: Ctrl-C is for this process to act on.
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return c
}

// runHere runs c on a thread that stays as long as c does: Pdeathsig is sent when the thread ends that made the process
// (prctl(2)).
func runHere(c *exec.Cmd) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		done <- c.Run()
	}()
	return <-done
}

// in runs a command in a container.
func (e *engine) in(ctx context.Context, container string, args ...string) ([]byte, error) {
	return e.run(ctx, append([]string{"exec", container}, args...)...)
}

// briefly is a command without what is long in it.
func briefly(args []string) string {
	var words []string
	for _, a := range args {
		if strings.Contains(a, "\n") || len(a) > 100 {
			a = "..."
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(s, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// bareFlags are what --privileged stands for, without CAP_SYS_RESOURCE: a daemon that does not have that capability, as in
// many containers, cannot hand it on, and runc fails ("unable to apply caps").
var bareFlags = []string{
	"--cap-add=ALL", "--cap-drop=SYS_RESOURCE",
	"--security-opt", "systempaths=unconfined", "--security-opt", "seccomp=unconfined", "--security-opt", "apparmor=unconfined",
	"--device-cgroup-rule", "a *:* rwm", "--device", "/dev/kmsg",
}

// unprivileged is a docker command with bareFlags in place of --privileged. What exec starts has what its container has.
func unprivileged(args []string) []string {
	at := slices.Index(args, "--privileged")
	if at < 0 || len(args) == 0 {
		return args
	}
	switch args[0] {
	case "run", "create":
		return slices.Concat(args[:at], bareFlags, args[at+1:])
	case "exec":
		return slices.Concat(args[:at], args[at+1:])
	}
	return args
}

// bareEntrypoint begins a node container that has bareFlags: without --privileged Docker mounts cgroups read-only. The rest is
// what the node image does anyway (images/base/Dockerfile of kind).
const bareEntrypoint = `while read -r _ at kind _; do
	case "$kind $at" in cgroup*|tmpfs\ /sys/fs/cgroup) mount -o remount,rw "$at" 2>/dev/null || mount -o remount,bind,rw "$at" ;; esac
done < /proc/mounts
exec /usr/local/bin/entrypoint /sbin/init`

// bareNode is the docker command by which kind runs a node, with bareFlags and bareEntrypoint. kind names the image last.
func bareNode(args []string) []string {
	changed := unprivileged(args)
	if len(args) == 0 || args[0] != "run" || len(changed) == len(args) {
		return changed
	}
	last := len(changed) - 1
	return slices.Concat(changed[:last], []string{"--entrypoint", "/bin/sh", changed[last], "-c", bareEntrypoint})
}

// labelled is a docker command that puts the site's label on a container.
func labelled(args []string, site string) []string {
	if len(args) > 0 && (args[0] == "run" || args[0] == "create") {
		return slices.Concat(args[:1], []string{"--label", label + "=" + site}, args[1:])
	}
	return args
}
