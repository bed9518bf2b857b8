package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/faultline-lab/faultline/harness/internal/testns"
)

// serve runs a Server for the length of the test.
func serve(t *testing.T, s Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- Serve(ctx, s, func() error { close(ready); return nil }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// handle accepts TCP connections for the length of the test and gives each to f.
func handle(t *testing.T, port uint16, f func(net.Conn)) {
	t.Helper()
	l, err := net.ListenTCP("tcp4", net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.IPv4Unspecified(), port)))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			f(c)
		}
	}()
}

func say(text string) func(net.Conn) {
	return func(c net.Conn) {
		b := make([]byte, 1024)
		c.Read(b)
		c.Write([]byte(text))
	}
}

func TestDelivered(t *testing.T) {
	testns.Need(t)
	serve(t, Server{Name: "web-1", TCP: []uint16{2001}, UDP: []uint16{2001}})
	rows := map[string]struct {
		request Request
		source  string
	}{
		"TCP over IPv4":                           {Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:2001")}, "127.0.0.1"},
		"TCP over IPv6":                           {Request{Proto: TCP, To: netip.MustParseAddrPort("[::1]:2001")}, "::1"},
		"TCP with a payload over many segments":   {Request{Proto: TCP, To: netip.MustParseAddrPort("192.0.2.1:2001"), Payload: 1 << 20}, "192.0.2.1"},
		"TCP to an IPv4 address in IPv6 clothing": {Request{Proto: TCP, To: netip.MustParseAddrPort("[::ffff:127.0.0.1]:2001")}, "127.0.0.1"},
		"UDP over IPv4":                           {Request{Proto: UDP, To: netip.MustParseAddrPort("127.0.0.1:2001")}, "127.0.0.1"},
		"UDP over IPv6":                           {Request{Proto: UDP, To: netip.MustParseAddrPort("[::1]:2001")}, "::1"},
		"UDP with a payload":                      {Request{Proto: UDP, To: netip.MustParseAddrPort("127.0.0.1:2001"), Payload: 9000}, "127.0.0.1"},
		// Routing alone would answer this one from 127.0.0.1, and the client's socket would not take it.
		"UDP to one of several addresses": {Request{Proto: UDP, To: netip.MustParseAddrPort("127.0.0.7:2001")}, ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			o, err := Dial(context.Background(), row.request)
			if err != nil {
				t.Fatal(err)
			}
			if o.Outcome != Delivered || o.Peer != "web-1" {
				t.Errorf("outcome %q of peer %q, want %q of %q: %s", o.Outcome, o.Peer, Delivered, "web-1", o.Detail)
			}
			if o.Source != o.Local || o.Local.Port() == 0 {
				t.Errorf("the server saw %s, the client used %s: without NAT they are one", o.Source, o.Local)
			}
			if row.source != "" && o.Source.Addr() != netip.MustParseAddr(row.source) {
				t.Errorf("source %s, want %s", o.Source, row.source)
			}
		})
	}
}

