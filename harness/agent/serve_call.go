package agent

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/faultline-lab/faultline/harness/lab"
)

// calls maps the name of a channel to what happens in it.
func (s *server) calls() map[string]func(context.Context, ssh.Channel) {
	return map[string]func(context.Context, ssh.Channel){
		callCheck:  simple(s.check),
		callUp:     s.up,
		callDown:   simple(s.down),
		callNode:   simple(s.findNode),
		callApply:  simple(s.apply),
		callSignal: simple(s.signal),
		callStart:  s.start,
	}
}

// simple is a call of one request and one reply. Nothing depends on whether the reply arrives.
func simple(call func(context.Context, *request) (reply, error)) func(context.Context, ssh.Channel) {
	return func(ctx context.Context, channel ssh.Channel) {
		var q request
		if err := readMessage(bufio.NewReader(channel), &q); err != nil {
			_ = writeMessage(channel, reply{Failure: newFailure(err)})
			return
		}
		a, err := call(ctx, &q)
		a.Failure = newFailure(err)
		_ = writeMessage(channel, a)
	}
}

func (s *server) check(ctx context.Context, q *request) (reply, error) {
	facts, err := s.runtime.Check(ctx, q.Plan)
	return reply{Facts: facts}, err
}

// up hands a lab over to the near end. A lab that nobody takes is closed.
func (s *server) up(ctx context.Context, channel ssh.Channel) {
	var q request
	if err := readMessage(bufio.NewReader(channel), &q); err != nil {
		_ = writeMessage(channel, reply{Failure: newFailure(err)})
		return
	}
	built, err := s.runtime.Up(ctx, q.Plan)
	if err != nil {
		_ = writeMessage(channel, reply{Failure: newFailure(err)})
		return
	}
	id := 0
	if err = ctx.Err(); err == nil {
		id, _ = s.labs.add(built)
	}
	if id == 0 { // cancelled, or the stream has ended
		_ = built.Close()
		_ = writeMessage(channel, reply{Failure: newFailure(context.Canceled)})
		return
	}
	if writeMessage(channel, reply{Lab: id}) != nil {
		if built, ours := s.labs.take(id); ours {
			_ = built.Close()
		}
	}
}

// down of a lab that is gone is no error: Close is idempotent.
func (s *server) down(_ context.Context, q *request) (reply, error) {
	l, ok := s.labs.take(q.Lab)
	if !ok {
		return reply{}, nil
	}
	return reply{}, l.Close()
}

func (s *server) findNode(_ context.Context, q *request) (reply, error) {
	_, err := s.node(q)
	return reply{}, err
}

func (s *server) node(q *request) (lab.Node, error) {
	l, ok := s.labs.get(q.Lab)
	if !ok {
		return nil, errClosedLab
	}
	return l.Node(q.Node)
}

func (s *server) apply(ctx context.Context, q *request) (reply, error) {
	l, ok := s.labs.get(q.Lab)
	if !ok {
		return reply{}, errClosedLab
	}
	return reply{}, l.Apply(ctx, q.Plan.Steps...)
}

// signal of a process that has ended is no error.
func (s *server) signal(_ context.Context, q *request) (reply, error) {
	p, ok := s.processes.get(q.Process)
	if !ok {
		return reply{}, nil
	}
	return reply{}, p.Signal(syscall.Signal(q.Signal))
}

// start runs a process. Its output is written to the channel before "ended" is: the near end has all of it then.
func (s *server) start(ctx context.Context, channel ssh.Channel) {
	in := bufio.NewReader(channel)
	p, done, err := s.launch(ctx, channel, in)
	if err != nil {
		send(channel, requestStarted, reply{Failure: newFailure(err)})
		return
	}
	id, _ := s.processes.add(p) // this table is never drained
	send(channel, requestStarted, reply{Process: id})
	err = p.Wait()
	s.processes.take(id)
	done()
	send(channel, requestEnded, reply{Failure: newFailure(err)})
}

// launch reads the command from in and starts it. done lets go of what the process was given.
func (s *server) launch(ctx context.Context, channel ssh.Channel, in *bufio.Reader) (p lab.Process, done func(), err error) {
	var q request
	if err := readMessage(in, &q); err != nil {
		return nil, nil, err
	}
	n, err := s.node(&q)
	if err != nil {
		return nil, nil, err
	}
	cmd := &lab.Cmd{Args: q.Command.Args, Env: q.Command.Env}
	if q.Command.Stdout {
		cmd.Stdout = channel
	}
	if q.Command.Stderr {
		cmd.Stderr = channel.Stderr()
	}
	if q.Command.Merged {
		cmd.Stderr = cmd.Stdout
	}
	done = func() {}
	if q.Command.Stdin {
		if cmd.Stdin, done, err = feed(in); err != nil {
			return nil, nil, err
		}
	}
	p, err = n.Start(ctx, cmd)
	if err != nil {
		done()
		return nil, nil, err
	}
	return p, done, nil
}

// feed makes a pipe of in. A process that is given a descriptor reads it by itself: had its runtime to copy, then its
// Wait would wait for the end of an input that the near end has no reason to end.
func feed(in io.Reader) (r *os.File, done func(), err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make pipe for standard input: %w", err)
	}
	go func() {
		// Ends with the channel, or when done closes the pipe.
		_, _ = io.Copy(w, in)
		_ = w.Close()
	}()
	return r, func() { _, _ = r.Close(), w.Close() }, nil
}
