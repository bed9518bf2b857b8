package netns

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containernetworking/plugins/pkg/ns"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/plan"
)

// setSysctls writes sysctls of one node. /proc/sys/net shows the namespace of the thread that looks, so this switches,
// once for all of them.
func (l *innerLab) setSysctls(run []plan.Step) error {
	return on(l, run[0].(plan.SetSysctl).Node, run, func(n *node, run []plan.Step) error {
		return n.ns.Do(func(ns.NetNS) error {
			for _, s := range run {
				if err := setSysctl(s.(plan.SetSysctl)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func setSysctl(s plan.SetSysctl) error {
	// Not os.WriteFile: its O_CREATE|O_TRUNC means nothing to the kernel, and its error for a name that is not there is a
	// refusal to create it, "permission denied".
	f, err := os.OpenFile(filepath.Join("/proc/sys", s.Path()), os.O_WRONLY, 0)
	if err == nil {
		_, err = f.WriteString(s.Value)
		err = errors.Join(err, f.Close())
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errors.New("this kernel does not have it, or not yet")
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EROFS):
		err = fmt.Errorf("%w: it is not per network namespace; run with --runtime vm", err)
	}
	if err != nil {
		return fmt.Errorf("set %s=%s: %w", s.Name, s.Value, err)
	}
	return nil
}
