package netns

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// serve starts the echo server, which is this binary, and waits until it listens.
func (n *node) serve(ctx context.Context, s plan.Serve) error {
	args := []string{lab.Self, "serve", s.Node}
	if len(s.TCP) > 0 {
		args = append(args, "--tcp", portList(s.TCP))
	}
	if len(s.UDP) > 0 {
		args = append(args, "--udp", portList(s.UDP))
	}
	_, err := n.startUntil(ctx, "server", args, func(line string) bool { return line == "ready" })
	return err
}

func portList(ports []uint16) string {
	s := make([]string, len(ports))
	for i, p := range ports {
		s[i] = strconv.Itoa(int(p))
	}
	return strings.Join(s, ",")
}

// startProcess starts a process of the user's and waits for its readiness line, if it names one.
func (n *node) startProcess(ctx context.Context, s plan.StartProcess) error {
	var wants func(string) bool
	if s.Ready != "" {
		wants = func(line string) bool { return strings.Contains(line, s.Ready) }
	}
	_, err := n.startUntil(ctx, "process "+s.Name, s.Cmd, wants)
	return err
}

// service is a process that stays as long as the lab, with the end of its output.
type service struct {
	*process
	what string
	out  *output
}

// startUntil starts a process that outlives ctx and waits until it writes a line that is wanted, on either of its
// outputs. Without a want it is ready at once.
func (n *node) startUntil(ctx context.Context, what string, args []string, wants func(line string) bool) (*service, error) {
	out := newOutput(wants)
	p, err := n.start(context.WithoutCancel(ctx), &lab.Cmd{Args: args, Stdout: out, Stderr: out})
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", what, err)
	}
	s := &service{process: p, what: what, out: out}
	if wants == nil {
		return s, nil
	}
	select {
	case <-out.found:
		return s, nil
	case <-p.ended:
		return nil, s.endError()
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for %s to be ready: %w; it wrote: %s", what, ctx.Err(), out)
	}
}

// endError says how a service that has ended did so.
func (s *service) endError() error {
	err := s.err
	if err == nil {
		err = errors.New("exit code 0")
	}
	return fmt.Errorf("%s ended: %w; it wrote: %s", s.what, err, s.out)
}
