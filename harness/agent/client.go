package agent

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// Options say how a Client treats the far end.
type Options struct {
	// Progress gets the far runtime's lines, one at a time and in order; a line belonging to an Up comes before that Up
	// returns. It must not call the Client. Default: discarded.
	Progress func(line string)

	// Silence is how long the far end may leave a ping unanswered before the connection counts as lost; a third of it
	// lies between pings. Default: 30 seconds. It has to be far longer than a busy guest stalls.
	Silence time.Duration

	// Grace is how long a call whose ctx has ended waits for the far end to say that it has stopped. Default: 30
	// seconds.
	Grace time.Duration
}

// Client is a lab.Runtime whose labs are built at the far end of a stream.
type Client struct {
	conn    ssh.Conn
	options Options
	close   func() error

	closing chan struct{} // closed when Close begins
	pinged  chan struct{} // closed when no more pings are sent
	gone    chan struct{} // closed when the stream has ended, cause is set then

	mu    sync.Mutex
	cause error // the first reason for the end of the stream
}

var _ lab.Runtime = (*Client)(nil)

// Dial connects to the Serve at the other end of conn and owns conn from then on, on error too. ctx bounds the dialling
// only. The error wraps ErrLost, or ctx's error. As with Serve, conn needs a buffer and a Close that ends a Read.
func Dial(ctx context.Context, conn io.ReadWriteCloser, o Options) (*Client, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Silence == 0 {
		o.Silence = silence
	}
	if o.Grace == 0 {
		o.Grace = grace
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	c, channels, requests, err := ssh.NewClientConn(stream{conn}, address{}.String(), clientConfig())
	if !stop() {
		_ = conn.Close()
		return nil, fmt.Errorf("dial agent: %w", ctx.Err())
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("dial agent: %w: %w", ErrLost, err)
	}
	client := &Client{
		conn: c, options: o,
		closing: make(chan struct{}), pinged: make(chan struct{}), gone: make(chan struct{}),
	}
	client.close = sync.OnceValue(client.hangUp)
	go client.listen(channels, requests)
	go client.ping()
	go func() {
		client.fail(c.Wait())
		close(client.gone)
	}()
	return client, nil
}

// listen passes progress on until the stream ends. The far end opens no channels.
func (c *Client) listen(channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	go func() {
		for channel := range channels {
			_ = channel.Reject(ssh.UnknownChannelType, channel.ChannelType())
		}
	}()
	for r := range requests {
		if r.Type == requestProgress {
			c.options.Progress(string(r.Payload))
		}
		_ = r.Reply(r.Type == requestProgress, nil)
	}
}

// ping ends the connection when the far end has gone silent: a guest that hangs keeps its end of the stream open.
func (c *Client) ping() {
	defer close(c.pinged)
	next := time.NewTicker(max(c.options.Silence/3, 1))
	defer next.Stop()
	for {
		select {
		case <-c.gone:
			return
		case <-c.closing:
			return
		case <-next.C:
		}
		late := time.AfterFunc(c.options.Silence, func() {
			c.fail(fmt.Errorf("no answer to a ping within %v", c.options.Silence))
		})
		_, _, err := c.conn.SendRequest(requestPing, true, nil)
		late.Stop()
		if err != nil {
			return
		}
	}
}

// Lost says whether the connection has ended: nothing can be asked any more.
func (c *Client) Lost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause != nil
}

// fail ends the stream because of cause.
func (c *Client) fail(cause error) {
	c.mu.Lock()
	if c.cause == nil {
		c.cause = cause
	}
	c.mu.Unlock()
	_ = c.conn.Close()
}

// lost is for who sees the stream, or a channel, end too early. It returns the reason once that is known.
func (c *Client) lost() error {
	_ = c.conn.Close()
	<-c.gone
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Errorf("%w: %w", ErrLost, c.cause)
}

// hungUp says whether the stream ended because Close has closed everything.
func (c *Client) hungUp() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Is(c.cause, errHungUp)
}

// errHungUp is the cause of calls after Close.
var errHungUp = errors.New("closed")

// Close closes all labs and the runtime at the far end, then the stream, on which Serve returns. It waits at most a
// minute for that, and returns what could not be closed.
func (c *Client) Close() error { return c.close() }

func (c *Client) hangUp() error {
	close(c.closing)
	<-c.pinged // one global request at a time: a ping behind this one would look unanswered
	limit := closeLimit + c.options.Grace
	late := time.AfterFunc(limit, func() { c.fail(fmt.Errorf("labs not closed after %v", limit)) })
	defer late.Stop()
	ok, body, err := c.conn.SendRequest(requestClose, true, nil)
	if err != nil || !ok {
		return fmt.Errorf("close agent: %w", c.lost())
	}
	c.fail(errHungUp)
	<-c.gone
	var f *failure
	if err := json.Unmarshal(body, &f); err != nil {
		return fmt.Errorf("close agent: %w", err)
	}
	return f.err(context.Background())
}

// Check asks the far runtime.
func (c *Client) Check(ctx context.Context, p *plan.Plan) (lab.Facts, error) {
	a, err := c.call(ctx, callCheck, &request{Plan: p})
	return a.Facts, err
}

// Up builds p at the far end. When ctx ends, it returns once the far end has undone what it did, or after
// Options.Grace.
func (c *Client) Up(ctx context.Context, p *plan.Plan) (lab.Lab, error) {
	a, err := c.call(ctx, callUp, &request{Plan: p})
	if err != nil {
		return nil, err
	}
	return newFarLab(c, a.Lab), nil
}

// call carries out one request and waits for its reply.
func (c *Client) call(ctx context.Context, name string, q *request) (reply, error) {
	x, err := c.open(ctx, name)
	if err != nil {
		return reply{}, err
	}
	defer x.release()
	go ssh.DiscardRequests(x.requests)
	var a reply
	if err := x.ask(q); err != nil {
		return a, err
	}
	if err := readMessage(bufio.NewReader(x), &a); err != nil {
		return a, x.failed(ctx)
	}
	return a, a.Failure.err(ctx)
}
