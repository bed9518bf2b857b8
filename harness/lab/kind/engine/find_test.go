package engine

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/faultline-lab/faultline/harness/lab"
)

// What the engines say of themselves, as far as it is read: Docker 20.10, Podman 4.3.
const (
	dockerInfo = `{"ServerVersion":"20.10.24","CgroupVersion":"1","OSType":"linux","Architecture":"x86_64","DockerRootDir":"/var/lib/docker","ServerErrors":null}`
	podmanInfo = `{"host":{"arch":"amd64","cgroupVersion":"v1","os":"linux","security":{"rootless":false}},"store":{"graphRoot":"/var/lib/containers"},"version":{"Version":"4.3.1"}}`
	rootless   = `{"host":{"security":{"rootless":true}},"version":{"Version":"4.3.1"}}`
	old        = `{"host":{},"version":{"Version":"3.0.1"}}`
)

// says is a script that prints text for info.
func says(text string) string { return `[ "$*" = "info --format {{json .}}" ] && echo '` + text + "'" }

// commands puts shell scripts on the PATH, and nothing else.
func commands(t *testing.T, scripts map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", dir)
}

func TestTheEngineThatIsTaken(t *testing.T) {
	d := Engine{Command: Docker, Version: "20.10.24", Platform: "linux/amd64", Root: "/var/lib/docker", Cgroup1: true}
	p := Engine{Command: Podman, Version: "4.3.1", Platform: "linux/amd64", Root: "/var/lib/containers", Cgroup1: true}
	for _, row := range []struct {
		name, asked, docker, podman string
		want                        Engine
	}{
		{"Docker, where both are", "", says(dockerInfo), says(podmanInfo), d},
		{"Podman, where both are and it is asked for", Podman, says(dockerInfo), says(podmanInfo), p},
		{"Podman, where Docker's daemon does not answer", "", "exit 1", says(podmanInfo), p},
		{"Podman, where docker is its stand-in", "", says(podmanInfo), says(podmanInfo), p},
	} {
		t.Run(row.name, func(t *testing.T) {
			commands(t, map[string]string{Docker: row.docker, Podman: row.podman})
			e, err := Find(t.Context(), row.asked)
			if err != nil {
				t.Fatal(err)
			}
			e.Path = ""
			if *e != row.want {
				t.Errorf("got %+v, want %+v", *e, row.want)
			}
		})
	}
}

func TestNoEngine(t *testing.T) {
	const start = "start it (`sudo systemctl start docker`), or set DOCKER_HOST to one that runs"
	for _, row := range []struct {
		name, asked string
		scripts     map[string]string
		what, do    string
	}{
		{"neither", "", nil,
			"Docker or Podman: the command docker is not on the PATH; the command podman is not on the PATH",
			"install Docker (`sudo apt-get install docker.io`); or install Podman (`sudo apt-get install podman`)"},
		{"a daemon that does not run", "", map[string]string{Docker: "echo 'Cannot connect to the Docker daemon' >&2; exit 1"},
			"Docker or Podman: no daemon of Docker's answers: docker info --format {{json .}}: exit status 1: Cannot connect to the Docker daemon; the command podman is not on the PATH",
			start + "; or install Podman (`sudo apt-get install podman`)"},
		{"a daemon that does not run, as newer clients say it", Docker, map[string]string{Docker: says(`{"ServerErrors":["Cannot connect to the Docker daemon"]}`)},
			"Docker: no daemon of Docker's answers: Cannot connect to the Docker daemon", start},
		{"a daemon that is root's", Docker, map[string]string{Docker: "echo 'dial unix /var/run/docker.sock: connect: permission denied' >&2; exit 1"},
			"Docker: this user may not talk to Docker's daemon: docker info --format {{json .}}: exit status 1: dial unix /var/run/docker.sock: connect: permission denied",
			"add the user to the group docker (`sudo usermod --append --groups docker $USER`) and log in again"},
		{"a Podman of a user's", "", map[string]string{Podman: says(rootless)},
			"Docker or Podman: the command docker is not on the PATH; Podman is rootless here, and cannot give a lab the network namespaces of nodes and pods",
			"install Docker (`sudo apt-get install docker.io`); or run as root"},
		{"a Podman that is too old", Podman, map[string]string{Podman: says(old)}, "Podman: Podman is 3.0.1", "install Podman 4.0.0 or later"},
		{"a Podman that fails", Podman, map[string]string{Podman: "echo 'no storage' >&2; exit 125"},
			"Podman: Podman does not answer: podman info --format {{json .}}: exit status 125: no storage", "mend what `podman info` complains about"},
		{"Podman's stand-in alone, and Docker is asked for", Docker, map[string]string{Docker: says(podmanInfo)},
			"Docker: the command docker is another's (Podman's stand-in, perhaps)", "install Docker (`sudo apt-get install docker.io`)"},
		{"an engine that nobody knows", "nerdctl", nil,
			`a container engine that faultline knows: KIND_EXPERIMENTAL_PROVIDER is "nerdctl"`, "set it to docker or podman, or unset it"},
	} {
		t.Run(row.name, func(t *testing.T) {
			commands(t, row.scripts)
			_, err := Find(t.Context(), row.asked)
			var u *lab.UnsupportedError
			if !errors.As(err, &u) || len(u.Missing) != 1 {
				t.Fatalf("error %v", err)
			}
			if u.Missing[0].What != row.what || u.Missing[0].Do != row.do {
				t.Errorf("got  %+v\nwant {What:%s Do:%s}", u.Missing[0], row.what, row.do)
			}
		})
	}
}

func TestReference(t *testing.T) {
	d, p := Engine{Command: Docker}, Engine{Command: Podman}
	for image, want := range map[string]string{
		"faultline/node:v1": "docker.io/faultline/node:v1", "node": "docker.io/library/node", "quay.io/x/node:v1": "quay.io/x/node:v1",
		"localhost/node:v1": "localhost/node:v1", "a.b:5000/node": "a.b:5000/node", "x/node:v1@sha256:00": "docker.io/x/node@sha256:00",
	} {
		if got := p.Reference(image); got != want {
			t.Errorf("Podman has %s as %s, want %s", image, got, want)
		}
		if got := d.Reference(image); got != image {
			t.Errorf("Docker has %s as %s", image, got)
		}
	}
}
