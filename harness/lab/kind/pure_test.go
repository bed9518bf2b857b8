package kind

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
	"github.com/faultline-lab/faultline/harness/plan"
)

func TestCommandsThatAreChanged(t *testing.T) {
	tests := []struct{ name, args, want string }{
		{"a node container", "run --name n --net s --tty image", "run --label io.faultline.cluster=s --name n --net s:interface_name=kube0 --tty image"},
		{"a container without a network", "create --net", "create --label io.faultline.cluster=s --net"},
		{"a volume", "volume create --label n=true", "volume create --label io.faultline.cluster=s --label n=true"},
		{"a command in a node", "exec -i n sh", "exec -i n sh"},
		{"anything else", "network ls", "network ls"},
		{"nothing", "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := strings.Join(linkNamed(labelled(strings.Fields(tt.args), "s")), " ")
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestNodesWithoutPrivileges(t *testing.T) {
	got := bareNode([]string{"run", "--privileged", "image"})
	without := engine.Unprivileged([]string{"run", "--privileged", "image"})
	want := slices.Concat(without[:len(without)-1], []string{"--entrypoint", "/bin/sh", "image", "-c", bareEntrypoint})
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("a node: -want +got:\n%s", d)
	}
	for _, same := range []string{"run image", "network ls"} {
		if got := strings.Join(bareNode(strings.Fields(same)), " "); got != same {
			t.Errorf("%s is changed to %s", same, got)
		}
	}
}

func TestPodImageIsWhatContainerdLoads(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "faultline")
	if err := os.WriteFile(binary, []byte("program"), 0o700); err != nil {
		t.Fatal(err)
	}
	one, err := newPodImage(binary)
	if err != nil {
		t.Fatal(err)
	}
	two, err := newPodImage(binary)
	if err != nil || one.name != two.name || !bytes.Equal(one.archive, two.archive) {
		t.Errorf("the same binary gives %s and %s, %v", one.name, two.name, err)
	}
	files := untar(t, one.archive)
	var index []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &index); err != nil {
		t.Fatal(err)
	}
	if len(index) != 1 || index[0].RepoTags[0] != one.name || files[index[0].Config] == nil {
		t.Errorf("manifest %s", files["manifest.json"])
	}
	layer := untar(t, files[index[0].Layers[0]])
	if string(layer["faultline"]) != "program" {
		t.Errorf("the layer has %v", layer)
	}
}

