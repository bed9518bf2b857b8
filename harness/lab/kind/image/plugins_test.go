package image

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/lab"
)

func TestPluginsThatAreThere(t *testing.T) {
	s, err := pluginsStage()
	if err != nil {
		t.Fatal(err)
	}
	b := &Builder{Cache: t.TempDir(), Progress: func(line string) { t.Errorf("said %s", line) }}
	want := s.path(filepath.Join(b.Cache, "kind"))
	if err := os.MkdirAll(want, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", "") // nothing could build them
	if dir, err := b.Plugins(t.Context()); dir != want || err != nil {
		t.Errorf("%s, %v, want %s", dir, err, want)
	}
}

func TestPluginsWithoutGo(t *testing.T) {
	t.Setenv("PATH", "")
	b := &Builder{Cache: t.TempDir()}
	_, err := b.Plugins(t.Context())
	if !errors.Is(err, lab.ErrUnsupported) || !strings.HasPrefix(err.Error(), "CNI plugins: ") || !strings.Contains(err.Error(), "install Go") {
		t.Errorf("error %v", err)
	}
}

// The image is not another one with them, and they are of the version that its own plugins are of.
func TestPluginsAreNoPartOfTheImage(t *testing.T) {
	s, err := pluginsStage()
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPlan(DefaultVersion)
	if err != nil {
		t.Fatal(err)
	}
	own := p.stage(stageCNI).module
	if s.module.mod != own.mod || s.module.sum != own.sum || len(own.programs) != len(cniPlugins) {
		t.Errorf("programs of the image %v, of the plugins %v", own.programs, s.module.programs)
	}
	want := "github.com/containernetworking/plugins/plugins/main/macvlan github.com/containernetworking/plugins/plugins/ipam/static"
	if got := strings.Join(s.module.programs, " "); got != want {
		t.Errorf("programs %s, want %s", got, want)
	}
}
