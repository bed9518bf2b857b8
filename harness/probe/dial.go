package probe

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ClientMain makes the one probe whose Request stands on stdin as JSON, and writes its Observation to stdout as JSON.
func ClientMain(stdin io.Reader, stdout io.Writer) error {
	dec := json.NewDecoder(stdin)
	dec.DisallowUnknownFields()
	var r Request
	if err := dec.Decode(&r); err != nil {
		return fmt.Errorf("read probe request: %w", err)
	}
	o, err := Dial(context.Background(), r)
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(o)
}

// Dial makes one probe from the namespace of its process, on a local port of its own. The error says that the question
// could not be asked, that ctx ended first, or that something other than a server of ours answered; what the network
// did is the Outcome.
//
// Over UDP the datagram is sent at 0, 1, 3, 7, ... seconds until the answer or the timeout, as TCP sends a SYN, and
// never fragmented: one that is larger than the path takes comes out as too-big.
func Dial(ctx context.Context, r Request) (Observation, error) {
	r, err := r.check()
	if err != nil {
		return Observation{}, err
	}
	start := time.Now()
	f := flow{Request: r, token: rand.Text(), deadline: start.Add(r.Timeout)}
	a, err := f.ask(ctx)
	o := Observation{Local: f.local, To: r.To, Took: time.Since(start)}
	if err == nil {
		o.Outcome, o.Peer, o.Source = Delivered, a.Peer, a.Source
		return o, nil
	}
	if ended := endOf(ctx); ended != nil {
		return Observation{}, fmt.Errorf("probe %s %s: %w", r.Proto, r.To, ended)
	}
	outcome, ok := outcomeOf(err, f.at)
	if !ok {
		return Observation{}, fmt.Errorf("probe %s %s: %w", r.Proto, r.To, err)
	}
	o.Outcome, o.Detail = outcome, words(err)
	return o, nil
}

// endOf says why ctx ended, or nil. It looks at the clock too: package net acts on ctx's deadline by itself, a moment
// before ctx does.
func endOf(ctx context.Context) error {
	if d, ok := ctx.Deadline(); ok && !time.Now().Before(d) {
		return context.DeadlineExceeded
	}
	return context.Cause(ctx)
}

// check refuses what cannot be asked and fills in the defaults.
func (r Request) check() (Request, error) {
	if r.Timeout == 0 {
		r.Timeout = DefaultTimeout
	}
	to := r.To.Addr().Unmap()
	r.To = netip.AddrPortFrom(to, r.To.Port())
	switch {
	case r.Proto != TCP && r.Proto != UDP:
		return r, fmt.Errorf("check probe request: protocol %q is neither %q nor %q", r.Proto, TCP, UDP)
	case !to.IsValid(), to.IsUnspecified(), to.IsMulticast(), r.To.Port() == 0:
		return r, fmt.Errorf("check probe request: %s is not the address and port of a server", r.To)
	case to.Is6() && to.IsLinkLocalUnicast() && to.Zone() == "":
		return r, fmt.Errorf("check probe request: link-local address %s needs a zone", to)
	case r.Timeout < 0:
		return r, fmt.Errorf("check probe request: timeout %s is negative", r.Timeout)
	case r.Payload < 0:
		return r, fmt.Errorf("check probe request: payload of %d bytes", r.Payload)
	case r.Proto == UDP && r.Payload > maxDatagram-maxGreeting:
		return r, fmt.Errorf("check probe request: a payload of %d bytes fits into no datagram, at most %d do", r.Payload, maxDatagram-maxGreeting)
	}
	return r, nil
}

// flow is one probe on its way.
type flow struct {
	Request
	token    string
	deadline time.Time
	local    netip.AddrPort // its port is known from the bind on, its address once the kernel has a route
	socket   int            // a second descriptor of the socket while it connects, 0 for none
	at       stage
}

// ask connects, asks, and returns the answer.
func (f *flow) ask(ctx context.Context) (answer, error) {
	// Keep-alive probes would be packets that the question does not contain.
	d := net.Dialer{Deadline: f.deadline, KeepAlive: -1, Control: f.prepare}
	d.SetMultipathTCP(false)
	c, err := d.DialContext(ctx, f.Proto, f.To.String())
	if lost := f.release(); lost != nil || err != nil {
		if err == nil {
			c.Close()
		}
		return answer{}, cmp.Or(lost, err)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	if f.local, err = netip.ParseAddrPort(c.LocalAddr().String()); err != nil {
		return answer{}, fmt.Errorf("read local address: %w", err)
	}
	if f.Proto == UDP {
		return f.askUDP(c)
	}
	f.at = connected
	tcp := c.(*net.TCPConn)
	if f.Payload == 0 {
		if err := f.bound(tcp); err != nil {
			return answer{}, fmt.Errorf("bound the wait for acknowledgements: %w", err)
		}
	}
	a, err := f.askTCP(c)
	if err != nil {
		forget(tcp)
	}
	return a, err
}

// bound makes the kernel give the connection up when it has sent the same data, without acknowledgement, as often as it sends
// a SYN before the timeout, and has then waited as long: it sends data again after an RTO (200 ms and more, by the handshake's
// round trip), a SYN after a second. The kernel counts from the first retransmission (retransmits_timed_out in
// net/ipv4/tcp_timer.c). Where data was acknowledged the path is whole, and the answer is waited for until the timeout.
//
// It is not for a payload: of that the kernel may send less at once when it has sent it in vain for seconds
// (tcp_mtu_probing in net/ipv4/tcp_timer.c), which mends a path that loses what is large.
func (f *flow) bound(c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, set = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); set != nil {
			return
		}
		rto := time.Duration(info.Rto) * time.Microsecond
		set = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(unacknowledged(f.Timeout, rto).Milliseconds()))
	})
	return errors.Join(err, set)
}

