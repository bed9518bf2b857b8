package image

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/undo"
	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
)

// assemble makes the image of stages that are all in the cache.
func (w *work) assemble(ctx context.Context) (err error) {
	var u undo.Stack
	defer func() { err = errors.Join(err, u.Unwind()) }()

	components, err := w.components(ctx)
	if err != nil {
		return err
	}
	base, err := os.Open(filepath.Join(w.path(w.plan.stage(stageBase)), baseTree))
	if err != nil {
		return err
	}
	defer base.Close()
	id, err := w.engine.importTree(ctx, &u, base)
	if err != nil {
		return err
	}
	var container undo.Stack // goes before the image of the base, in any case
	defer func() { err = errors.Join(err, container.Unwind()) }()
	node, err := w.engine.create(ctx, &container, w.dir, id, loadScript,
		// What commit takes over and cannot be told: systemd reads the one and ends on the other.
		"--env=container=docker", "--stop-signal=SIGRTMIN+3")
	if err != nil {
		return err
	}
	if err := w.feed(ctx, func(to io.Writer) error { return archive.WriteFiles(to, w.nodeFiles()...) }, io.Discard, "cp", "-", node+":/"); err != nil {
		return err
	}
	var names bytes.Buffer
	if err := w.feed(ctx, func(to io.Writer) error { return archive.Write(to, components...) }, &names, "start", "--attach", "--interactive", node); err != nil {
		return err
	}
	if err := loaded(names.String(), components); err != nil {
		return err
	}
	_, err = w.engine.Output(ctx, "commit", `--change=ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]`, "--change=CMD []", node, w.engine.Reference(w.plan.tag()))
	if err != nil {
		return err
	}
	u.Keep() // the base is part of the image now
	return nil
}

// feed runs the engine with what write writes as its input.
func (w *work) feed(ctx context.Context, write func(io.Writer) error, out io.Writer, args ...string) error {
	r, to := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(to)
		to.CloseWithError(err)
		written <- err
	}()
	err := w.engine.Stream(ctx, r, out, args...)
	r.CloseWithError(io.ErrClosedPipe)
	// The reason why the engine failed, if that was it; a pipe that nobody reads any more is none.
	if wrote := <-written; wrote != nil && !errors.Is(err, wrote) && !errors.Is(wrote, io.ErrClosedPipe) {
		err = errors.Join(err, wrote)
	}
	return err
}

// nodeFiles are what a node has beside the base: Kubernetes' programs, the CNI plugins, and its version for kind.
func (w *work) nodeFiles() []archive.File {
	files := []archive.File{{Name: "kind/version", Mode: 0o644, Data: []byte(w.plan.version + "\n")}}
	for _, c := range []string{"kubeadm", "kubelet", "kubectl"} {
		files = append(files, archive.File{Name: "usr/bin/" + c, Mode: 0o755, From: w.binary(stageKubernetes, c)})
	}
	for _, c := range cniPlugins {
		files = append(files, archive.File{Name: "opt/cni/bin/" + path.Base(c), Mode: 0o755, From: w.binary(stageCNI, path.Base(c))})
	}
	return files
}

// components returns the images that kubeadm of this version starts.
func (w *work) components(ctx context.Context) ([]archive.Image, error) {
	out, err := output(ctx, w.binary(stageKubernetes, "kubeadm"), "config", "images", "list", "--kubernetes-version", w.plan.version)
	if err != nil {
		return nil, err
	}
	etcd, err := w.plan.stage(stageEtcd).requires(etcdModule)
	if err != nil {
		return nil, err
	}
	coredns, err := w.plan.stage(stageCoreDNS).requires(corednsModule)
	if err != nil {
		return nil, err
	}
	config, err := w.containerdConfig()
	if err != nil {
		return nil, err
	}
	return w.componentsOf(strings.Fields(out), etcd, coredns, config)
}

// componentsOf turns the names that kubeadm wants into images. Those of etcd and CoreDNS are tagged with their versions,
// and what was built must be that. Of pause it is not kubeadm's but the one of containerd's configuration that is used.
func (w *work) componentsOf(names []string, etcd, coredns, config string) ([]archive.Image, error) {
	m := sandboxImage.FindStringSubmatch(config)
	if m == nil {
		return nil, errors.New("containerd's configuration names no sandbox_image")
	}
	var all []archive.Image
	for _, name := range names {
		base, tag, _ := strings.Cut(path.Base(name), ":")
		c := archive.Image{Name: name}
		switch base {
		case "kube-apiserver", "kube-controller-manager", "kube-scheduler":
			c.Layers = []archive.Layer{program("usr/local/bin/"+base, w.binary(stageKubernetes, base))}
		case "kube-proxy":
			tools := filepath.Join(w.path(w.plan.stage(stageBase)), proxyTree)
			c.Layers = []archive.Layer{archive.Tar(tools), program("usr/local/bin/"+base, w.binary(stageKubernetes, base))}
		case "etcd":
			if !strings.HasPrefix(tag+"-", strings.TrimPrefix(etcd, "v")+"-") {
				return nil, fmt.Errorf("kubeadm wants %s, pinned is etcd %s", name, etcd)
			}
			c.Layers = []archive.Layer{program("usr/local/bin/etcd", w.binary(stageEtcd, "etcd"))}
		case "coredns":
			if tag != coredns {
				return nil, fmt.Errorf("kubeadm wants %s, pinned is CoreDNS %s", name, coredns)
			}
			c.Layers, c.Entrypoint = []archive.Layer{program("coredns", w.binary(stageCoreDNS, "coredns"))}, []string{"/coredns"}
		case "pause":
			c.Name, c.Entrypoint = m[1], []string{"/pause"}
			c.Layers = []archive.Layer{program("pause", w.binary(stagePause, "pause"))}
		default:
			return nil, fmt.Errorf("kubeadm wants %s, and nothing here makes that", name)
		}
		all = append(all, c)
	}
	return all, nil
}

var sandboxImage = regexp.MustCompile(`(?m)^\s*sandbox_image = "([^"]+)"`)

// program is a layer with one program.
func program(name, from string) archive.Layer {
	return archive.Of(archive.File{Name: name, Mode: 0o755, From: from})
}

// loaded sees that containerd has all of the images.
func loaded(names string, components []archive.Image) error {
	have := strings.Fields(names)
	for _, c := range components {
		if !slices.Contains(have, c.Name) {
			return fmt.Errorf("containerd has no image %s after loading it, it has %s", c.Name, strings.Join(have, ", "))
		}
	}
	return nil
}

// containerdConfig returns what the base's containerd is configured with.
func (w *work) containerdConfig() (string, error) {
	text, err := os.ReadFile(filepath.Join(w.path(w.plan.stage(stageBase)), containerdConfig))
	return string(text), err
}
