package read

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// receiveBuffer holds what comes in while the process does not run, in bytes.
const receiveBuffer = 8 << 20

// capture counts packets at an interface between before and after. It is a packet socket and a parser of a few headers:
// a capture library would take longer to start than a probe.
type capture struct {
	socket *os.File
	filter filter
	seen   []packet
	ended  chan struct{} // closed when the reading goroutine has ended
	end    error         // why it ended
}

// before opens the socket. Packets queue up in it from its bind on.
func (c *capture) before(s evidence.Spec) (evidence.Reading, error) {
	var err error
	if c.filter, err = newFilter(*s.Packets); err != nil {
		return evidence.Reading{}, err
	}
	i, err := interfaceByName(s.Packets.Interface)
	if err != nil {
		return evidence.Reading{}, err
	}
	if c.socket, err = openPacketSocket(i.Index); err != nil {
		return evidence.Reading{}, fmt.Errorf("capture at %s: %w", i.Name, err)
	}
	c.ended = make(chan struct{})
	go func() {
		defer close(c.ended)
		c.end = c.collect()
	}()
	return evidence.Reading{}, nil
}

// after ends the capture. What had crossed the interface before it was called is counted.
func (c *capture) after(s evidence.Spec) (evidence.Reading, error) {
	if err := c.socket.SetReadDeadline(time.Now()); err != nil {
		return evidence.Reading{}, err
	}
	<-c.ended
	if !errors.Is(c.end, os.ErrDeadlineExceeded) {
		return evidence.Reading{}, fmt.Errorf("capture at %s: %w", s.Packets.Interface, c.end)
	}
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return evidence.Reading{}, err
	}
	// The deadline may have stopped the goroutine before it had emptied the queue.
	var drops uint32
	var inner error
	err = raw.Control(func(fd uintptr) {
		if inner = c.drain(int(fd)); errors.Is(inner, unix.EAGAIN) {
			drops, inner = droppedPackets(int(fd))
		}
	})
	if err := errors.Join(err, inner); err != nil {
		return evidence.Reading{}, fmt.Errorf("capture at %s: %w", s.Packets.Interface, err)
	}
	if drops > 0 {
		return evidence.Reading{}, fmt.Errorf("capture at %s: the socket lost %d packets, so the count would be wrong", s.Packets.Interface, drops)
	}
	lines, err := c.lines(*s.Packets)
	if err != nil {
		return evidence.Reading{}, fmt.Errorf("capture at %s: %w", s.Packets.Interface, err)
	}
	return evidence.Reading{
		Exists: len(lines) > 0,
		Count:  int64(len(lines)),
		Words:  lines,
		Text:   strings.Join(lines, "\n"),
	}, nil
}

// lines are the packets that were seen; for own packets, those of the probe's flow, which is known only after it.
func (c *capture) lines(q evidence.Packets) ([]string, error) {
	if q.Own && q.Local.Port() == 0 {
		return nil, errors.New("own packets are asked for, and the probe's port is not known")
	}
	if q.Own && q.Proto != "tcp" && q.Proto != "udp" {
		return nil, errors.New("own packets are asked for, and the probe's protocol is not known")
	}
	// The protocol of the probe may be narrower than the one that the capture began with.
	own, err := newFilter(q)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, p := range c.seen {
		if !q.Own || own.match(p) && p.ports && (isSource(q.Local, p.from) || isSource(q.Local, p.to)) {
			lines = append(lines, p.String())
		}
	}
	return lines, nil
}

func (c *capture) close() error {
	if c.socket == nil {
		return nil
	}
	err := c.socket.Close()
	<-c.ended
	return err
}

// collect takes packets from the socket until the deadline.
func (c *capture) collect() error {
	raw, err := c.socket.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	err = raw.Read(func(fd uintptr) bool {
		inner = c.drain(int(fd))
		return !errors.Is(inner, unix.EAGAIN) // wait for more
	})
	return errors.Join(err, dropAgain(inner))
}

// dropAgain leaves out the error that says that the queue is empty.
func dropAgain(err error) error {
	if errors.Is(err, unix.EAGAIN) {
		return nil
	}
	return err
}

// drain takes packets from the queue until it is empty, which is EAGAIN.
func (c *capture) drain(fd int) error {
	var buf [snapLength]byte
	oob := make([]byte, oobLength)
	for {
		n, oobn, _, from, err := unix.Recvmsg(fd, buf[:], oob, unix.MSG_DONTWAIT)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return os.NewSyscallError("recvmsg", err)
		}
		at, ok := from.(*unix.SockaddrLinklayer)
		if !ok {
			continue
		}
		p, ok := parseCaptured(buf[:n], at)
		if tag := tagOf(oob[:oobn]); tag != 0 {
			p.vlan = tag
		}
		if ok && c.filter.match(p) {
			c.seen = append(c.seen, p)
		}
	}
}

// oobLength holds the one control message that a packet comes with.
var oobLength = unix.CmsgSpace(auxdataLength)

// The kernel's struct tpacket_auxdata, in include/uapi/linux/if_packet.h.
const (
	auxdataLength = 20
	auxdataTCI    = 16 // tp_vlan_tci, valid with TP_STATUS_VLAN_VALID in tp_status, which comes first
)

// tagOf is the VLAN of the tag that the kernel keeps beside a frame instead of in it; 0 without one.
func tagOf(oob []byte) int {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return 0 // no whole message, so no tag that was given
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_PACKET || m.Header.Type != unix.PACKET_AUXDATA || len(m.Data) < auxdataLength {
			continue
		}
		if binary.NativeEndian.Uint32(m.Data)&unix.TP_STATUS_VLAN_VALID != 0 {
			return vlanOf(binary.NativeEndian.Uint16(m.Data[auxdataTCI:]))
		}
	}
	return 0
}

// parseCaptured parses a packet as it came from the socket, without the tag that came beside it.
func parseCaptured(b []byte, at *unix.SockaddrLinklayer) (packet, bool) {
	switch at.Hatype {
	case unix.ARPHRD_LOOPBACK:
		if at.Pkttype == unix.PACKET_OUTGOING {
			return packet{}, false // it comes back in a moment
		}
		return parseFrame(b)
	case unix.ARPHRD_ETHER:
		return parseFrame(b)
	}
	// Tunnels (ipip, sit, gre, tun) have no link header that is worth reading.
	return parseIP(b)
}

func openPacketSocket(ifindex int) (*os.File, error) {
	// Protocol 0 receives nothing until the bind chooses the interface.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	// More than net.core.rmem_max takes rights that a sandbox has not; there the goroutine has to keep up.
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer))
	}
	if err == nil {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1))
	}
	if err == nil {
		all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in network byte order
		err = os.NewSyscallError("bind", unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all, Ifindex: ifindex}))
	}
	if err != nil {
		return nil, errors.Join(err, syscall.Close(fd))
	}
	return os.NewFile(uintptr(fd), "packet socket"), nil
}

// droppedPackets is how many packets found no room in the socket's queue.
func droppedPackets(fd int) (uint32, error) {
	stats, err := unix.GetsockoptTpacketStats(fd, unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0, os.NewSyscallError("getsockopt", err)
	}
	return stats.Drops, nil
}

func interfaceByName(name string) (*net.Interface, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, i := range all {
		if i.Name == name {
			return &i, nil
		}
		names = append(names, i.Name)
	}
	return nil, fmt.Errorf("there is no interface %s; there is %s", name, strings.Join(names, " "))
}
