package engine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is an engine whose command notes in a file what it is asked, and then runs script.
func fake(t *testing.T, command, script string) (e *Engine, asked func() string) {
	t.Helper()
	dir := t.TempDir()
	calls, path := filepath.Join(dir, "calls"), filepath.Join(dir, command)
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncd "+dir+"\necho \"$*\" >>calls\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return &Engine{Command: command, Path: path}, func() string {
		text, _ := os.ReadFile(calls)
		return string(text)
	}
}

func TestAllThatHasALabelIsRemoved(t *testing.T) {
	const script = `case "$1 $2" in "ps "*) [ -e gone ] || printf 'c1\nc2\n';; rm*) touch gone;; *" ls") echo "$1-1";; esac; exit 0`
	for command, rm := range map[string]string{Docker: "rm --force --volumes c1 c2", Podman: "rm --force --volumes --time=0 c1 c2"} {
		e, asked := fake(t, command, script)
		if any, err := e.RemoveLabelled(t.Context(), "l=s"); !any || err != nil {
			t.Errorf("%s: %v, %v", command, any, err)
		}
		ps := "ps --all --no-trunc --filter label=l=s --format {{.ID}}\n"
		want := ps + rm + "\n" + ps + "volume ls --quiet --filter label=l=s\nvolume rm volume-1\n" + "network ls --quiet --filter label=l=s\nnetwork rm network-1\n"
		if got := asked(); got != want {
			t.Errorf("%s was asked\n%swant\n%s", command, got, want)
		}
	}
	e, _ := fake(t, Docker, "exit 0")
	if any, err := e.RemoveLabelled(t.Context(), "l=s"); any || err != nil {
		t.Errorf("where there is nothing: %v, %v", any, err)
	}
}

func TestWhatCannotBeRemoved(t *testing.T) {
	for said, want := range map[string]bool{
		"Error: No such container: c1":                                               true,
		"Error: no container with ID c1: no such container":                          true,
		"Error response from daemon: removal of container c1 is already in progress": true,
		"Error response from daemon: device or resource busy":                        false,
	} {
		e, _ := fake(t, Docker, `case $1 in ps) [ -e gone ] || echo c1;; rm) touch gone; echo '`+said+`' >&2; exit 1;; esac; exit 0`)
		if _, err := e.RemoveLabelled(t.Context(), "l=s"); (err == nil) != want {
			t.Errorf("%s: error %v", said, err)
		}
	}
}

func TestASubnetThatIsTaken(t *testing.T) {
	for said, want := range map[string]bool{
		"Error response from daemon: Pool overlaps with other one on this address space":      true,
		"Error: subnet 198.18.7.0/24 is already used on the host or by another config":        true,
		"Error: subnet 198.18.7.0/24 is already being used by a network interface":            true,
		"Error response from daemon: network with name faultline-hairpin-0000 already exists": false,
	} {
		e, _ := fake(t, Docker, "echo '"+said+"' >&2; exit 1")
		if err := e.CreateNetwork(t.Context(), "n", "198.18.7.0/24", "l=s"); err == nil || errors.Is(err, ErrTaken) != want {
			t.Errorf("%s: error %v", said, err)
		}
	}
}

func TestCommandsWithoutPrivileges(t *testing.T) {
	bare := strings.Join(bareFlags, " ")
	for _, row := range []struct{ name, args, want string }{
		{"a container", "run --name n --privileged --tty image", "run --name n " + bare + " --tty image"},
		{"a command in it", "exec --privileged -i n sh", "exec -i n sh"},
		{"one that was never privileged", "exec -i n sh", "exec -i n sh"},
		{"anything else", "network ls --privileged", "network ls --privileged"},
		{"nothing", "", ""},
	} {
		if got := strings.Join(Unprivileged(strings.Fields(row.args)), " "); got != row.want {
			t.Errorf("%s: got %s, want %s", row.name, got, row.want)
		}
	}
}

func TestProcessOfAContainer(t *testing.T) {
	for said, want := range map[string]int{"17": 17, "0": 0, "": 0} {
		e, _ := fake(t, Docker, "echo "+said)
		if pid, err := e.PID(t.Context(), "c1"); pid != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", said, pid, err)
		}
	}
}
