package image

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/modfile"
)

// pin is for scripts/kind-pins.sh.
var pin = flag.String("pin", "", "write what is pinned of this version of Kubernetes anew: VERSION,ETCD,COREDNS,CNI")

// basePackages are those of kind's base image that a lab has a use for, with the container runtime and the tools of a
// kubelet. debootstrap adds what they depend on.
var basePackages = []string{
	"systemd", "dbus", "conntrack", "iptables", "nftables", "ipset", "iproute2", "ethtool", "socat", "util-linux", "mount", "kmod", "libseccomp2", "pigz",
	"e2fsprogs", "bash", "ca-certificates", "curl", "jq", "procps", "containerd", "runc",
}

// packageFields are what debootstrap, dpkg and Builder want to know of a package.
var packageFields = []string{"Package", "Source", "Version", "Architecture", "Essential", "Multi-Arch", "Priority", "Section", "Provides", "Pre-Depends", "Depends", "Filename", "Size", "SHA256"}

func TestPin(t *testing.T) {
	if *pin == "" {
		t.Skip("for scripts/kind-pins.sh alone")
	}
	v := strings.Split(*pin, ",")
	if len(v) != 4 {
		t.Fatalf("-pin %s: want VERSION,ETCD,COREDNS,CNI", *pin)
	}
	requires := map[string][2]string{stageEtcd: {etcdModule, v[1]}, stageCoreDNS: {corednsModule, v[2]}, stageCNI: {cniModule, v[3]}}
	for _, m := range modulesOf(v[0]) {
		if err := pinModule(filepath.Join("modules", v[0], m.name), v[0], m, requires[m.name]); err != nil {
			t.Errorf("%s: %v", m.name, err)
		}
	}
	if err := pinPackages("packages"); err != nil {
		t.Errorf("packages: %v", err)
	}
}

func run(dir, program string, args ...string) (string, error) {
	c := exec.Command(program, args...)
	var errOut bytes.Buffer
	c.Dir, c.Stderr = dir, &errOut
	c.Env = append(c.Environ(), "GOFLAGS=", "CGO_ENABLED=0", "GOWORK=off")
	out, err := c.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", program, args[0], err, errOut.String())
	}
	return string(out), err
}

// pinModule writes go.mod and go.sum of a module that requires one other, Kubernetes where that is not named.
func pinModule(name, version string, m named, require [2]string) error {
	dir, err := os.MkdirTemp("", "pin")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var mod []byte
	if require[0] == "" {
		mod, err = os.ReadFile(filepath.Join("../../../kubeproxy/modules", version+".mod"))
	} else {
		mod, err = generate(m.name, require[0], require[1])
	}
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), mod, 0o644); err != nil {
		return err
	}
	args := []string{"list", "-mod=mod", "-deps"}
	if m.module.tags != "" {
		args = append(args, "-tags="+m.module.tags)
	}
	if _, err := run(dir, "go", append(args, m.module.programs...)...); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	for _, ext := range []string{"mod", "sum"} {
		text, err := os.ReadFile(filepath.Join(dir, "go."+ext))
		if err != nil {
			return err
		}
		if err := os.WriteFile(name+"."+ext, text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// generate returns the go.mod of a module that requires another, with that one's own go line: it decides how the
// standard library behaves in the program.
func generate(name, path, version string) ([]byte, error) {
	out, err := run(os.TempDir(), "go", "mod", "download", "-json", path+"@"+version)
	if err != nil {
		return nil, err
	}
	var m struct{ GoMod string }
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(m.GoMod)
	if err != nil {
		return nil, err
	}
	upstream, err := modfile.ParseLax("go.mod", text, nil)
	if err != nil {
		return nil, err
	}
	f := new(modfile.File)
	if err := errors.Join(f.AddModuleStmt("faultline.invalid/"+name), f.AddGoStmt(upstream.Go.Version), f.AddRequire(path, version)); err != nil {
		return nil, err
	}
	return f.Format()
}

// pinPackages asks debootstrap for all packages that the base needs and writes what Debian's index says of them, in the
// words of a mirror whose signature it has checked.
func pinPackages(to string) error {
	dir, err := os.MkdirTemp("", "pin")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	mirror, err := machineMirror(context.Background())
	if err != nil {
		return err
	}
	list, err := run(dir, "unshare", "--map-root-user", "--mount", "env", "container=lxc", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
		"debootstrap", "--print-debs", "--keep-debootstrap-dir", "--force-check-gpg", "--arch=amd64", "--variant=minbase",
		"--include="+strings.Join(basePackages, ","), suite, filepath.Join(dir, "tree"), mirror)
	if err != nil {
		return fmt.Errorf("%w\n%s", err, list)
	}
	indexes, err := filepath.Glob(filepath.Join(dir, "tree/var/lib/apt/lists/*_Packages"))
	if err != nil || len(indexes) != 1 {
		return fmt.Errorf("indexes: %v, %w", indexes, err)
	}
	index, err := os.ReadFile(indexes[0])
	if err != nil {
		return err
	}
	want := strings.Fields(list)
	var stanzas []string
	for _, stanza := range strings.Split(string(index), "\n\n") {
		name, _, _ := strings.Cut(strings.TrimPrefix(stanza, "Package: "), "\n")
		if !slices.Contains(want, name) {
			continue
		}
		var kept []string
		for _, line := range strings.Split(stanza, "\n") {
			if field, _, _ := strings.Cut(line, ":"); slices.Contains(packageFields, field) {
				kept = append(kept, line)
			}
		}
		stanzas = append(stanzas, strings.Join(kept, "\n"))
	}
	slices.Sort(stanzas)
	if len(stanzas) != len(want) {
		return fmt.Errorf("the index has %d of %d packages", len(stanzas), len(want))
	}
	return os.WriteFile(to, []byte(strings.Join(stanzas, "\n\n")+"\n"), 0o644)
}
