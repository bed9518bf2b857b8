package kind

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNodesInTheirOwnWords(t *testing.T) {
	const list = `{"items": [
		{"metadata": {"name": "c-worker"}, "status": {"nodeInfo": {"kubeletVersion": "v1.36.3", "containerRuntimeVersion": "containerd://2.3.3", "osImage": "Debian 13", "kernelVersion": "6.18.5", "kubeProxyVersion": ""}}},
		{"metadata": {"name": "c-control-plane"}, "status": {"nodeInfo": {"kubeletVersion": "v1.36.2"}}}
	]}`
	got, err := parseNodes([]byte(list), []string{"edge", "cloud", "gone"}, map[string]string{"cloud": "c-worker", "edge": "c-control-plane", "gone": "c-worker2"})
	want := []nodeFacts{
		{Node: "edge", Container: "c-control-plane", Kubelet: "v1.36.2"},
		{Node: "cloud", Container: "c-worker", Kubelet: "v1.36.3", ContainerRuntime: "containerd://2.3.3", OS: "Debian 13", Kernel: "6.18.5"},
	}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Errorf("%v, -want +got:\n%s", err, d)
	}
	if _, err := parseNodes([]byte("Error from server"), nil, nil); err == nil {
		t.Error("no error for what is no list")
	}
}

func TestVersionInMetrics(t *testing.T) {
	for text, want := range map[string]string{
		"go_info{version=\"go1.26\"} 1\nkubernetes_build_info{build_date=\"x\",git_version=\"v1.36.3\",minor=\"36\"} 1\n": "v1.36.3",
		"# HELP kubernetes_build_info git_version=\"v1\"\n":                                                               "",
		"": "",
	} {
		if got := builtAs(text); got != want {
			t.Errorf("%q, want %q, of %s", got, want, text)
		}
	}
}
