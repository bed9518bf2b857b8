package image

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
)

func testWork(t *testing.T) *work {
	t.Helper()
	p, err := newPlan(DefaultVersion)
	if err != nil {
		t.Fatal(err)
	}
	return &work{plan: p, dir: t.TempDir(), say: func(string) {}}
}

const testConfig = "[plugins]\n  # the image\n  sandbox_image = \"registry.example/pause:3.10\"\n"

func TestComponentsHaveTheNamesThatKubeadmWants(t *testing.T) {
	names := strings.Fields("registry.example/kube-apiserver:v1.36.3 registry.example/kube-controller-manager:v1.36.3 registry.example/kube-scheduler:v1.36.3 " +
		"registry.example/kube-proxy:v1.36.3 registry.example/coredns/coredns:v1.14.2 registry.example/pause:3.10.2 registry.example/etcd:3.6.8-0")
	all, err := testWork(t).componentsOf(names, "v3.6.8", "v1.14.2", testConfig)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	layers := map[string]int{}
	for _, c := range all {
		got = append(got, c.Name)
		layers[c.Name] = len(c.Layers)
	}
	want := append([]string(nil), names...)
	want[5] = "registry.example/pause:3.10" // that of containerd, not of kubeadm
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("images (-want +got):\n%s", diff)
	}
	if layers[names[3]] != 2 || layers[names[0]] != 1 {
		t.Errorf("layers %v: only kube-proxy has tools below it", layers)
	}
}

func TestComponentsThatWereNotBuilt(t *testing.T) {
	for _, row := range []struct{ name, config, want string }{
		{"registry.example/etcd:3.6.80-0", testConfig, "kubeadm wants registry.example/etcd:3.6.80-0, pinned is etcd v3.6.8"},
		{"registry.example/coredns/coredns:v1.14.3", testConfig, "kubeadm wants registry.example/coredns/coredns:v1.14.3, pinned is CoreDNS v1.14.2"},
		{"registry.example/new:v1", testConfig, "kubeadm wants registry.example/new:v1, and nothing here makes that"},
		{"registry.example/pause:3.10", "", "containerd's configuration names no sandbox_image"},
	} {
		_, err := testWork(t).componentsOf([]string{row.name}, "v3.6.8", "v1.14.2", row.config)
		if err == nil || err.Error() != row.want {
			t.Errorf("%s: error %v, want %s", row.name, err, row.want)
		}
	}
}

func TestImagesThatContainerdDidNotTake(t *testing.T) {
	all := []archive.Image{{Name: "a:1"}, {Name: "b:2"}}
	if err := loaded("b:2\nsha256:0\na:1\n", all); err != nil {
		t.Error(err)
	}
	err := loaded("a:1\n", all)
	if want := "containerd has no image b:2 after loading it, it has a:1"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
