package image

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/faultline-lab/faultline/harness/internal/cache"
)

// ownPlugins are the CNI plugins that faultline's own calls. Neither this image nor kind's has them: nodes of any image are
// given them.
var ownPlugins = []string{"main/macvlan", "ipam/static"}

// Plugins returns a directory with the CNI plugins macvlan and static, statically linked, and builds them if the cache does not
// have them: some seconds. It needs no docker.
//
// The error wraps lab.ErrUnsupported where this machine lacks something that a person can give it: go, network, room on the
// disk.
func (b *Builder) Plugins(ctx context.Context) (dir string, err error) {
	s, err := pluginsStage()
	if err == nil {
		dir, err = filepath.Abs(s.path(filepath.Join(b.Cache, "kind")))
	}
	if err != nil {
		return "", fmt.Errorf("CNI plugins: %w", err)
	}
	w := &work{say: func(line string) {
		if b.Progress != nil {
			b.Progress(line)
		}
	}}
	waiting := func() { w.say(s.name + ": another process is making it, waiting for that") }
	err = cache.Make(ctx, dir, waiting, func(into string) (made string, err error) {
		return made, w.timed(s.name, func() error {
			made, err = s.build(ctx, w, s, into)
			return err
		})
	})
	if err != nil {
		return "", fmt.Errorf("CNI plugins: %w", explain(err))
	}
	return dir, nil
}

// pluginsStage is of the module that the image's own plugins are of. It is no part of an image.
func pluginsStage() (stage, error) {
	p, err := newPlan(DefaultVersion)
	if err != nil {
		return stage{}, err
	}
	m := p.stage(stageCNI).module
	m.programs = nil
	for _, name := range ownPlugins {
		m.programs = append(m.programs, cniModule+"/plugins/"+name)
	}
	return named{"cni-plugins", 200, m}.stage(), nil
}
