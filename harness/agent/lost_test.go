package agent

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

func TestEveryCallOnALostConnectionSaysSo(t *testing.T) {
	noLeaks(t)
	r := &fakeRuntime{}
	w := dial(t, r, Options{})
	l, err := w.Up(t.Context(), &plan.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := l.Node("client")
	if err != nil {
		t.Fatal(err)
	}
	p, err := n.Start(t.Context(), &lab.Cmd{Args: []string{"sleep", "1000"}, Stdin: silent(t), Stdout: io.Discard})
	if err != nil {
		t.Fatal(err)
	}
	building := make(chan struct{})
	r.up = func(ctx context.Context, _ *plan.Plan) error {
		close(building)
		<-ctx.Done()
		return ctx.Err()
	}
	errs := make(chan error, 2)
	go func() { errs <- p.Wait() }()
	go func() {
		_, err := w.Up(context.Background(), &plan.Plan{})
		errs <- err
	}()
	await(t, "Up at the far end", building)
	_ = w.far.Close()

	const want = "connection to the agent lost: EOF"
	check := func(call string, err error) {
		t.Helper()
		if !errors.Is(err, ErrLost) || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: %v", call, err)
		}
	}
	check("Wait or Up under way", await(t, "Wait, Up", errs))
	check("Wait or Up under way", await(t, "Wait, Up", errs))
	_, err = w.Check(t.Context(), &plan.Plan{})
	check("Check", err)
	_, err = w.Up(t.Context(), &plan.Plan{})
	check("Up", err)
	_, err = l.Node("client")
	check("Node", err)
	_, err = n.Start(t.Context(), &lab.Cmd{Args: []string{"true"}})
	check("Start", err)
	check("Apply", l.Apply(t.Context(), plan.AddNode{Node: "x"}))
	check("Signal", p.Signal(syscall.SIGTERM))
	check("Lab.Close", l.Close())
	check("Close", w.Close())
	await(t, "Serve", w.served)
	if left := r.left(); left != "" {
		t.Errorf("left at the far end: %s", left)
	}
}

