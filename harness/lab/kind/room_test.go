package kind

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

func TestAdviceWhereTheMachineHasRunOut(t *testing.T) {
	r := New(Options{Cache: "/home/me/.cache/faultline"})
	info := func(_ context.Context, args ...string) ([]byte, error) {
		if args[0] != "info" {
			t.Errorf("docker %v", args)
		}
		return []byte("/var/lib/docker\n"), nil
	}
	for _, row := range []struct {
		name, said, advice string
	}{
		{"a node's disk", "kubeadm: write /etc/kubernetes/pki/ca.key: no space left on device", "Docker has containers and volumes in /var/lib/docker, where its daemon runs: make room there"},
		{"a program's own words", "tar: /var: Cannot mkdir: No space left on device", "in /var/lib/docker, where"},
		{"the disk of the cache", "write /home/me/.cache/faultline/clusters/faultline-a-1234/kubeconfig: no space left on device", ""},
		{"inotify", "Failed to create control group inotify object: Too many open files", "raise the sysctl fs.inotify.max_user_instances"},
		{"anything else", "exit status 1", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			err := errors.New(row.said)
			got := r.withAdvice(t.Context(), info, err)
			if !errors.Is(got, err) || row.advice == "" && got.Error() != row.said || !strings.Contains(got.Error(), row.advice) {
				t.Errorf("%v, want %q", got, row.advice)
			}
		})
	}
	lost := func(context.Context, ...string) ([]byte, error) { return nil, errors.New("no daemon") }
	full := fmt.Errorf("write x: %w", syscall.ENOSPC)
	if got := r.withAdvice(t.Context(), lost, full); got.Error() != full.Error() {
		t.Errorf("without a daemon: %v", got)
	}
	if got := r.withAdvice(t.Context(), lost, nil); got != nil {
		t.Errorf("no error: %v", got)
	}
}