func untar(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

const before = `## links
lo
kube0
## policy rules
0:	from all lookup local
## routes
172.18.0.0/16 dev kube0 proto kernel scope link src 172.18.0.2
## iptables rules
*nat
:OUTPUT ACCEPT
COMMIT
## nftables tables
## sysctls
/proc/sys/net/ipv4/ip_forward:0
`

const after = `## links
kube0
lo
cali1
## policy rules
0:	from all lookup local
1000:	from all to 10.7.200.2 lookup 500
## routes
172.18.0.0/16 dev kube0 proto kernel scope link src 172.18.0.2
blackhole 10.9.0.0/16
## iptables rules
*filter
:cali - [0:0]
COMMIT
*nat
:OUTPUT ACCEPT
COMMIT
## nftables tables
table inet ovn
## sysctls
/proc/sys/net/ipv4/ip_forward:1
`

func TestResetUndoesWhatALabLeft(t *testing.T) {
	was, is := parseSnapshot(before), parseSnapshot(after)
	want := `ip link del dev cali1 || true
ip -4 rule del priority 1000 from all to 10.7.200.2 lookup 500 || true
ip -4 route del blackhole 10.9.0.0/16 2>/dev/null || true
nft delete table inet ovn || true
iptables-nft-restore <<'EOF' || true
*nat
:OUTPUT ACCEPT
COMMIT
*filter
COMMIT
EOF
echo 0 > /proc/sys/net/ipv4/ip_forward || true
conntrack -F >/dev/null 2>&1 || true
`
	if d := cmp.Diff(want, was.undo(is)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if s := was.undo(parseSnapshot(before)); s != "conntrack -F >/dev/null 2>&1 || true\n" {
		t.Errorf("a namespace that is as it was is changed:\n%s", s)
	}
	if s := was.differs(is); !strings.Contains(s, `links: lacks [], has besides ["cali1"]`) {
		t.Errorf("differs: %s", s)
	}
}

func TestSyncedIsWhatMetricsSay(t *testing.T) {
	tests := []struct {
		name, metrics string
		want          bool
	}{
		{"never", lastSync + " 0\n", false},
		{"once", "# HELP x\n" + lastSync + " 1.7e+09\n", true},
		{"once, by family", lastSync + `{ip_family="IPv4"} 1.7e+09` + "\n", true},
		{"IPv6 alone", lastSync + `{ip_family="IPv6"} 1.7e+09` + "\n", false},
		{"not asked yet", "", false},
	}
	for _, tt := range tests {
		if got := hasSynced(tt.metrics); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// fake is an engine whose command is a shell script. It is on the PATH as docker, and says who it is.
func fake(t *testing.T, script string) *engine.Engine {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, engine.Docker)
	text := "#!/bin/sh\n" + `[ "$1" = info ] && echo '{"ServerVersion": "1", "OSType": "linux", "Architecture": "x86_64"}' && exit` + "\n" + script + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	return &engine.Engine{Command: engine.Docker, Path: path}
}

func TestWhatNodesSayOfAnError(t *testing.T) {
	c := &cluster{
		site: &site{engine: fake(t, "echo running 0")},
		plan: clusterPlan{members: []string{"node1"}}, nodes: map[string]string{"node1": "c-worker"},
	}
	late, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	err := c.explain(late, errors.New("not up"))
	if want := "not up\nnode node1 (c-worker) is running 0\n"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("after its own time limit: %v, want %s", err, want)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.explain(interrupted, errors.New("not up")); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

func TestImageThatIsNowhere(t *testing.T) {
	e := fake(t, "echo 'manifest unknown' >&2; exit 1")
	var u *lab.UnsupportedError
	if err := findImage(context.Background(), e, "kindest/node:v9"); !errors.As(err, &u) ||
		u.Missing[0].What != "the node image kindest/node:v9, here or in its registry (docker manifest inspect kindest/node:v9: exit status 1: manifest unknown)" {
		t.Errorf("error %v", err)
	}
}

func TestImageOfAnotherVersion(t *testing.T) {
	if err := withVersion(nil, "mine", "v1.36.3", "v1.36.3"); err != nil {
		t.Errorf("the same version: %v", err)
	}
	var u *lab.UnsupportedError
	lacks := missing("ip_vs", "load it")
	if err := withVersion(lacks, "mine", "v1.36.4", "v1.36.3"); !errors.As(err, &u) || len(u.Missing) != 2 ||
		u.Missing[1] != (lab.Missing{
			What: "kube-proxy v1.36.3 in the node image mine, which is of Kubernetes v1.36.4",
			Do:   "run with --kube-proxy v1.36.4, or name an image of v1.36.3 with --node-image",
		}) {
		t.Errorf("another version: %v", err)
	}
	broken := errors.New("the agent is gone")
	if err := withVersion(broken, "mine", "v1.36.4", "v1.36.3"); !errors.Is(err, broken) {
		t.Errorf("where the check broke: %v", err)
	}
}

func TestCheckNamesAllThatIsMissing(t *testing.T) {
	const (
		dynamic = "a statically linked faultline for the pods ("
		cgroup  = "cgroup v2 for the kubelet of v1.38.0 (this host has cgroup v1, which Kubernetes drops): boot it with systemd.unified_cgroup_hierarchy=1"
		image   = "the node image kindest/node:v1.38.0, here or in its registry (docker manifest inspect kindest/node:v1.38.0: exit status 1: no such host): " +
			"build one (`faultline kind image`), or name one that is here with --node-image; `docker images` lists them"
	)
	p := office()
	for i, s := range p.Steps {
		if s, ok := s.(plan.StartKubeProxy); ok {
			s.Version = "v1.38.0"
			p.Steps[i] = s
		}
	}
	for _, row := range []struct {
		name, docker string
		want         []string
	}{
		{"cgroup v2 and an image", `case $1 in info) echo '{"ServerVersion": "1", "CgroupVersion": "1"}';; *) echo 'no such host' >&2; exit 1;; esac`, []string{dynamic, cgroup, image}},
		{"the right to use Docker", "echo 'permission denied' >&2; exit 1", []string{dynamic, "Docker or Podman: this user may not talk to Docker's daemon"}},
		{"an engine", "", []string{dynamic, "Docker or Podman: the command docker is not on the PATH; the command podman is not on the PATH"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			if row.docker != "" {
				if err := os.WriteFile(filepath.Join(dir, "docker"), []byte("#!/bin/sh\n"+row.docker+"\n"), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", dir)
			_, err := New(Options{Cache: dir, Binary: "/bin/sh"}).Check(t.Context(), p)
			var u *lab.UnsupportedError
			if !errors.As(err, &u) || len(u.Missing) != len(row.want) {
				t.Fatalf("error %v", err)
			}
			for i, want := range row.want {
				if got := u.Missing[i].What + ": " + u.Missing[i].Do; !strings.HasPrefix(got, want) || u.Missing[i].Do == "" {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

func TestKubeletOnCgroup1(t *testing.T) {
	for version, want := range map[string]bool{"v1.29.6": true, "v1.36.3": true, "v1.38.0-alpha.1": true, "v1.38.0": false, "v1.40.1": false} {
		if err := kubeletLacks(&engine.Engine{Cgroup1: true}, version); (err == nil) != want {
			t.Errorf("%s on cgroup v1: %v", version, err)
		}
		if err := kubeletLacks(&engine.Engine{}, version); err != nil {
			t.Errorf("%s on cgroup v2: %v", version, err)
		}
	}
}

func TestServersThatDoNotListen(t *testing.T) {
	for _, row := range []struct{ name, script, want string }{
		{"they listen", "printf 'one\\nready\\n'", ""},
		{"they have ended", "echo 'listen tcp :81: address already in use'", "wait for the servers of pod web: their log ends before they listen: listen tcp :81: address already in use"},
		{"they have ended without a word", "exit 0", "wait for the servers of pod web: their log ends before they listen: without a word"},
		{"it is another word that they said", "echo already", "wait for the servers of pod web: their log ends before they listen: already"},
		{"nobody can ask", "echo 'no pod web' >&2; exit 1", "exit status 1: no pod web"},
	} {
		t.Run(row.name, func(t *testing.T) {
			asked := filepath.Join(t.TempDir(), "asked")
			e := fake(t, "echo one >>"+asked+"\n"+row.script)
			c := &cluster{site: &site{engine: e}, nodes: map[string]string{"a": "node-a"}, plan: clusterPlan{members: []string{"a"}, pods: []pod{{name: "web", tcp: []uint16{81}}}}}
			err := c.waitServers(t.Context())
			if (err == nil) != (row.want == "") || err != nil && !strings.HasSuffix(err.Error(), row.want) {
				t.Errorf("error %v, want %s", err, row.want)
			}
			if text, _ := os.ReadFile(asked); string(text) != "one\n" {
				t.Errorf("asked %d times, want once", strings.Count(string(text), "\n"))
			}
		})
	}
}

// The script that follows a log, with a kubectl that goes on after the line, as of a server that runs.
func TestLogIsFollowedUpToTheLine(t *testing.T) {
	dir := t.TempDir()
	kubectl, pipe := filepath.Join(dir, "kubectl"), filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(kubectl, []byte("#!/bin/sh\nexec 3>"+pipe+"\necho one; echo ready; exec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 1)
	go func() { // until the kubectl has ended
		_, err := os.ReadFile(pipe)
		held <- err
	}()
	var out bytes.Buffer
	c := exec.CommandContext(t.Context(), "bash", "-c", listens, "bash", "60", kubectl, "logs")
	c.Stdout, c.Stderr = &out, os.Stderr // a pipe of its own would be held by kubectl
	if err := c.Run(); out.String() != "one\nready\n" || err != nil {
		t.Errorf("got %q, %v", &out, err)
	}
	select {
	case err := <-held:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("kubectl still follows")
	}
}

func TestImageThatIsMade(t *testing.T) {
	e := fake(t, "echo 'manifest unknown' >&2; exit 1")
	p := office()
	r := New(Options{NodeImage: func(_ context.Context, version string) (string, error) { return "made:" + version, nil }})
	if image, err := r.image(context.Background(), e, p); image != "made:v1.36.3" || err != nil {
		t.Errorf("where there is none: %q, %v", image, err)
	}
	here := fake(t, "exit 0")
	if image, err := r.image(context.Background(), here, p); image != "kindest/node:v1.36.3" || err != nil {
		t.Errorf("where there is one: %q, %v", image, err)
	}
	r.options.Image = "mine"
	if image, err := r.image(context.Background(), e, p); image != "mine" || err == nil {
		t.Errorf("where another was asked for that is nowhere: %q, %v", image, err)
	}
}

func TestStaleIsWhatNobodyHolds(t *testing.T) {
	cache := t.TempDir()
	o := Options{Cache: cache}
	for _, name := range []string{"faultline-held-0001", "faultline-kept-0002", "faultline-gone-0003"} {
		if err := os.MkdirAll(filepath.Join(stateDir(cache), name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := lockDir(filepath.Join(stateDir(cache), "faultline-held-0001"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := os.WriteFile(filepath.Join(stateDir(cache), "faultline-kept-0002", keptFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	asked := filepath.Join(t.TempDir(), "asked")
	fake(t, `echo "$*" >> `+asked+`; case "$1" in ps) [ -e `+asked+`.rm ] || echo c1;; rm) touch `+asked+`.rm;; network) [ "$2" = ls ] && echo n1;; volume) [ "$2" = ls ] && echo v1;; esac; exit 0`)
	// It says who has the cluster: this run would take another.
	if err := os.WriteFile(filepath.Join(stateDir(cache), "faultline-gone-0003", engineFile), []byte(engine.Docker), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Engine = engine.Podman
	removed, err := RemoveStale(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	o.Engine = ""
	want := []Removed{
		{Name: "faultline-gone-0003"}, {Name: "faultline-held-0001", Left: "its owner is alive"},
		{Name: "faultline-kept-0002", Left: "it is kept; `faultline down faultline-kept-0002` removes it"},
	}
	if d := cmp.Diff(want, removed); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	text, _ := os.ReadFile(asked)
	for _, line := range []string{"--filter label=io.faultline.cluster=faultline-gone-0003", "rm --force --volumes c1", "volume rm v1", "network rm n1"} {
		if !strings.Contains(string(text), line) {
			t.Errorf("docker was not asked for %s:\n%s", line, text)
		}
	}
	for _, name := range []string{"held", "kept"} {
		if strings.Contains(string(text), name) {
			t.Errorf("docker was asked about the cluster that is %s:\n%s", name, text)
		}
	}
	gone := filepath.Join(stateDir(cache), "faultline-gone-0003")
	if _, err := os.Stat(gone); err != nil {
		t.Errorf("nobody will look for what the daemon was still making: %v", err)
	}
	fake(t, "exit 0")
	if _, err := RemoveStale(context.Background(), o); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there, with nothing left: %v", err)
	}
	if err := Remove(context.Background(), o, "faultline-held-0001"); !errors.Is(err, errHeld) {
		t.Errorf("remove what somebody works with: %v", err)
	}
	if err := Remove(context.Background(), o, "faultline-kept-0002"); err != nil {
		t.Errorf("remove what is kept: %v", err)
	}
	if left, err := os.ReadDir(stateDir(cache)); err != nil || len(left) != 1 {
		t.Errorf("directories that are left: %v, %v; want that of the cluster that is held", left, err)
	}
}