// unacknowledged is how long data is sent again in vain. A SYN is sent again after 1 s, doubled each time (from Linux 6.5 on
// not at first: tcp_syn_linear_timeouts): of the timeout's rest the last second is for the answer to the last one.
func unacknowledged(timeout, rto time.Duration) time.Duration {
	retransmitting := max(0, timeout-2*time.Second)
	return time.Duration(retransmitting.Seconds()*float64(rto)) + time.Second
}

// forget lets the kernel drop what was never acknowledged when it would send it again: that would be counted around the
// next probe (tcp_write_timeout in net/ipv4/tcp_timer.c). Not by a RST, which conntrack would take for the end of the
// flow. It is best effort, the observation stands.
func forget(c *net.TCPConn) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 1) })
}

// prepare runs on the new socket before it connects. It binds the socket and keeps hold of it, so that the local port and
// address are known even when no packet comes back: conntrack entries and packets are found by them.
func (f *flow) prepare(_, _ string, c syscall.RawConn) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = f.bind(int(fd)) }); e != nil {
		return e
	}
	return err
}

func (f *flow) bind(fd int) error {
	if err := f.release(); err != nil { // package net may try a second socket
		return err
	}
	var any unix.Sockaddr = &unix.SockaddrInet4{}
	unspecified := netip.IPv4Unspecified()
	if f.To.Addr().Is6() {
		any, unspecified = &unix.SockaddrInet6{}, netip.IPv6Unspecified()
	}
	if f.Proto == UDP {
		if err := dontFragment(fd, f.To.Addr().Is6()); err != nil {
			return err
		}
	}
	// Without IP_BIND_ADDRESS_NO_PORT the kernel chooses the port here and not at connect.
	if err := unix.Bind(fd, any); err != nil {
		return fmt.Errorf("bind a local port: %w", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return fmt.Errorf("read local port: %w", err)
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		f.local = netip.AddrPortFrom(unspecified, uint16(a.Port))
	case *unix.SockaddrInet6:
		f.local = netip.AddrPortFrom(unspecified, uint16(a.Port))
	}
	if f.socket, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
		return fmt.Errorf("keep the socket: %w", err)
	}
	return nil
}

// release reads which address the kernel chose when the socket began to connect, and lets go of the socket. The choice
// is made with the route, before the first packet, and stays with the socket whatever comes of it; where there was no
// route the address stays unspecified. It cannot be told beforehand: with IPVS it is the Service's own address.
func (f *flow) release() error {
	if f.socket == 0 {
		return nil
	}
	fd := f.socket
	f.socket = 0
	name, err := unix.Getsockname(fd)
	if err := errors.Join(err, unix.Close(fd)); err != nil {
		return fmt.Errorf("read local address: %w", err)
	}
	switch a := name.(type) {
	case *unix.SockaddrInet4:
		f.local = netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port))
	case *unix.SockaddrInet6:
		f.local = netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port))
	}
	return nil
}

func dontFragment(fd int, v6 bool) error {
	err := unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO)
	if v6 {
		err = errors.Join(
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO),
			unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_DONTFRAG, 1))
	}
	if err != nil {
		return fmt.Errorf("forbid fragments: %w", err)
	}
	return nil
}

func (f *flow) askTCP(c net.Conn) (answer, error) {
	if err := c.SetDeadline(f.deadline); err != nil {
		return answer{}, err
	}
	if _, err := c.Write(greeting(f.token, f.Payload)); err != nil {
		return answer{}, err
	}
	line, err := bufio.NewReaderSize(c, maxAnswer).ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return answer{}, fmt.Errorf("read answer %.80q: longer than %d bytes", line, maxAnswer)
	case err != nil && len(line) > 0:
		return answer{}, fmt.Errorf("%w after %d bytes of an answer", err, len(line))
	case err == io.EOF:
		return answer{}, fmt.Errorf("read: %w before an answer", err)
	case err != nil:
		return answer{}, err
	}
	return parseAnswer(line, f.token, f.Payload)
}

func (f *flow) askUDP(c net.Conn) (answer, error) {
	datagram := greeting(f.token, f.Payload)
	buf := make([]byte, maxAnswer)
	next := time.Now()
	for wait := time.Second; ; wait *= 2 {
		if _, err := c.Write(datagram); err != nil {
			return answer{}, err
		}
		next = next.Add(wait)
		last := !next.Before(f.deadline)
		if last {
			next = f.deadline
		}
		if err := c.SetDeadline(next); err != nil {
			return answer{}, err
		}
		n, err := c.Read(buf)
		if err == nil {
			return parseAnswer(buf[:n], f.token, f.Payload)
		}
		if !isTimeout(err) || last {
			return answer{}, err
		}
		// The deadline that has passed must not stop the next write.
		if err := c.SetDeadline(f.deadline); err != nil {
			return answer{}, err
		}
	}
}
