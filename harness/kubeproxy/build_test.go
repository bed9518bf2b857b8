package kubeproxy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"

	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/topology"
)

func TestArgs(t *testing.T) {
	step := plan.StartKubeProxy{
		Node: "Cloud", Address: addr("192.168.0.1"), Version: "v1.36.3", Mode: ModeIPVS,
		ClusterCIDR: "10.244.0.0/16", Flags: []string{"--masquerade-all"},
	}
	want := []string{
		"--master=http://127.0.0.1:16443", "--kube-api-content-type=application/json", "--hostname-override=cloud",
		"--proxy-mode=ipvs", "--conntrack-max-per-core=0", "--conntrack-min=0", "--v=2",
		"--bind-address=192.168.0.1", "--cluster-cidr=10.244.0.0/16", "--masquerade-all",
	}
	if diff := cmp.Diff(want, Args(step, "http://127.0.0.1:16443")); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func TestNFTablesModeIsAskedForWhereItIsAlpha(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.28.15": false, "v1.29.6": true, "v1.30.14": true, "v1.31.0-beta.0": false, "v1.31.0": false, "v1.36.3": false,
	} {
		args := strings.Join(Args(plan.StartKubeProxy{Version: version, Mode: ModeNFTables}, ""), " ")
		if got := strings.Contains(args, "--feature-gates=NFTablesProxyMode=true"); got != want {
			t.Errorf("%s: asked for: %v, want %v", version, got, want)
		}
		if got := len(CleanupArgs(version)) == 2; got != want {
			t.Errorf("%s: asked for to clean up: %v, want %v", version, got, want)
		}
	}
}

func TestGeneratedModule(t *testing.T) {
	upstream := "module k8s.io/kubernetes\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire k8s.io/api v0.0.0\n\n" +
		"replace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\texample.com/a v1.0.0 => example.com/b v1.2.0\n)\n"
	want := "module faultline.invalid/kube-proxy\n\ngo 1.26.0\n\ngodebug default=go1.26\n\nrequire k8s.io/kubernetes v1.37.0-rc.1\n\n" +
		"replace k8s.io/api => k8s.io/api v0.37.0-rc.1\n\nreplace example.com/a v1.0.0 => example.com/b v1.2.0\n"
	got, err := generateModule("v1.37.0-rc.1", []byte(upstream))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("go.mod (-want +got):\n%s", diff)
	}

	_, err = generateModule("v1.36.3", []byte("module k8s.io/kubernetes\n\nreplace example.com/a => ./elsewhere\n"))
	wantErr := "go.mod of k8s.io/kubernetes: replaces example.com/a by directory ./elsewhere, which is not a staging module"
	if err == nil || err.Error() != wantErr {
		t.Errorf("error %v, want %s", err, wantErr)
	}
}

func TestDefaultVersionIsPinned(t *testing.T) {
	if topology.DefaultKubeProxy != pinned {
		t.Errorf("pinned is %s, the default of topologies is %s", pinned, topology.DefaultKubeProxy)
	}
}

func TestPinnedModuleIsThatOfItsVersion(t *testing.T) {
	text, err := modules.ReadFile("modules/" + pinned + ".mod")
	if err != nil {
		t.Fatal(err)
	}
	f, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Require) != 1 || f.Require[0].Mod.String() != "k8s.io/kubernetes@"+pinned {
		t.Errorf("requires %v, want only k8s.io/kubernetes@%s", f.Require, pinned)
	}
	for _, r := range f.Replace {
		if want := "v0" + strings.TrimPrefix(pinned, "v1"); r.New.Path != r.Old.Path || r.New.Version != want {
			t.Errorf("replaces %v by %v, want version %s of the same", r.Old, r.New, want)
		}
	}
	sum, err := modules.ReadFile("modules/" + pinned + ".sum")
	if err != nil {
		t.Fatal(err)
	}
	if want := "k8s.io/kubernetes " + pinned + " h1:"; !strings.Contains(string(sum), want) {
		t.Errorf("go.sum has no line %q", want)
	}
}

func TestCachedBinaryIsTakenAsItIs(t *testing.T) {
	cache := t.TempDir()
	path := filepath.Join(cache, "kube-proxy", "kube-proxy-v1.30.1")
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o755)); err != nil {
		t.Fatal(err)
	}
	b := Builder{Cache: cache, Progress: func(s string) { t.Errorf("progress %q, want none", s) }}
	if got, err := b.Binary(t.Context(), "v1.30.1"); got != path || err != nil {
		t.Errorf("got %s, %v, want %s", got, err, path)
	}
}

