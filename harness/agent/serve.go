package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/faultline-lab/faultline/harness/lab"
)

// Serve exports a lab.Runtime over conn until the stream or ctx ends. newRuntime is called once somebody has dialled;
// the lines that the runtime gives to progress reach Options.Progress before progress returns.
//
// At the end Serve ends every call and process, closes every lab and the runtime, within 30 seconds, closes conn and
// returns: nil when the near end hung up and all was closed, ctx's error when ctx ended, the stream's own error, or what
// could not be closed. It may then be called again with a new stream.
//
// conn needs a buffer (net.Pipe has none), and its Close must end a Read that waits: a descriptor has to be in
// non-blocking mode.
func Serve(ctx context.Context, conn io.ReadWriteCloser, newRuntime func(progress func(string)) lab.Runtime) error {
	return serve(ctx, conn, newRuntime, closeLimit)
}

func serve(ctx context.Context, conn io.ReadWriteCloser, newRuntime func(func(string)) lab.Runtime, limit time.Duration) error {
	defer conn.Close()
	config, err := serverConfig()
	if err != nil {
		return fmt.Errorf("serve agent: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	c, channels, requests, err := ssh.NewServerConn(stream{conn}, config)
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("serve agent: shake hands: %w", err)
	}

	// Calls do not end with ctx itself but once the stream has ended, which ctx's end brings about: nothing new can
	// come in by then.
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s := &server{conn: c, limit: limit}
	s.runtime = newRuntime(s.progress)
	s.close = sync.OnceValue(func() error {
		cancel()
		return s.closeAll()
	})
	var globals sync.WaitGroup
	globals.Go(func() { s.answer(requests) })
	for channel := range channels {
		if !s.begin(func() { s.handle(calls, channel) }) {
			_ = channel.Reject(ssh.ResourceShortage, "closing")
		}
	}
	globals.Wait()
	end := c.Wait()
	if errors.Is(end, io.EOF) || ctx.Err() != nil {
		end = ctx.Err()
	}
	if err := errors.Join(end, s.close()); err != nil {
		return fmt.Errorf("serve agent: %w", err)
	}
	return nil
}

// server is the far end of one stream.
type server struct {
	conn      ssh.Conn
	runtime   lab.Runtime
	limit     time.Duration
	labs      table[lab.Lab]
	processes table[lab.Process]
	close     func() error

	mu       sync.Mutex
	closing  bool
	handlers sync.WaitGroup
}

// begin runs handler on a goroutine of its own, unless the server is closing.
func (s *server) begin(handler func()) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.handlers.Go(handler)
	}
	return !s.closing
}

// progress returns when the near end has passed line on, so that no line is behind the answer to the call it is about.
// A lost connection ends the call by itself.
func (s *server) progress(line string) {
	_, _, _ = s.conn.SendRequest(requestProgress, true, []byte(clip(line)))
}

// answer answers the requests that belong to no channel, until the stream ends.
func (s *server) answer(requests <-chan *ssh.Request) {
	for r := range requests {
		switch r.Type {
		case requestPing:
			_ = r.Reply(true, nil)
		case requestClose:
			body, err := json.Marshal(newFailure(s.close()))
			_ = r.Reply(err == nil, body)
		default:
			_ = r.Reply(false, nil)
		}
	}
}

// closeAll closes the labs, which ends their processes, and the runtime once every call has returned: an Up that ends only
// now closes its lab by itself. What takes longer than the limit is left to the end of this process.
func (s *server) closeAll() error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()
	done := make(chan error, 1)
	go func() {
		err := s.closeLabs()
		s.handlers.Wait()
		done <- errors.Join(err, s.runtime.Close())
	}()
	late := time.NewTimer(s.limit)
	defer late.Stop()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("close labs: %w", err)
		}
		return nil
	case <-late.C:
		return fmt.Errorf("close labs: not done after %v", s.limit)
	}
}

func (s *server) closeLabs() error {
	labs := s.labs.drain()
	errs := make([]error, len(labs))
	var closing sync.WaitGroup
	for i, l := range labs {
		closing.Go(func() { errs[i] = l.Close() })
	}
	closing.Wait()
	return errors.Join(errs...)
}

// handle carries out the call that a channel stands for. The call's ctx ends with the channel, and before it when the
// near end says so.
func (s *server) handle(ctx context.Context, offered ssh.NewChannel) {
	call, known := s.calls()[offered.ChannelType()]
	if !known {
		_ = offered.Reject(ssh.UnknownChannelType, offered.ChannelType())
		return
	}
	channel, requests, err := offered.Accept()
	if err != nil {
		return // the stream has ended
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.handlers.Go(func() {
		defer cancel()
		for r := range requests {
			cancel()
			_ = r.Reply(r.Type == requestCancel, nil)
		}
	})
	defer func() { _ = channel.Close() }()
	call(ctx, channel)
}