func TestOutcomes(t *testing.T) {
	testns.Need(t)
	serve(t, Server{Name: "web-1", TCP: []uint16{1001, 1003}, UDP: []uint16{1001, 1004}})
	handle(t, 2002, func(net.Conn) {}) // silent
	handle(t, 2003, func(c net.Conn) { say("")(c); c.Close() })
	handle(t, 2004, func(c net.Conn) {
		b := make([]byte, 1)
		c.Read(b)
		c.(*net.TCPConn).SetLinger(0)
		c.Close()
	})
	handle(t, 2005, say(`{"token":`)) // and nothing more
	fillBacklog(t, 2006)
	rows := map[string]struct {
		proto, to string
		payload   int
		want      Outcome
		detail    string
	}{
		"SYN dropped":                   {TCP, "127.0.0.1:1001", 0, Timeout, "connect: i/o timeout"},
		"SYN dropped by a full backlog": {TCP, "127.0.0.1:2006", 0, Timeout, "connect: i/o timeout"},
		"datagrams dropped":             {UDP, "127.0.0.1:1001", 0, Timeout, "read: i/o timeout"},
		"data dropped":                  {TCP, "127.0.0.1:1003", 0, ConnectedNoData, "read: i/o timeout"},
		"silent server":                 {TCP, "127.0.0.1:2002", 0, ConnectedNoData, "read: i/o timeout"},
		"silent server, payload larger than every buffer": {TCP, "127.0.0.1:2002", 64 << 20, ConnectedNoData, "write: i/o timeout"},
		"server that hangs up":                            {TCP, "127.0.0.1:2003", 0, ConnectedNoData, "read: EOF before an answer"},
		"half an answer":                                  {TCP, "127.0.0.1:2005", 0, ConnectedNoData, "read: i/o timeout after 9 bytes of an answer"},
		"server that resets":                              {TCP, "127.0.0.1:2004", 0, Reset, "read: connection reset by peer"},
		"no TCP server":                                   {TCP, "127.0.0.1:2099", 0, Refused, "connect: connection refused"},
		"no UDP server":                                   {UDP, "127.0.0.1:2099", 0, Refused, "read: connection refused"},
		"unreachable route":                               {TCP, "198.51.100.1:80", 0, Unreachable, "connect: no route to host"},
		"prohibited route":                                {TCP, "198.51.100.2:80", 0, Unreachable, "connect: permission denied"},
		"blackhole route":                                 {TCP, "198.51.100.3:80", 0, Unreachable, "connect: invalid argument"},
		"no route":                                        {TCP, "203.0.113.1:80", 0, Unreachable, "connect: network is unreachable"},
		"no route for a datagram":                         {UDP, "203.0.113.1:80", 0, Unreachable, "connect: network is unreachable"},
		"ICMP host unreachable":                           {TCP, "127.0.0.1:1002", 0, Unreachable, "connect: no route to host"},
		"datagram dropped on its way out":                 {UDP, "127.0.0.1:1004", 0, Unreachable, "write: operation not permitted"},
		"datagram larger than the link takes":             {UDP, "192.0.2.9:80", 2000, TooBig, "write: message too long"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			to := netip.MustParseAddrPort(row.to)
			o, err := Dial(context.Background(), Request{Proto: row.proto, To: to, Timeout: time.Second, Payload: row.payload})
			if err != nil {
				t.Fatal(err)
			}
			if o.Outcome != row.want || o.Detail != row.detail {
				t.Errorf("%s %q, want %s %q", o.Outcome, o.Detail, row.want, row.detail)
			}
			if o.Local.Port() == 0 {
				t.Error("the local port is unknown")
			}
			if routed := !strings.HasPrefix(row.detail, "connect:") || row.want != Unreachable || name == "ICMP host unreachable"; routed == o.Local.Addr().IsUnspecified() {
				t.Errorf("local address %s, with a route: %v", o.Local, routed)
			}
			if o.To != to || o.Took <= 0 || o.Peer != "" || o.Source.IsValid() {
				t.Errorf("odd observation: %+v", o)
			}
		})
	}
}

