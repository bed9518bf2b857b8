package engine

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// Containers are all containers with a label, name=value, a line in that format for each.
func (e *Engine) Containers(ctx context.Context, label, format string) ([]string, error) {
	return e.list(ctx, "ps", "--all", "--no-trunc", "--filter", "label="+label, "--format", format)
}

func (e *Engine) list(ctx context.Context, args ...string) ([]string, error) {
	out, err := e.Output(ctx, args...)
	if text := strings.TrimSpace(string(out)); err == nil && text != "" {
		return strings.Split(text, "\n"), nil
	}
	return nil, err
}

// Remove removes containers with their volumes, whatever they do.
func (e *Engine) Remove(ctx context.Context, containers ...string) error {
	args := []string{"rm", "--force", "--volumes"}
	if e.Command == Podman {
		args = append(args, "--time=0") // it gives them 10 s to end by themselves
	}
	_, err := e.Output(ctx, append(args, containers...)...)
	return err
}

// RemoveLabelled removes all that has a label, name=value: containers, then their volumes and networks. It says whether
// there was anything.
//
// Docker's daemon lists a container that it is still making, for a client that was killed, and knows none of that name when it
// is to remove it. So this goes on until none is listed.
func (e *Engine) RemoveLabelled(ctx context.Context, label string) (any bool, err error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		ids, err := e.Containers(ctx, label, "{{.ID}}")
		if err != nil {
			return any, err
		}
		if len(ids) == 0 {
			break
		}
		any = true
		if err := e.Remove(ctx, ids...); err != nil && !gone(err) {
			return any, err
		}
		select {
		case <-ctx.Done():
			return any, fmt.Errorf("%d containers are still there: %w", len(ids), ctx.Err())
		case <-tick.C:
		}
	}
	for _, what := range []string{"volume", "network"} {
		// Volumes have names alone, and no flag for whole IDs.
		args := []string{what, "ls", "--quiet", "--filter", "label=" + label}
		names, err := e.list(ctx, args...)
		if err != nil {
			return any, err
		}
		if len(names) == 0 {
			continue
		}
		any = true
		if _, err := e.Output(ctx, append([]string{what, "rm"}, names...)...); err != nil {
			return any, err
		}
	}
	return any, nil
}

// gone tells whether the error is that something is gone already, or is just going.
func gone(err error) bool {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		line = strings.ToLower(line)
		if strings.Contains(line, "error") && !strings.Contains(line, "no such container") && !strings.Contains(line, "is already in progress") {
			return false
		}
	}
	return true
}

// taken is Docker's word for it, and two of Podman's.
var taken = regexp.MustCompile("overlaps|used on the host|being used by")

// ErrTaken is wrapped by the error of CreateNetwork for a subnet that another network has.
var ErrTaken = errors.New("another network has the subnet")

// CreateNetwork makes a bridge network with a label, name=value.
func (e *Engine) CreateNetwork(ctx context.Context, name, subnet, label string) error {
	_, err := e.Output(ctx, "network", "create", "--driver", "bridge", "--subnet", subnet, "--label", label, name)
	if err != nil && taken.MatchString(err.Error()) {
		return fmt.Errorf("%w: %w", ErrTaken, err)
	}
	return err
}
