package vm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/faultline-lab/faultline/harness/agent"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/vm/qemu"
	"github.com/faultline-lab/faultline/harness/plan"
)

// consoleLines is how much of a guest's console an error shows: a panic with its trace.
const consoleLines = 80

// withConsole adds the end of the guest's console to err, whose reason is the first line.
func withConsole(err error, p *qemu.Process) error {
	console := p.Console(consoleLines)
	if console == "" {
		return fmt.Errorf("%w; its console is empty", err)
	}
	return fmt.Errorf("%w\nits console ends:\n%s", err, console)
}

// deathLimit is how long a guest whose connection is lost may take to die. A panic prints its trace first.
const deathLimit = 5 * time.Second

// explain returns err, with the reason when it is about a guest that was lost or too slow.
func (g *guest) explain(err error) error {
	switch {
	case errors.Is(err, agent.ErrLost):
	case errors.Is(err, context.DeadlineExceeded):
		return starved(err, g.process)
	default:
		return err
	}
	late := time.NewTimer(deathLimit)
	defer late.Stop()
	select {
	case <-g.process.Done():
		return withConsole(fmt.Errorf("%w: %w", err, g.process.Err()), g.process)
	case <-late.C:
		return starved(withConsole(fmt.Errorf("%w: the guest still runs", err), g.process), g.process)
	}
}

// guestLab is a lab in a guest. It passes everything on and explains a lost guest.
type guestLab struct {
	lab     lab.Lab
	guest   *guest
	release func() error

	once sync.Once
	err  error
}

func (l *guestLab) Node(name string) (lab.Node, error) {
	n, err := l.lab.Node(name)
	if err != nil {
		return nil, l.guest.explain(err)
	}
	return &guestNode{n, l.guest}, nil
}

func (l *guestLab) Apply(ctx context.Context, steps ...plan.Step) error {
	return l.guest.explain(l.lab.Apply(ctx, steps...))
}

// Close takes the lab down. In a dead guest there is nothing to take down.
func (l *guestLab) Close() error {
	l.once.Do(func() {
		err := l.lab.Close()
		if errors.Is(err, agent.ErrLost) && !l.guest.alive() {
			err = nil
		}
		l.err = errors.Join(l.guest.explain(err), l.release())
	})
	return l.err
}

type guestNode struct {
	lab.Node
	guest *guest
}

func (n *guestNode) Start(ctx context.Context, c *lab.Cmd) (lab.Process, error) {
	p, err := n.Node.Start(ctx, c)
	if err != nil {
		return nil, n.guest.explain(err)
	}
	return &guestProcess{p, n.guest}, nil
}

type guestProcess struct {
	process lab.Process
	guest   *guest
}

func (p *guestProcess) Wait() error { return p.guest.explain(p.process.Wait()) }

func (p *guestProcess) Signal(sig os.Signal) error { return p.guest.explain(p.process.Signal(sig)) }
