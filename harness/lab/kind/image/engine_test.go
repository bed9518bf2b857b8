package image

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// fakeDocker puts a docker into PATH that runs script, and returns the file that each of its command lines goes to.
func fakeDocker(t *testing.T, script string) (calls string) {
	t.Helper()
	dir := t.TempDir()
	calls = filepath.Join(dir, "calls")
	text := "#!/bin/sh\necho \"$*\" >>" + calls + "\n" + `[ "$1" = info ] && echo '{"ServerVersion": "20.10", "OSType": "linux", "Architecture": "x86_64", "DockerRootDir": "/does/not/exist"}' && exit` + "\n" + script
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return calls
}

func TestImageThatIsThereIsNotMade(t *testing.T) {
	calls := fakeDocker(t, `[ "$1 $2" = "image ls" ] && echo 0123456789ab`)
	cache := t.TempDir()
	b := Builder{Cache: cache, Progress: func(s string) { t.Errorf("progress %q, want none", s) }}
	want, err := Tag(DefaultVersion)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := b.Image(t.Context(), DefaultVersion); got != want || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
	text, _ := os.ReadFile(calls)
	if n := strings.Count(string(text), "\n"); n != 2 || left(t, cache) != "" {
		t.Errorf("docker was run %d times:\n%s\nthe cache has %q", n, text, left(t, cache))
	}
}

func TestMissing(t *testing.T) {
	p, err := newPlan(DefaultVersion)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range p.stages {
		names = append(names, s.name)
	}
	for _, row := range []struct {
		name, docker string
		cached       int // stages, from the first
		want         []string
	}{
		{"all, without a daemon", "exit 1", 0, names},
		{"all but two", "", 2, names[2:]},
		{"none with all stages, without a daemon", "exit 1", len(names), nil},
		{"none with the image", `[ "$1 $2" = "image ls" ] && echo 0123456789ab`, 0, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			fakeDocker(t, row.docker)
			b := Builder{Cache: t.TempDir()}
			for _, s := range p.stages[:row.cached] {
				if err := os.MkdirAll(s.path(filepath.Join(b.Cache, "kind")), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			tag, got, err := b.Missing(t.Context(), DefaultVersion)
			if tag != p.tag() || !slices.Equal(got, row.want) || err != nil {
				t.Errorf("got %s, %q, %v, want %s, %q", tag, got, err, p.tag(), row.want)
			}
		})
	}
	if _, _, err := new(Builder).Missing(t.Context(), "v0.0.0"); !errors.Is(err, ErrNoSuchVersion) {
		t.Errorf("got %v, want %v", err, ErrNoSuchVersion)
	}
}

func TestWhatThisMachineLacks(t *testing.T) {
	empty := t.TempDir()
	for _, row := range []struct {
		name  string
		setup func()
		want  []string
	}{
		{"no docker", func() { t.Setenv("PATH", empty) }, []string{"\n  - Docker or Podman: the command docker is not on the PATH"}},
		{"no daemon", func() {
			fakeDocker(t, "")
			text := "#!/bin/sh\necho Cannot connect to the Docker daemon >&2; exit 1\n"
			if err := os.WriteFile(filepath.Join(strings.Split(os.Getenv("PATH"), ":")[0], "docker"), []byte(text), 0o755); err != nil {
				t.Fatal(err)
			}
		}, []string{"no daemon of Docker's answers: docker info --format {{json .}}: exit status 1: Cannot connect to the Docker daemon", "start it"}},
		{"no go", func() {
			fakeDocker(t, "exit 0")
			if err := os.Symlink("/bin/true", filepath.Join(empty, "debootstrap")); err != nil {
				t.Fatal(err)
			}
			t.Setenv("PATH", strings.Split(os.Getenv("PATH"), ":")[0]+":"+empty)
		}, []string{"\n  - the command go: install Go"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.setup()
			cache := t.TempDir()
			_, err := (&Builder{Cache: cache, Mirror: "http://127.0.0.1:1"}).Image(t.Context(), DefaultVersion)
			if !errors.Is(err, lab.ErrUnsupported) {
				t.Errorf("error %v does not say that this machine is unsupported", err)
			}
			for _, want := range row.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %s", err, want)
				}
			}
		})
	}
}