func TestNotAVersion(t *testing.T) {
	for _, version := range []string{"", "1.36.3", "v1.36", "v2.0.0", "v1.36.3/../../x", "latest"} {
		_, err := (&Builder{Cache: t.TempDir()}).Binary(t.Context(), version)
		want := "kube-proxy " + version + ": not a version: want one like v1.36.3: no such release of Kubernetes"
		if !errors.Is(err, ErrNoSuchVersion) || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	cache := t.TempDir()
	_, err := (&Builder{Cache: cache}).Binary(t.Context(), pinned)
	want := "kube-proxy v1.36.3: needs the go command to build it from source: install Go and put it into PATH: " +
		`exec: "go": executable file not found in $PATH`
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	nothingLeft(t, cache)
}

// nothingLeft fails if a build left more than its lock file.
func nothingLeft(t *testing.T, cache string) {
	t.Helper()
	left, err := os.ReadDir(filepath.Join(cache, "kube-proxy"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if !strings.HasPrefix(e.Name(), ".lock-") {
			t.Errorf("left behind: %s", e.Name())
		}
	}
}

// fakeGo puts a go into PATH that runs script.
func fakeGo(t *testing.T, script string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
}

func TestWhatGoSaysBecomesWhatToDo(t *testing.T) {
	for _, row := range []struct{ name, says, want string }{
		{
			"a version that was never released", "go: module k8s.io/kubernetes@v1.30.99: reading x: 404 Not Found",
			"kube-proxy v1.30.99: look up the version: no such release of Kubernetes\n",
		},
		{
			"no network", "go: k8s.io/kubernetes@v1.30.99: invalid version: Get x: dial tcp: lookup x: no such host",
			"kube-proxy v1.30.99: look up the version: go cannot reach where modules come from: check the network, its proxy (HTTPS_PROXY) and go env GOPROXY. " +
				"It is needed once: what was built is kept in faultline's cache, which may be copied from another machine\n",
		},
		{
			"a full disk", "go: write /x: no space left on device",
			"kube-proxy v1.30.99: look up the version: the disk is full: make room for about 3 GB in faultline's cache and " +
				"go's caches (go env GOCACHE GOMODCACHE)\n",
		},
		{"anything else", "go: strange", "kube-proxy v1.30.99: look up the version: exit status 1\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			fakeGo(t, "echo '"+row.says+"' >&2; exit 1")
			cache := t.TempDir()
			_, err := (&Builder{Cache: cache}).Binary(t.Context(), "v1.30.99")
			if want := row.want + row.says; err == nil || err.Error() != want {
				t.Errorf("error %v\nwant  %s", err, want)
			}
			nothingLeft(t, cache)
		})
	}
}

func TestBuildThatIsCancelledLeavesNothing(t *testing.T) {
	fakeGo(t, "sleep 60 & wait")
	ctx, cancel := context.WithCancel(t.Context())
	cache := t.TempDir()
	started := time.Now()
	time.AfterFunc(200*time.Millisecond, cancel)
	_, err := (&Builder{Cache: cache}).Binary(ctx, pinned)
	if want := "kube-proxy v1.36.3: fetch its modules: context canceled"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if took := time.Since(started); took > 4*time.Second {
		t.Errorf("took %v to end", took)
	}
	nothingLeft(t, cache)
}

func TestOnlyOneBuildsAtATime(t *testing.T) {
	cache := t.TempDir()
	// What a killed run left must be gone before the build starts, and the binary is built once for both.
	work := filepath.Join(cache, "kube-proxy", ".build-kube-proxy-v1.36.3")
	if err := errors.Join(os.MkdirAll(work, 0o755), os.WriteFile(filepath.Join(work, "kube-proxy"), []byte("half"), 0o755)); err != nil {
		t.Fatal(err)
	}
	runs := filepath.Join(t.TempDir(), "runs")
	fakeGo(t, `
case $1 in
list) echo list >> `+runs+`; test ! -e kube-proxy; exit $? ;;
build)
	while [ "$1" != -o ]; do shift; done
	printf '#!/bin/sh\necho Kubernetes v1.36.3\n' > "$2"; chmod +x "$2" ;;
esac
`)
	errs := make(chan error)
	for range 4 {
		go func() {
			_, err := (&Builder{Cache: cache}).Binary(t.Context(), pinned)
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if b, err := os.ReadFile(runs); err != nil || string(b) != "list\n" {
		t.Errorf("builds: %q, %v, want one", b, err)
	}
	if left, err := os.ReadDir(work); err == nil {
		t.Errorf("work directory left with %v", left)
	}
}

func TestBinaryThatIsSomethingElse(t *testing.T) {
	fakeGo(t, `
[ "$1" = build ] || exit 0
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\necho Kubernetes v1.36.2\n' > "$2"; chmod +x "$2"
`)
	cache := t.TempDir()
	_, err := (&Builder{Cache: cache}).Binary(t.Context(), pinned)
	if want := `kube-proxy v1.36.3: kube-proxy --version says "Kubernetes v1.36.2", want "Kubernetes v1.36.3"`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	nothingLeft(t, cache)
}