// fillBacklog listens on port and never accepts; its queue is full, so the kernel drops further SYNs.
func fillBacklog(t *testing.T, port uint16) {
	t.Helper()
	l := listenWithBacklog(t, port, 0)
	t.Cleanup(func() { l.Close() })
	for range 2 {
		c, err := net.DialTimeout("tcp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port).String(), 500*time.Millisecond)
		if err != nil {
			return
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestLocalPortIsKnownOnTimeout(t *testing.T) {
	testns.Need(t)
	saw := make(chan netip.AddrPort, 4)
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 2010})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		b := make([]byte, 100)
		for {
			_, from, err := c.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			saw <- from
		}
	}()
	o, err := Dial(context.Background(), Request{Proto: UDP, To: netip.MustParseAddrPort("127.0.0.1:2010"), Timeout: 3200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if o.Outcome != Timeout {
		t.Errorf("outcome %s, want %s", o.Outcome, Timeout)
	}
	for i, want := range []string{"the first", "the one after 1 s", "the one after 3 s"} {
		select {
		case from := <-saw:
			if from != o.Local {
				t.Errorf("datagram %d came from %s, the client says %s", i, from, o.Local)
			}
		default:
			t.Errorf("datagram %d (%s) was not sent", i, want)
		}
	}
	if len(saw) > 0 {
		t.Error("more than three datagrams in 3.2 s")
	}
}

func TestOneLostDatagramIsNoFailure(t *testing.T) {
	testns.Need(t)
	c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: 2011})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		b := make([]byte, 100)
		c.ReadFromUDPAddrPort(b) // lost
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		token, payload, err := parseGreeting(b[:n])
		if err != nil {
			return
		}
		c.WriteToUDPAddrPort(answer{Token: token, Peer: "late", Source: from, Payload: payload}.line(), from)
	}()
	o, err := Dial(context.Background(), Request{Proto: UDP, To: netip.MustParseAddrPort("127.0.0.1:2011")})
	if err != nil {
		t.Fatal(err)
	}
	if o.Outcome != Delivered || o.Peer != "late" || o.Took < time.Second {
		t.Errorf("want delivered by late after a second: %+v", o)
	}
}

// Data gets as many chances as a SYN, whether it, its acknowledgement or the answer is what is late.
func TestDataIsSentAgain(t *testing.T) {
	testns.Need(t)
	serve(t, Server{Name: "web-1", TCP: []uint16{1005, 1006}})
	handle(t, 2012, func(c net.Conn) {
		b := make([]byte, 1024)
		n, _ := c.Read(b)
		token, _, _ := parseGreeting(b[:n])
		<-time.After(2500 * time.Millisecond) // longer than data would be sent again
		source := c.RemoteAddr().(*net.TCPAddr).AddrPort()
		c.Write(answer{Token: token, Peer: "slow", Source: source}.line())
	})
	for name, row := range map[string]struct {
		to     string
		want   Outcome
		detail string
	}{
		"three lost segments are no failure":       {"127.0.0.1:1005", Delivered, ""},
		"what was acknowledged is waited for":      {"127.0.0.1:2012", Delivered, ""},
		"what is never acknowledged is in vain":    {"127.0.0.1:1006", ConnectedNoData, "read: connection timed out"},
		"so is a SYN, but not before the deadline": {"127.0.0.1:1001", Timeout, "connect: i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := Dial(context.Background(), Request{Proto: TCP, To: netip.MustParseAddrPort(row.to)})
			if err != nil {
				t.Fatal(err)
			}
			if o.Outcome != row.want || o.Detail != row.detail {
				t.Errorf("%s %q, want %s %q", o.Outcome, o.Detail, row.want, row.detail)
			}
		})
	}
	t.Cleanup(func() {
		out, err := exec.Command("nft", "list", "counter", "inet", "t", "lost").CombinedOutput()
		_, rest, _ := strings.Cut(string(out), "packets ")
		var sent int
		if _, scan := fmt.Sscan(rest, &sent); err != nil || scan != nil || sent < 3 {
			t.Errorf("data was sent %d times, a SYN is sent three times: %v: %s", sent, err, out)
		}
	})
}

