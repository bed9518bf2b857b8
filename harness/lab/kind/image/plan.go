package image

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/faultline-lab/faultline/harness/internal/cache"
	"github.com/faultline-lab/faultline/harness/kubeproxy"
)

// pins has, for each pinned version of Kubernetes, a directory with go.mod and go.sum of the modules that programs are
// built from, as <name>.mod and <name>.sum: a directory with a file named go.mod in it could not be embedded.
//
//go:embed modules
var pins embed.FS

// packages is the part of the index of Debian's packages that has those of the base, each with its checksum.
//
//go:embed packages
var packages string

//go:embed base.sh
var baseScript string

//go:embed load.sh
var loadScript string

//go:embed pause/main.go
var pauseSource string

// format goes into every hash. Raise it with a change of this package's code that makes other images of the same inputs.
const format = "1"

// kind is the module that the files of the base come from: that of go.mod, with its checksum from go.sum. A test says so.
const (
	kindModule  = "sigs.k8s.io/kind"
	kindVersion = "v0.33.0"
	kindSum     = "h1:AjvDv3vOygb/VKLVQW87lfktIBzkxR8Ump9DjxC8+Lk="
)

// stage is a part of the image that is made once and kept.
type stage struct {
	name   string
	inputs []string // all that decides what it becomes
	// build makes it in the empty directory dir and returns the path of what it made.
	build func(ctx context.Context, w *work, s stage, dir string) (string, error)
	// disk is the room, in MB, that making it takes at most, in faultline's cache and in go's.
	disk int

	module module // of a stage that is built with go
}

// hash stands for the inputs, in order.
func (s stage) hash() string {
	return digest(append([]string{format, runtime.GOARCH, s.name}, s.inputs...)...)
}

// path is where the cache in dir has the stage.
func (s stage) path(dir string) string { return filepath.Join(dir, s.name+"-"+s.hash()) }

// digest is short enough for a tag that people read, long enough to tell inputs apart.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d %s\n", len(p), p) // with lengths, so that no two lists look the same
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// module is what programs are built in: a go.mod, and in main the program itself or else the import paths of programs.
type module struct {
	mod, sum string
	main     string
	programs []string // the binary's name is the last part of the path, of a path that ends in a major version the one before
	tags     string
	ldflags  string
}

// plan is how the image of one version is made.
type plan struct {
	version string
	stages  []stage
}

// The stages. Names of directories in the cache begin with them.
const (
	stageKubernetes = "kubernetes"
	stageEtcd       = "etcd"
	stageCoreDNS    = "coredns"
	stageCNI        = "cni"
	stagePause      = "pause"
	stageBase       = "base"
)

// commands are Kubernetes' programs, those of the node first.
var commands = []string{"kubeadm", "kubelet", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"}

// cniPlugins are those of kind's base image.
var cniPlugins = []string{"ipam/host-local", "main/loopback", "main/ptp", "meta/portmap"}

const (
	etcdModule    = "go.etcd.io/etcd/server/v3"
	corednsModule = "github.com/coredns/coredns"
	cniModule     = "github.com/containernetworking/plugins"
)

// newPlan returns how the image of version is made. It reads nothing but what the binary carries.
func newPlan(version string) (*plan, error) {
	if !slices.Contains(Versions(), version) {
		return nil, fmt.Errorf("%w: want one of %s", ErrNoSuchVersion, strings.Join(Versions(), ", "))
	}
	// First what fails first where something is missing: the mirror, the engine, user namespaces.
	p := &plan{version: version, stages: []stage{{
		name: stageBase, inputs: []string{packages, baseScript, kindModule, kindVersion, kindSum}, build: buildBase, disk: 1500,
	}}}
	for _, m := range modulesOf(version) {
		mod, err := pins.ReadFile(path.Join("modules", version, m.name+".mod"))
		sum, errSum := pins.ReadFile(path.Join("modules", version, m.name+".sum"))
		if err := errors.Join(err, errSum); err != nil {
			return nil, err
		}
		m.module.mod, m.module.sum = string(mod), string(sum)
		p.stages = append(p.stages, m.stage())
	}
	pause := named{stagePause, 100, module{mod: "module faultline.invalid/pause\n\ngo 1.26.0\n", main: pauseSource, programs: []string{"faultline.invalid/pause"}}}
	p.stages = append(p.stages, pause.stage())
	return p, nil
}

// named is a module with the name of its stage and the MB that building it takes.
type named struct {
	name   string
	disk   int
	module module
}

// modulesOf returns the pinned modules of version, without the text of their files.
func modulesOf(version string) []named {
	var kubernetes, plugins []string
	for _, c := range commands {
		kubernetes = append(kubernetes, "k8s.io/kubernetes/cmd/"+c)
	}
	for _, c := range cniPlugins {
		plugins = append(plugins, cniModule+"/plugins/"+c)
	}
	return []named{
		{stageKubernetes, 5000, module{programs: kubernetes, tags: kubeproxy.BuildTags, ldflags: kubeproxy.LDFlags(version)}},
		{stageEtcd, 700, module{programs: []string{etcdModule}}},
		{stageCoreDNS, 2500, module{programs: []string{corednsModule}}},
		{stageCNI, 200, module{programs: plugins}},
	}
}

func (n named) stage() stage {
	m := n.module
	inputs := append([]string{m.mod, m.sum, m.main, m.tags, m.ldflags}, m.programs...)
	return stage{name: n.name, inputs: inputs, build: buildModule, disk: n.disk, module: m}
}

// requires returns the version in which the stage's module requires the module of that path.
func (s stage) requires(modulePath string) (string, error) {
	f, err := modfile.Parse("go.mod", []byte(s.module.mod), nil)
	if err != nil {
		return "", fmt.Errorf("read go.mod of %s: %w", s.name, err)
	}
	for _, r := range f.Require {
		if r.Mod.Path == modulePath {
			return r.Mod.Version, nil
		}
	}
	return "", fmt.Errorf("go.mod of %s: does not require %s", s.name, modulePath)
}

// stage returns the stage of that name.
func (p *plan) stage(name string) stage {
	for _, s := range p.stages {
		if s.name == name {
			return s
		}
	}
	panic("no stage " + name)
}

// missing returns the stages that the cache in dir does not have.
func (p *plan) missing(dir string) ([]stage, error) {
	var all []stage
	for _, s := range p.stages {
		have, err := cache.Has(s.path(dir))
		if err != nil {
			return nil, err
		}
		if !have {
			all = append(all, s)
		}
	}
	return all, nil
}

// tag names the image by all that goes into it.
func (p *plan) tag() string {
	inputs := []string{format, loadScript}
	for _, s := range p.stages {
		inputs = append(inputs, s.hash())
	}
	return "faultline/node:" + p.version + "-" + digest(inputs...)
}

// Versions returns the versions of Kubernetes that are pinned.
func Versions() []string {
	entries, err := pins.ReadDir("modules")
	if err != nil {
		panic(err) // it is part of the binary
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// Tag returns the tag that the image of version has, made or not. The error wraps ErrNoSuchVersion.
func Tag(version string) (string, error) {
	p, err := newPlan(version)
	if err != nil {
		return "", fmt.Errorf("node image %s: %w", version, err)
	}
	return p.tag(), nil
}
