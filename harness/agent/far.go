package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"sync"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// farLab is a lab at the far end.
type farLab struct {
	client *Client
	id     int
	close  func() error
}

var _ lab.Lab = (*farLab)(nil)

func newFarLab(c *Client, id int) *farLab {
	l := &farLab{client: c, id: id}
	l.close = sync.OnceValue(l.down)
	return l
}

// Node asks the far end, which knows the names there are.
func (l *farLab) Node(name string) (lab.Node, error) {
	if _, err := l.client.call(context.Background(), callNode, &request{Lab: l.id, Node: name}); err != nil {
		return nil, err
	}
	return &farNode{client: l.client, lab: l.id, name: name}, nil
}

func (l *farLab) Apply(ctx context.Context, steps ...plan.Step) error {
	_, err := l.client.call(ctx, callApply, &request{Lab: l.id, Plan: &plan.Plan{Steps: steps}})
	return err
}

// Close is bounded by the far end's own Close and, should that hang, by twice the time that it may take.
func (l *farLab) Close() error { return l.close() }

func (l *farLab) down() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	_, err := l.client.call(ctx, callDown, &request{Lab: l.id})
	if errors.Is(err, ErrLost) && l.client.hungUp() {
		return nil // the Client's Close has closed it
	}
	return err
}

// farNode is a node of a farLab.
type farNode struct {
	client *Client
	lab    int
	name   string
}

var _ lab.Node = (*farNode)(nil)

func (n *farNode) Name() string { return n.name }

// Start runs c at the far end. A Read of c.Stdin that waits when the process ends is not waited for.
func (n *farNode) Start(ctx context.Context, c *lab.Cmd) (lab.Process, error) {
	x, err := n.client.open(ctx, callStart)
	if err != nil {
		return nil, err
	}
	p, err := n.start(ctx, x, c)
	if err != nil {
		go ssh.DiscardRequests(x.requests)
		x.release()
		return nil, err
	}
	return p, nil
}

func (n *farNode) start(ctx context.Context, x *exchange, c *lab.Cmd) (*process, error) {
	merged := same(c.Stdout, c.Stderr)
	if err := x.ask(&request{Lab: n.lab, Node: n.name, Command: command{
		Args: c.Args, Env: c.Env,
		Stdin: c.Stdin != nil, Stdout: c.Stdout != nil, Stderr: c.Stderr != nil && !merged, Merged: merged,
	}}); err != nil {
		return nil, err
	}
	a, err := x.event(ctx)
	if err != nil {
		return nil, err
	}
	p := &process{client: n.client, id: a.Process, done: make(chan struct{})}
	var input *source
	if c.Stdin != nil {
		input = &source{from: c.Stdin}
		go input.pour(x)
	}
	stderr := c.Stderr
	if merged {
		stderr = nil
	}
	go func() {
		defer close(p.done)
		defer x.release()
		p.err = x.follow(ctx, input, c.Stdout, stderr)
	}()
	return p, nil
}

// same says whether both are one writer, which then must not be written by two goroutines.
func same(a, b io.Writer) bool {
	return a != nil && b != nil && reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

// process is a process at the far end.
type process struct {
	client *Client
	id     int
	done   chan struct{} // closed when it has ended, err is set then
	err    error
}

var _ lab.Process = (*process)(nil)

// Wait may be called more than once.
func (p *process) Wait() error {
	<-p.done
	return p.err
}

// Signal sends a syscall.Signal.
func (p *process) Signal(sig os.Signal) error {
	number, ok := sig.(syscall.Signal)
	if !ok {
		return fmt.Errorf("send signal %v: not a signal of this system", sig)
	}
	select {
	case <-p.done:
		if errors.Is(p.err, ErrLost) {
			return p.err
		}
		return nil
	default:
	}
	_, err := p.client.call(context.Background(), callSignal, &request{Process: p.id, Signal: int(number)})
	return err
}