// Where packets of that size are lost, the kernel finds out after some retransmissions, and sends smaller ones.
func TestAPayloadMayCrossInSmallerSegments(t *testing.T) {
	testns.Need(t)
	serve(t, Server{Name: "web-1", TCP: []uint16{1007}})
	o, err := Dial(context.Background(), Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:1007"), Payload: 5000})
	if err != nil || o.Outcome != Delivered {
		t.Errorf("%s %q after %v, %v", o.Outcome, o.Detail, o.Took, err)
	}
}

func TestUnacknowledged(t *testing.T) {
	const ms = time.Millisecond
	for _, row := range []struct{ timeout, rto, want time.Duration }{
		{4 * time.Second, time.Second, 3 * time.Second}, // after the first second, as a SYN
		{4 * time.Second, 200 * ms, 1400 * ms},
		{16 * time.Second, 200 * ms, 3800 * ms},
		{1500 * ms, 200 * ms, time.Second},
		{100 * ms, 3 * time.Second, time.Second},
	} {
		if got := unacknowledged(row.timeout, row.rto); got != row.want {
			t.Errorf("timeout %s, RTO %s: %s, want %s", row.timeout, row.rto, got, row.want)
		}
	}
}

func TestErrorsAreNotOutcomes(t *testing.T) {
	testns.Need(t)
	handle(t, 2020, say("HTTP/1.1 400 Bad Request\r\n"))
	handle(t, 2021, say(`{"token":"another","peer":"web-2","source":"127.0.0.1:1","payload":0}`+"\n"))
	handle(t, 2022, say(strings.Repeat("x", 2000)))
	handle(t, 2023, func(c net.Conn) {
		b := make([]byte, 1024)
		n, _ := c.Read(b)
		token, _, _ := parseGreeting(b[:n])
		c.Write(answer{Token: token, Peer: "web-3", Source: netip.MustParseAddrPort("127.0.0.1:1"), Payload: 7}.line())
	})
	rows := map[string]struct {
		request Request
		want    string
	}{
		"another program answers":      {Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:2020")}, "not one of our servers"},
		"answer of another flow":       {Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:2021")}, `read answer of "web-2": its token "another" is not ours`},
		"endless answer":               {Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:2022")}, "longer than 1024 bytes"},
		"miscounted payload":           {Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:2023")}, `read answer of "web-3": it counted 7 bytes of payload, 0 were sent`},
		"unknown protocol":             {Request{Proto: "icmp", To: netip.MustParseAddrPort("127.0.0.1:1")}, `check probe request: protocol "icmp" is neither "tcp" nor "udp"`},
		"no address":                   {Request{Proto: TCP}, "check probe request: invalid AddrPort is not the address and port of a server"},
		"no port":                      {Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:0")}, "check probe request: 127.0.0.1:0 is not the address and port of a server"},
		"link-local without interface": {Request{Proto: TCP, To: netip.MustParseAddrPort("[fe80::1]:80")}, "check probe request: link-local address fe80::1 needs a zone"},
		"negative timeout":             {Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:1"), Timeout: -1}, "check probe request: timeout -1ns is negative"},
		"negative payload":             {Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:1"), Payload: -1}, "check probe request: payload of -1 bytes"},
		"payload that is no datagram":  {Request{Proto: UDP, To: netip.MustParseAddrPort("127.0.0.1:1"), Payload: 70000}, "check probe request: a payload of 70000 bytes fits into no datagram, at most 65427 do"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			o, err := Dial(context.Background(), row.request)
			if err == nil {
				t.Fatalf("no error, but %+v", o)
			}
			if !strings.Contains(err.Error(), row.want) {
				t.Errorf("error %q does not say %q", err, row.want)
			}
		})
	}
}

func TestEndedContextIsNoOutcome(t *testing.T) {
	testns.Need(t)
	handle(t, 2030, func(net.Conn) {})
	for _, to := range []string{"127.0.0.1:1001", "127.0.0.1:2030"} { // while connecting, while reading
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		o, err := Dial(ctx, Request{Proto: TCP, To: netip.MustParseAddrPort(to)})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: error %v with %+v, want the context's", to, err, o)
		}
	}
}

func TestClientMain(t *testing.T) {
	testns.Need(t)
	serve(t, Server{Name: "web-1", TCP: []uint16{2040}})
	var out bytes.Buffer
	if err := ClientMain(strings.NewReader(`{"proto":"tcp","to":"127.0.0.1:2040","timeout":0}`), &out); err != nil {
		t.Fatal(err)
	}
	var o Observation
	if err := json.Unmarshal(out.Bytes(), &o); err != nil {
		t.Fatal(err)
	}
	if o.Outcome != Delivered || o.Peer != "web-1" {
		t.Errorf("observation %+v", o)
	}
	err := ClientMain(strings.NewReader(`{"proto":"tcp","too":"127.0.0.1:2040"}`), &out)
	if err == nil || err.Error() != `read probe request: json: unknown field "too"` {
		t.Errorf("error %v", err)
	}
}