func TestServeClosesEverythingWhenTheNearEndDies(t *testing.T) {
	noLeaks(t)
	r := &fakeRuntime{}
	w := dial(t, r, Options{})
	p, err := w.node(t).Start(t.Context(), &lab.Cmd{Args: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	_ = w.near.Close()
	if err := await(t, "Serve", w.served); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if left := r.left(); left != "" {
		t.Errorf("left at the far end: %s", left)
	}
	if err := waitFor(t, p); !errors.Is(err, ErrLost) {
		t.Errorf("Wait: %v", err)
	}
}

// stalled is a stream whose reads stop as those of a guest that hangs do.
type stalled struct {
	net.Conn
	stop, closed chan struct{}
}

func (s *stalled) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	select {
	case <-s.stop:
		<-s.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func TestASilentFarEndIsLost(t *testing.T) {
	noLeaks(t)
	near, far := socketPair(t)
	s := &stalled{Conn: far, stop: make(chan struct{}), closed: make(chan struct{})}
	served := make(chan error, 1)
	r := &fakeRuntime{}
	go func() { served <- Serve(context.Background(), s, r.make) }()
	c, err := Dial(t.Context(), near, Options{Silence: 600 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Client: c}
	p, err := w.node(t).Start(t.Context(), &lab.Cmd{Args: []string{"sleep", "1000"}})
	if err != nil {
		t.Fatal(err)
	}
	beforeStall := time.NewTimer(500 * time.Millisecond) // some pings are answered
	<-beforeStall.C
	if _, _, err := c.conn.OpenChannel("nonsense", nil); err == nil {
		t.Error("a channel of unknown type opened")
	}
	close(s.stop)
	if err := waitFor(t, p); !errors.Is(err, ErrLost) || err.Error() != "connection to the agent lost: no answer to a ping within 600ms" {
		t.Errorf("Wait: %v", err)
	}
	close(s.closed)
	_ = far.Close()
	await(t, "Serve", served)
}

func TestServeAgainOnANewStream(t *testing.T) {
	noLeaks(t)
	r := &fakeRuntime{}
	for range 3 {
		w := dial(t, r, Options{})
		if out, err := lab.Run(t.Context(), w.node(t), "echo", "here"); err != nil || string(out) != "here\n" {
			t.Fatalf("Run = %q, %v", out, err)
		}
		_ = w.near.Close()
		if err := await(t, "Serve", w.served); err != nil {
			t.Fatalf("Serve: %v", err)
		}
	}
}

func TestServeEndsWithItsCtx(t *testing.T) {
	noLeaks(t)
	near, far := socketPair(t)
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	r := &fakeRuntime{}
	go func() { served <- Serve(ctx, far, r.make) }()
	c, err := Dial(t.Context(), near, Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := c.Up(t.Context(), &plan.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := await(t, "Serve", served); !errors.Is(err, context.Canceled) || err.Error() != "serve agent: context canceled" {
		t.Errorf("Serve: %v", err)
	}
	if left := r.left(); left != "" {
		t.Errorf("left at the far end: %s", left)
	}
	if err := l.Close(); !errors.Is(err, ErrLost) {
		t.Errorf("Close: %v", err)
	}
}

func TestServeDoesNotWaitForeverForARuntimeThatHangs(t *testing.T) {
	noLeaks(t)
	near, far := socketPair(t)
	hang := make(chan struct{})
	defer close(hang)
	r := &fakeRuntime{closing: func() error { <-hang; return nil }}
	served := make(chan error, 1)
	go func() { served <- serve(context.Background(), far, r.make, 50*time.Millisecond) }()
	c, err := Dial(t.Context(), near, Options{})
	if err != nil {
		t.Fatal(err)
	}
	const want = "close labs: not done after 50ms"
	if err := c.Close(); err == nil || err.Error() != want {
		t.Errorf("Close: %v", err)
	}
	if err := await(t, "Serve", served); err == nil || err.Error() != "serve agent: "+want {
		t.Errorf("Serve: %v", err)
	}
}

func TestWhatCannotBeClosedIsReported(t *testing.T) {
	noLeaks(t)
	w := dial(t, &fakeRuntime{closing: func() error { return errors.New("remove bridge: busy") }}, Options{})
	const want = "close labs: remove bridge: busy"
	if err := w.Close(); err == nil || err.Error() != want {
		t.Errorf("Close: %v", err)
	}
	if err := await(t, "Serve", w.served); err == nil || err.Error() != "serve agent: "+want {
		t.Errorf("Serve: %v", err)
	}
}

func TestDialAndServeWithoutTheOtherEnd(t *testing.T) {
	noLeaks(t)
	t.Run("dial, nobody answers", func(t *testing.T) {
		near, far := socketPair(t)
		defer far.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		_, err := Dial(ctx, near, Options{})
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "dial agent: context deadline exceeded" {
			t.Errorf("Dial: %v", err)
		}
	})
	t.Run("dial, the far end dies", func(t *testing.T) {
		near, far := socketPair(t)
		_ = far.Close()
		if _, err := Dial(t.Context(), near, Options{}); !errors.Is(err, ErrLost) {
			t.Errorf("Dial: %v", err)
		}
	})
	t.Run("serve, nobody dials", func(t *testing.T) {
		near, far := socketPair(t)
		defer near.Close()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		err := Serve(ctx, far, (&fakeRuntime{}).make)
		if !errors.Is(err, context.DeadlineExceeded) || err.Error() != "serve agent: shake hands: context deadline exceeded" {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Run("serve, the near end dies", func(t *testing.T) {
		near, far := socketPair(t)
		_ = near.Close()
		if err := Serve(t.Context(), far, (&fakeRuntime{}).make); err == nil {
			t.Error("Serve: nil")
		}
	})
}
