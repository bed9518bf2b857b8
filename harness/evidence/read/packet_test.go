package read

import (
	"encoding/hex"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/testns"
)

const (
	ether = "020000000002 020000000001 0800"
	// 192.0.2.1 to 192.0.2.2, protocol to fill in.
	ipv4   = "4500003c 1c464000 40PP0000 c0000201 c0000202"
	ipv6   = "60000000 0014NN40 20010db8000000000000000000000001 20010db8000000000000000000000002"
	synACK = "1f90 9c40 00000001 00000002 5012 7210 0000 0000"
)

func TestParsePackets(t *testing.T) {
	v4 := func(proto, transport string) string { return ether + strings.Replace(ipv4, "PP", proto, 1) + transport }
	v6 := func(next, rest string) string {
		return "020000000002 020000000001 86dd" + strings.Replace(ipv6, "NN", next, 1) + rest
	}
	rows := map[string]struct{ frame, want string }{
		"TCP":                 {v4("06", synACK), "192.0.2.1:8080>192.0.2.2:40000 syn-ack"},
		"UDP":                 {v4("11", "0035 9c40 0008 0000"), "192.0.2.1:53>192.0.2.2:40000 udp"},
		"ICMP":                {v4("01", "0304 0000 00000578"), "192.0.2.1>192.0.2.2 icmp 3/4"},
		"ESP":                 {v4("32", "00001001 00000001"), "192.0.2.1>192.0.2.2 esp 0x00001001"},
		"another protocol":    {v4("84", "00000000"), "192.0.2.1>192.0.2.2 proto-132"},
		"TCP cut short":       {v4("06", "1f90 9c40"), "192.0.2.1>192.0.2.2 proto-6"},
		"IPv4 options":        {ether + "46000040 1c464000 40060000 c0000201 c0000202 01010101" + synACK, "192.0.2.1:8080>192.0.2.2:40000 syn-ack"},
		"first fragment":      {ether + "4500003c 1c462000 40060000 c0000201 c0000202" + synACK, "192.0.2.1:8080>192.0.2.2:40000 syn-ack"},
		"later fragment":      {ether + "4500003c 1c460010 40060000 c0000201 c0000202" + synACK, "192.0.2.1>192.0.2.2 fragment"},
		"one VLAN tag":        {"020000000002 020000000001 8100 0064 0800" + strings.Replace(ipv4, "PP", "06", 1) + synACK, "192.0.2.1:8080>192.0.2.2:40000 syn-ack vlan 100"},
		"two VLAN tags":       {"020000000002 020000000001 88a8 0064 8100 000a 0800" + strings.Replace(ipv4, "PP", "06", 1) + synACK, "192.0.2.1:8080>192.0.2.2:40000 syn-ack vlan 100"},
		"TCP over IPv6":       {v6("06", synACK), "[2001:db8::1]:8080>[2001:db8::2]:40000 syn-ack"},
		"ICMPv6":              {v6("3a", "0200 0000 00000500"), "2001:db8::1>2001:db8::2 icmp 2/0"},
		"extension headers":   {v6("00", "2b00 0000 00000000 0600 0000 00000000"+synACK), "[2001:db8::1]:8080>[2001:db8::2]:40000 syn-ack"},
		"first IPv6 fragment": {v6("2c", "0600 0001 00000001"+synACK), "[2001:db8::1]:8080>[2001:db8::2]:40000 syn-ack"},
		"later IPv6 fragment": {v6("2c", "0600 0009 00000001"+synACK), "2001:db8::1>2001:db8::2 fragment"},
		"ARP":                 {"ffffffffffff 020000000001 0806 0001 0800 0604 0001", ""},
		"IPv4 cut short":      {ether + "4500003c", ""},
		"Ethernet cut short":  {"0200", ""},
		"VLAN tag cut short":  {"020000000002 020000000001 8100 00", ""},
		"odd header length":   {ether + "4100003c 1c464000 40060000 c0000201 c0000202", ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			b, err := hex.DecodeString(strings.ReplaceAll(row.frame, " ", ""))
			if err != nil {
				t.Fatal(err)
			}
			p, ok := parseFrame(b)
			if got := p.String(); ok != (row.want != "") || ok && got != row.want {
				t.Errorf("%v %q, want %q", ok, got, row.want)
			}
			for n := range b { // no prefix of a frame may break the parser
				parseFrame(b[:n])
			}
		})
	}
}

func FuzzParseFrame(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0x45})
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, ok := parseFrame(b); ok && p.String() == "" {
			t.Error("a packet without a line")
		}
	})
}

// The kernel takes the tag off a frame that comes in and keeps it beside the frame.
func TestVLANBesideTheFrame(t *testing.T) {
	testns.Need(t)
	frame, err := hex.DecodeString(strings.ReplaceAll("020000000002 020000000001 8100 60b2 0800"+strings.Replace(ipv4, "PP", "06", 1)+synACK, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]struct {
		vlan int
		want string
	}{
		"any":         {0, "192.0.2.1:8080>192.0.2.2:40000 syn-ack vlan 178"},
		"its VLAN":    {178, "192.0.2.1:8080>192.0.2.2:40000 syn-ack vlan 178"},
		"another one": {179, ""},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			c := &capture{}
			spec := evidence.Spec{Packets: &evidence.Packets{Interface: "v1", From: "192.0.2.1:8080", Flags: "syn-ack", VLAN: row.vlan}}
			if _, err := c.before(spec); err != nil {
				t.Fatal(err)
			}
			defer c.close()
			out, err := interfaceByName("v0")
			if err != nil {
				t.Fatal(err)
			}
			fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(fd)
			if err := unix.Sendto(fd, frame, 0, &unix.SockaddrLinklayer{Ifindex: out.Index}); err != nil {
				t.Fatal(err)
			}
			r, err := c.after(spec)
			if err != nil || r.Text != row.want {
				t.Errorf("%q, want %q: %v", r.Text, row.want, err)
			}
		})
	}
}

// A count with packets missing is not a count.
func TestLostPacketsAreAnError(t *testing.T) {
	testns.Need(t)
	c := &capture{}
	spec := evidence.Spec{Packets: &evidence.Packets{Interface: "lo"}}
	if _, err := c.before(spec); err != nil {
		t.Fatal(err)
	}
	defer c.close()
	// Nobody empties the queue, and it has room for next to nothing.
	if err := c.socket.SetReadDeadline(time.Now()); err != nil {
		t.Fatal(err)
	}
	<-c.ended
	raw, err := c.socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 1) })
	if err != nil {
		t.Fatal(os.NewSyscallError("setsockopt", err))
	}
	for range 20 {
		n, err := net.Dial("udp", "127.0.0.1:7000")
		if err != nil {
			t.Fatal(err)
		}
		n.Write(make([]byte, 1000))
		n.Close()
	}
	if r, err := c.after(spec); err == nil || !strings.Contains(err.Error(), "capture at lo: the socket lost ") {
		t.Errorf("%+v, error %v", r, err)
	}
}
