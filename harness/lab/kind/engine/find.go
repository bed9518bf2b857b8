package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"golang.org/x/mod/semver"

	"github.com/faultline-lab/faultline/harness/lab"
)

// Variable names the engine, for kind's own tool and for faultline.
const Variable = "KIND_EXPERIMENTAL_PROVIDER"

// oldestPodman is the first whose rm can be told not to wait for what it kills.
const oldestPodman = "4.0.0"

// Find returns the engine of that name. Without a name it is Docker if its daemon answers, else Podman if it runs as root.
//
// The error wraps lab.ErrUnsupported, says what is the matter with each engine that would do, and what to do about it.
func Find(ctx context.Context, name string) (*Engine, error) {
	names := []string{Docker, Podman}
	switch name {
	case "":
	case Docker, Podman:
		names = []string{name}
	default:
		return nil, unsupported(fmt.Sprintf("a container engine that faultline knows: %s is %q", Variable, name), "set it to docker or podman, or unset it")
	}
	var titles, whats, dos []string
	for _, name := range names {
		e := &Engine{Command: name}
		err := e.open(ctx)
		if err == nil {
			return e, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var l *lack
		if !errors.As(err, &l) {
			return nil, err
		}
		titles, whats, dos = append(titles, e.title()), append(whats, l.what), append(dos, l.do)
	}
	return nil, unsupported(strings.Join(titles, " or ")+": "+strings.Join(whats, "; "), strings.Join(dos, "; or "))
}

func unsupported(what, do string) error {
	return &lab.UnsupportedError{Runtime: "kind", Missing: []lab.Missing{{What: what, Do: do}}}
}

// lack is why an engine cannot be used.
type lack struct{ what, do string }

func (l *lack) Error() string { return l.what }

// info is what both engines say of themselves, each in its own fields.
type info struct {
	// Docker's.
	ServerVersion, CgroupVersion string
	OSType, Architecture         string
	DockerRootDir                string
	ServerErrors                 []string
	// Podman's.
	Host struct {
		OS, Arch, CgroupVersion string
		Security                struct{ Rootless bool }
	}
	Store   struct{ GraphRoot string }
	Version struct{ Version string }
}

// open asks the engine what it is.
func (e *Engine) open(ctx context.Context) error {
	path, err := exec.LookPath(e.Command)
	if err != nil {
		return &lack{"the command " + e.Command + " is not on the PATH", fmt.Sprintf("install %s (`sudo apt-get install %s`)", e.title(), packages[e.Command])}
	}
	e.Path = path
	out, err := e.Output(ctx, "info", "--format", "{{json .}}")
	var i info
	if err == nil {
		err = json.Unmarshal(out, &i)
	}
	if e.Command == Docker {
		return e.docker(i, err)
	}
	return e.podman(i, err)
}

var packages = map[string]string{Docker: "docker.io", Podman: "podman"}

func (e *Engine) docker(i info, err error) error {
	if err == nil && len(i.ServerErrors) > 0 {
		err = errors.New(strings.Join(i.ServerErrors, "; "))
	}
	switch {
	case err != nil && strings.Contains(err.Error(), "permission denied"):
		return &lack{"this user may not talk to Docker's daemon: " + err.Error(),
			"add the user to the group docker (`sudo usermod --append --groups docker $USER`) and log in again"}
	case err != nil:
		return &lack{"no daemon of Docker's answers: " + err.Error(), "start it (`sudo systemctl start docker`), or set DOCKER_HOST to one that runs"}
	case i.ServerVersion == "":
		return &lack{"the command docker is another's (Podman's stand-in, perhaps)", "install Docker (`sudo apt-get install docker.io`)"}
	}
	e.Version, e.Root, e.Cgroup1 = i.ServerVersion, i.DockerRootDir, i.CgroupVersion == "1"
	e.Platform = i.OSType + "/" + cmp.Or(architectures[i.Architecture], i.Architecture)
	return nil
}

// architectures are Go's names of what Docker has by the kernel's.
var architectures = map[string]string{"x86_64": "amd64", "aarch64": "arm64"}

func (e *Engine) podman(i info, err error) error {
	switch {
	case err != nil:
		return &lack{"Podman does not answer: " + err.Error(), "mend what `podman info` complains about"}
	case i.Host.Security.Rootless:
		return &lack{"Podman is rootless here, and cannot give a lab the network namespaces of nodes and pods", "run as root"}
	case semver.Compare("v"+i.Version.Version, "v"+oldestPodman) < 0:
		return &lack{"Podman is " + i.Version.Version, "install Podman " + oldestPodman + " or later"}
	}
	e.Version, e.Root, e.Cgroup1 = i.Version.Version, i.Store.GraphRoot, i.Host.CgroupVersion == "v1"
	e.Platform = i.Host.OS + "/" + i.Host.Arch
	return nil
}