func TestRoomIsStated(t *testing.T) {
	w := testWork(t)
	w.engine = &builder{&engine.Engine{Root: "/does/not/exist"}}
	err := w.check(t.Context(), []stage{{name: stagePause, disk: 1 << 40}})
	if want := " MB are free, 1099511629776 MB are needed: make room, or choose another place with --cache"; !errors.Is(err, lab.ErrUnsupported) || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v, want %s", err, want)
	}
	if err := w.check(t.Context(), nil); err != nil {
		t.Error(err)
	}
}

func TestWhatAKilledBuildLeftIsRemoved(t *testing.T) {
	calls := fakeDocker(t, `[ "$1" = ps ] && echo c1 sha256:i1; [ "$1" != rmi ]`)
	d, err := newBuilder(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.removeLeft(t.Context(), "/cache"); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(calls)
	want := "ps --all --no-trunc --filter label=faultline.node-image=/cache --format {{.ID}} {{.Image}}\nrm --force --volumes c1\nrmi sha256:i1\n"
	if _, got, _ := strings.Cut(string(text), "\n"); got != want {
		t.Errorf("ran\n%swant\n%s", got, want)
	}
}

func TestWhatWasMadeIsTakenBackAfterAnInterrupt(t *testing.T) {
	calls := fakeDocker(t, "case $1 in import) cat >/dev/null; echo sha256:i1;; create) echo c1;; esac")
	ctx, cancel := context.WithCancel(t.Context())
	d, err := newBuilder(ctx, "")
	if err != nil {
		t.Fatal(err)
	}
	var u undo.Stack
	image, err := d.importTree(ctx, &u, strings.NewReader("tree"))
	if err != nil {
		t.Fatal(err)
	}
	container, err := d.create(ctx, &u, "/cache", image, "script", "--env=a=b")
	if err != nil || image != "sha256:i1" || container != "c1" {
		t.Fatalf("made %s, %s, %v", image, container, err)
	}
	cancel()
	if err := d.Stream(ctx, nil, io.Discard, "start", "c1"); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
	if err := u.Unwind(); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(calls)
	want := "import -\ncreate --interactive --network=none --label=faultline.node-image=/cache --entrypoint=/bin/sh --env=a=b sha256:i1 -euc script\n" +
		"rm --force --volumes c1\nrmi sha256:i1\n"
	if _, got, _ := strings.Cut(string(text), "\n"); got != want {
		t.Errorf("ran\n%swant\n%s", got, want)
	}
}

func TestFeedSaysWhoFailed(t *testing.T) {
	for _, row := range []struct {
		name, script, want string
		write              error
	}{
		{"docker", "echo no room >&2; exit 1", "docker load: exit status 1: no room", nil},
		{"what is written", "cat >/dev/null", "no binary", errors.New("no binary")},
		{"both", "cat >/dev/null; echo half an archive >&2; exit 1", "docker load: exit status 1: half an archive\nno binary", errors.New("no binary")},
		{"neither", "cat", "", nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			fakeDocker(t, row.script)
			w := testWork(t)
			var err error
			if w.engine, err = newBuilder(t.Context(), ""); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			err = w.feed(t.Context(), func(to io.Writer) error {
				if row.write != nil {
					return row.write
				}
				_, err := to.Write(make([]byte, 1<<20))
				return err
			}, &out, "load")
			if got := ""; err != nil {
				got = err.Error()
				if !strings.Contains(got, row.want) || row.want == "" {
					t.Errorf("error %q, want %q", got, row.want)
				}
			} else if row.want != "" || out.Len() != 1<<20 {
				t.Errorf("no error, want %q; %d bytes came out", row.want, out.Len())
			}
		})
	}
}
