package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"
)

// exchange is the near end of a channel that stands for one call. A caller's ctx is attached to it: its end is told to
// the far end, which then has the grace to answer.
type exchange struct {
	ssh.Channel
	client    *Client
	requests  <-chan *ssh.Request
	abandoned atomic.Bool // the grace has passed
	detach    func()
}

// open starts an exchange. Its requests have to be read, and release called.
func (c *Client) open(ctx context.Context, name string) (*exchange, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	opened := make(chan *exchange, 1)
	go func() {
		defer close(opened)
		channel, requests, err := c.conn.OpenChannel(name, nil)
		if err == nil {
			opened <- &exchange{Channel: channel, client: c, requests: requests}
		}
	}()
	// Package ssh forgets a channel that is opened in the instant in which it notices the end of the stream: look at
	// that end too.
	select {
	case <-c.gone:
		return nil, c.lost()
	case x, ok := <-opened:
		if !ok {
			return nil, c.lost()
		}
		x.attach(ctx)
		return x, nil
	}
}

// attach has the far end know of ctx's end. After the grace the channel is closed, which the mux of a far end that is
// alive answers even when the call there is stuck, so that reading ends here.
func (x *exchange) attach(ctx context.Context) {
	var mu sync.Mutex
	var late *time.Timer
	detached := false
	stop := context.AfterFunc(ctx, func() {
		_, _ = x.SendRequest(requestCancel, false, nil)
		mu.Lock()
		defer mu.Unlock()
		if detached {
			return
		}
		late = time.AfterFunc(x.client.options.Grace, func() {
			x.abandoned.Store(true)
			_ = x.Close()
		})
	})
	x.detach = func() {
		stop()
		mu.Lock()
		defer mu.Unlock()
		detached = true
		if late != nil {
			late.Stop()
		}
	}
}

// release ends the exchange. What the far end still does for it is cancelled.
func (x *exchange) release() {
	x.detach()
	_ = x.Close()
}

// ask sends the request. An error that is not the stream's is about q.
func (x *exchange) ask(q *request) error {
	line, err := json.Marshal(q)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	if _, err := x.Write(append(line, '\n')); err != nil {
		return x.client.lost()
	}
	return nil
}

// failed is the error of an exchange that ended without an answer.
func (x *exchange) failed(ctx context.Context) error {
	if x.abandoned.Load() {
		return fmt.Errorf("%w, and the agent did not confirm that it stopped within %v", ctx.Err(), x.client.options.Grace)
	}
	return x.client.lost()
}
