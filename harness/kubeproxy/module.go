package kubeproxy

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"

	"github.com/faultline-lab/faultline/harness/internal/gotool"
)

// pinned is the version whose module files are part of this repository. It is topology.DefaultKubeProxy; a test says
// so.
const pinned = "v1.36.3"

// modules has go.mod and go.sum of pinned versions, as <version>.mod and <version>.sum: a directory with a file named
// go.mod in it could not be embedded.
//
//go:embed modules
var modules embed.FS

const kubernetes = "k8s.io/kubernetes"

// writeModule writes the module in g.Dir that kube-proxy is built in, and returns the -mod mode to build it with.
//
// For a pinned version the module files are the repository's: every source file is checked against checksums that were
// reviewed with it, and go may not add to them. For others go.mod is derived from the version's own and go.sum is
// filled by go, which checks each module against the checksum database it is configured with.
func writeModule(ctx context.Context, g *gotool.Tool, version string) (mode string, err error) {
	mod, err := modules.ReadFile("modules/" + version + ".mod")
	if errors.Is(err, fs.ErrNotExist) {
		if mod, err = deriveModule(ctx, g, version); err != nil {
			return "", err
		}
		return "mod", os.WriteFile(filepath.Join(g.Dir, "go.mod"), mod, 0o644)
	}
	if err != nil {
		return "", err
	}
	sum, err := modules.ReadFile("modules/" + version + ".sum")
	if err != nil {
		return "", err
	}
	return "readonly", errors.Join(
		os.WriteFile(filepath.Join(g.Dir, "go.mod"), mod, 0o644),
		os.WriteFile(filepath.Join(g.Dir, "go.sum"), sum, 0o644),
	)
}

// Module proxies differ in how they say that they do not have a version; some forbid it.
var saysNoSuchVersion = regexp.MustCompile(`(?s)k8s\.io/kubernetes@.*(unknown revision|invalid version|403 Forbidden|404 Not Found|410 Gone|no matching versions)`)

// deriveModule asks go for the go.mod of Kubernetes version and returns that of a module to build its commands in.
func deriveModule(ctx context.Context, g *gotool.Tool, version string) ([]byte, error) {
	// go list wants to be in a module.
	if err := os.WriteFile(filepath.Join(g.Dir, "go.mod"), []byte("module faultline.invalid/kube-proxy\n"), 0o644); err != nil {
		return nil, err
	}
	out, err := g.Run(ctx, "look up the version", "list", "-mod=mod", "-m", "-json", kubernetes+"@"+version)
	if failed := (*gotool.Error)(nil); errors.As(err, &failed) && !failed.Known() && saysNoSuchVersion.MatchString(failed.Said) {
		failed.Err = ErrNoSuchVersion
	}
	if err != nil {
		return nil, err
	}
	var m struct{ GoMod string }
	if err := json.Unmarshal(out, &m); err != nil {
		return nil, fmt.Errorf("read answer of go list: %w", err)
	}
	text, err := os.ReadFile(m.GoMod)
	if err != nil {
		return nil, fmt.Errorf("read go.mod of %s: %w", kubernetes, err)
	}
	return generateModule(version, text)
}

// generateModule turns the go.mod of Kubernetes version into the go.mod of a module that requires it.
//
// In Kubernetes' own tree the staging modules are directories, which a module that requires Kubernetes cannot see: they
// are replaced by their releases, v0.X.Y for Kubernetes v1.X.Y. The go line and the godebug lines are kept, because
// they decide how the standard library behaves in the program.
func generateModule(version string, text []byte) ([]byte, error) {
	upstream, err := modfile.Parse("go.mod", text, nil)
	if err != nil {
		return nil, fmt.Errorf("read go.mod of %s: %w", kubernetes, err)
	}
	f := new(modfile.File)
	if err := f.AddModuleStmt("faultline.invalid/kube-proxy"); err != nil {
		return nil, err
	}
	if upstream.Go != nil {
		if err := f.AddGoStmt(upstream.Go.Version); err != nil {
			return nil, err
		}
	}
	for _, d := range upstream.Godebug {
		if err := f.AddGodebug(d.Key, d.Value); err != nil {
			return nil, err
		}
	}
	if err := f.AddRequire(kubernetes, version); err != nil {
		return nil, err
	}
	staging := "v0" + strings.TrimPrefix(version, "v1")
	for _, r := range upstream.Replace {
		to := r.New
		if strings.HasPrefix(to.Path, "./staging/src/") {
			to = module.Version{Path: r.Old.Path, Version: staging}
		} else if modfile.IsDirectoryPath(to.Path) {
			return nil, fmt.Errorf("go.mod of %s: replaces %s by directory %s, which is not a staging module", kubernetes, r.Old.Path, to.Path)
		}
		if err := f.AddReplace(r.Old.Path, r.Old.Version, to.Path, to.Version); err != nil {
			return nil, err
		}
	}
	f.Cleanup()
	return f.Format()
}
