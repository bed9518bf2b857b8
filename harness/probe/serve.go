package probe

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds how long a server keeps a connection whose client says nothing.
const patience = 30 * time.Second

// ServeMain runs `serve NAME --tcp 8080,81 --udp 53`: it prints "ready" on stdout once every port listens, and answers
// until it is killed.
func ServeMain(args []string, stdout io.Writer) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") {
		return errors.New("serve: the first argument must be the server's name")
	}
	var tcp, udp ports
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Var(&tcp, "tcp", "TCP ports, separated by commas")
	fs.Var(&udp, "udp", "UDP ports, separated by commas")
	if err := fs.Parse(args[1:]); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("serve: unexpected argument %q", fs.Arg(0))
	}
	ready := func() error {
		_, err := fmt.Fprintln(stdout, "ready")
		return err
	}
	return Serve(context.Background(), Server{Name: args[0], TCP: tcp, UDP: udp}, ready)
}

// ports is the value of a flag: "8080,81".
type ports []uint16

func (p *ports) String() string { return fmt.Sprint([]uint16(*p)) }

func (p *ports) Set(s string) error {
	for word := range strings.SplitSeq(s, ",") {
		n, err := strconv.ParseUint(word, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("%q is not a port", word)
		}
		*p = append(*p, uint16(n))
	}
	return nil
}

// Server is one server: the name that it gives in its answers and the ports it listens on, on all addresses of its
// namespace, IPv4 and (where the kernel has it) IPv6.
type Server struct {
	Name     string
	TCP, UDP []uint16
}

// Serve answers probes until ctx ends, and then returns nil. It calls ready once every port listens; an error of ready
// ends it. When it returns, no port listens any more.
func Serve(ctx context.Context, s Server, ready func() error) error {
	if len(s.TCP)+len(s.UDP) == 0 {
		return fmt.Errorf("serve %s: no port to listen on", s.Name)
	}
	sockets, err := s.listen(ctx)
	defer func() {
		for _, l := range sockets {
			l.Close()
		}
	}()
	if err != nil {
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
	if err := ready(); err != nil {
		return fmt.Errorf("serve %s: say ready: %w", s.Name, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	broken := make(chan error, len(sockets))
	for _, l := range sockets {
		go func() {
			if err := l.answer(ctx); ctx.Err() == nil {
				broken <- err
			}
		}()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-broken:
		return fmt.Errorf("serve %s: %w", s.Name, err)
	}
}

// socket is one port that listens.
type socket struct {
	io.Closer
	answer func(context.Context) error // until the socket is closed
}

// listen opens every port. The sockets that it returns are open, also on error.
func (s Server) listen(ctx context.Context) ([]socket, error) {
	var open []socket
	for _, port := range s.TCP {
		for _, network := range []string{"tcp4", "tcp6"} {
			l, err := listenTCP(ctx, network, port)
			if err != nil {
				return open, err
			}
			if l != nil {
				open = append(open, socket{l, func(ctx context.Context) error { return s.acceptTCP(ctx, l) }})
			}
		}
	}
	for _, port := range s.UDP {
		for _, network := range []string{"udp4", "udp6"} {
			c, err := listenUDP(network, port)
			if err != nil {
				return open, err
			}
			if c != nil {
				open = append(open, socket{c, func(context.Context) error { return s.answerUDP(c, network == "udp6") }})
			}
		}
	}
	return open, nil
}

// absent reports that the kernel has no IPv6, which is no reason not to serve IPv4.
func absent(network string, err error) bool {
	return strings.HasSuffix(network, "6") && errors.Is(err, unix.EAFNOSUPPORT)
}

func anyAddr(network string, port uint16) netip.AddrPort {
	if strings.HasSuffix(network, "6") {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), port)
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), port)
}

// listenTCP returns nil without an error where the kernel has no such family.
func listenTCP(ctx context.Context, network string, port uint16) (net.Listener, error) {
	// Go listens with MPTCP where it can; a probe is about plain TCP.
	lc := net.ListenConfig{KeepAlive: -1}
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(ctx, network, anyAddr(network, port).String())
	if absent(network, err) {
		return nil, nil
	}
	return l, err
}

func (s Server) acceptTCP(ctx context.Context, l net.Listener) error {
	for {
		c, err := l.Accept()
		switch {
		case errors.Is(err, unix.ECONNABORTED): // the client was gone before the accept
			continue
		case err != nil:
			return err
		}
		go func() {
			defer c.Close()
			stop := context.AfterFunc(ctx, func() { c.Close() })
			defer stop()
			s.answerTCP(c)
		}()
	}
}

// answerTCP answers one connection. A client that does not speak the protocol, or leaves half-way, gets no answer: that
// is the client's to notice.
func (s Server) answerTCP(c net.Conn) {
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		return
	}
	source, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return
	}
	r := bufio.NewReader(c)
	line, err := r.ReadSlice('\n')
	if err != nil || len(line) > maxGreeting {
		return
	}
	token, payload, err := parseGreeting(line)
	if err != nil {
		return
	}
	got, err := io.CopyN(io.Discard, r, int64(payload))
	if err != nil {
		return
	}
	a := answer{Token: token, Peer: s.Name, Source: source, Payload: int(got)}
	_, _ = c.Write(a.line())
}
