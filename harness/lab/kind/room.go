package kind

import (
	"context"
	"fmt"
	"strings"
)

// withAdvice adds to err what a person can do about it, where it says that the machine of the Docker daemon has run out of
// something. run runs docker.
func (r *Runtime) withAdvice(ctx context.Context, run func(context.Context, ...string) ([]byte, error), err error) error {
	if err == nil {
		return nil
	}
	said := strings.ToLower(err.Error())
	switch {
	case strings.Contains(err.Error(), stateDir(r.options.Cache)):
		return err // it is this machine's disk, by its path
	case strings.Contains(said, "no space left on device"):
		root, infoErr := run(ctx, "info", "--format", "{{.DockerRootDir}}")
		if infoErr != nil {
			return err
		}
		return fmt.Errorf("%w\nDocker has containers and volumes in %s, where its daemon runs: make room there (`docker system df` shows what is taken)", err, strings.TrimSpace(string(root)))
	case strings.Contains(said, "inotify object: too many open files"): // systemd in a node
		return fmt.Errorf("%w\nthe kernel has no inotify instances left for a further node: raise the sysctl fs.inotify.max_user_instances where the Docker daemon runs, or end other clusters there", err)
	}
	return err
}
