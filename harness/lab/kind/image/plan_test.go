package image

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
	kind "sigs.k8s.io/kind/pkg/cmd/kind/version"

	"github.com/faultline-lab/faultline/harness/topology"
)

func TestHashTellsInputsApart(t *testing.T) {
	s := stage{name: "a", inputs: []string{"b", "c"}}
	if again := (stage{name: "a", inputs: []string{"b", "c"}}); again.hash() != s.hash() {
		t.Errorf("the same inputs: %s and %s", s.hash(), again.hash())
	}
	for _, other := range []stage{
		{name: "a", inputs: []string{"c", "b"}}, {name: "a", inputs: []string{"bc"}}, {name: "a", inputs: []string{"b", "c", ""}},
		{name: "b", inputs: []string{"b", "c"}}, {name: "a", inputs: []string{"b\n1 c"}},
	} {
		if other.hash() == s.hash() {
			t.Errorf("%q and %q have the same hash", other.inputs, s.inputs)
		}
	}
}

func TestEveryPinGoesIntoItsStageAndTheTag(t *testing.T) {
	p, err := newPlan(DefaultVersion)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for i, s := range p.stages {
		names = append(names, s.name)
		for j := range s.inputs {
			changed := &plan{version: p.version, stages: slices.Clone(p.stages)}
			changed.stages[i].inputs = slices.Clone(s.inputs)
			changed.stages[i].inputs[j] += "x"
			if changed.stages[i].hash() == s.hash() || changed.tag() == p.tag() {
				t.Errorf("stage %s, input %d: another one gives the same", s.name, j)
			}
		}
	}
	if want := "base kubernetes etcd coredns cni pause"; strings.Join(names, " ") != want {
		t.Errorf("stages %v, want %s", names, want)
	}
	tag, err := Tag(DefaultVersion)
	if err != nil || tag != p.tag() || !regexp.MustCompile(`^faultline/node:v1\.36\.3-[0-9a-f]{12}$`).MatchString(tag) {
		t.Errorf("tag %s, %v, want faultline/node:v1.36.3-<hash>", tag, err)
	}
}

func TestVersionThatIsNotPinned(t *testing.T) {
	for _, version := range []string{"", "v1.30.0", "1.36.3", "..", "v1.36.3/kubernetes.mod"} {
		_, err := Tag(version)
		want := "node image " + version + ": this version of Kubernetes is not pinned: want one of v1.36.3"
		if !errors.Is(err, ErrNoSuchVersion) || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

func TestDefaultVersionIsThatOfTopologies(t *testing.T) {
	if DefaultVersion != topology.DefaultKubeProxy || !slices.Contains(Versions(), DefaultVersion) {
		t.Errorf("default %s, of topologies %s, pinned %v", DefaultVersion, topology.DefaultKubeProxy, Versions())
	}
}

func TestKindIsThatOfThisModule(t *testing.T) {
	mod, err := os.ReadFile("../../../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	f, err := modfile.Parse("go.mod", mod, nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(f.Require, func(r *modfile.Require) bool { return r.Mod.Path == kindModule })
	if i < 0 || f.Require[i].Mod.Version != kindVersion {
		t.Errorf("go.mod requires another %s than %s", kindModule, kindVersion)
	}
	sum, err := os.ReadFile("../../../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	if got := "v" + kind.Version(); got != kindVersion {
		t.Errorf("the library is kind %s, the image is of %s", got, kindVersion)
	}
	if line := kindModule + " " + kindVersion + " " + kindSum + "\n"; !strings.Contains(string(sum), line) {
		t.Errorf("go.sum has no line %q", line)
	}
}

func TestPinnedModules(t *testing.T) {
	for _, version := range Versions() {
		p, err := newPlan(version)
		if err != nil {
			t.Fatal(err)
		}
		for name, path := range map[string]string{
			stageKubernetes: "k8s.io/kubernetes", stageEtcd: etcdModule, stageCoreDNS: corednsModule, stageCNI: cniModule,
		} {
			s := p.stage(name)
			got, err := s.requires(path)
			if err != nil {
				t.Error(err)
			}
			if name == stageKubernetes && got != version {
				t.Errorf("Kubernetes %s is pinned as %s", got, version)
			}
			if want := path + " " + got + " h1:"; !strings.Contains(s.module.sum, want) {
				t.Errorf("%s.sum has no line %q", name, want)
			}
		}
		// It is the same Kubernetes that kube-proxy is built of for other runtimes.
		want, err := os.ReadFile("../../../kubeproxy/modules/" + version + ".mod")
		if err != nil || string(want) != p.stage(stageKubernetes).module.mod {
			t.Errorf("%s: kubernetes.mod is not kube-proxy's, %v", version, err)
		}
	}
}

func TestStageThatDoesNotRequire(t *testing.T) {
	_, err := stage{name: "etcd", module: module{mod: "module x\n"}}.requires("example.com/a")
	if want := "go.mod of etcd: does not require example.com/a"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestPinnedPackages(t *testing.T) {
	all, err := parseIndex(packages)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range basePackages {
		if !slices.ContainsFunc(all, func(p debian) bool { return p.name == name }) {
			t.Errorf("no package %s", name)
		}
	}
}

func TestIndexThatCannotBeTrusted(t *testing.T) {
	const unsigned = "Package: a\nFilename: pool/a.deb\nSize: 3"
	const good = unsigned + "\nSHA256: 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	if _, err := parseIndex(good + "\n"); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"no name": strings.Replace(good, "Package: a\n", "", 1), "no checksum": unsigned,
		"a short checksum": good[:len(good)-1], "a file elsewhere": strings.Replace(good, "pool/", "../", 1), "no size": strings.Replace(good, "Size: 3\n", "", 1),
	} {
		_, err := parseIndex(good + "\n\n" + text)
		if want := "index of packages: entry 2: want Package, Filename, SHA256 and Size"; err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", name, err, want)
		}
	}
}
