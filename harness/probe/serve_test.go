package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/internal/testns"
)

// listenWithBacklog listens without Go's own idea of a backlog.
func listenWithBacklog(t *testing.T, port uint16, backlog int) net.Listener {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Port: int(port)}), unix.Listen(fd, backlog)); err != nil {
		t.Fatal(err)
	}
	l, err := net.FileListener(f)
	if err != nil {
		t.Fatal(err)
	}
	// Go listens again on the descriptor, with a backlog of its own.
	raw, err := l.(*net.TCPListener).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	if e := raw.Control(func(fd uintptr) { err = unix.Listen(int(fd), backlog) }); e != nil || err != nil {
		t.Fatal(e, err)
	}
	return l
}

func TestServeMainRefusesBadArguments(t *testing.T) {
	rows := map[string]struct {
		args string
		want string
	}{
		"no name":        {"", "serve: the first argument must be the server's name"},
		"flag for name":  {"--tcp 80", "serve: the first argument must be the server's name"},
		"no port":        {"web", "serve web: no port to listen on"},
		"port 0":         {"web --tcp 80,0", `serve: invalid value "80,0" for flag -tcp: "0" is not a port`},
		"port of a name": {"web --udp dns", `serve: invalid value "dns" for flag -udp: "dns" is not a port`},
		"stray word":     {"web --tcp 80 81", `serve: unexpected argument "81"`},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			err := ServeMain(strings.Fields(row.args), &out)
			if err == nil || err.Error() != row.want {
				t.Errorf("error %v, want %s", err, row.want)
			}
			if out.Len() > 0 {
				t.Errorf("said %q", out.String())
			}
		})
	}
}

func TestServeSaysReadyOnlyWhenAllListen(t *testing.T) {
	testns.Need(t)
	taken := listenWithBacklog(t, 3001, 1)
	defer taken.Close()
	var out strings.Builder
	err := ServeMain([]string{"web", "--tcp", "3000,3001"}, &out)
	if !errors.Is(err, unix.EADDRINUSE) || out.Len() > 0 {
		t.Errorf("error %v, said %q; want address in use and silence", err, out.String())
	}
	// Nothing of the attempt listens any more.
	o, err := Dial(context.Background(), Request{Proto: TCP, To: netip.MustParseAddrPort("127.0.0.1:3000")})
	if err != nil || o.Outcome != Refused {
		t.Errorf("%+v %v, want refused", o, err)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("nobody listens") }

func TestServeEndsWhenNobodyHearsReady(t *testing.T) {
	testns.Need(t)
	err := ServeMain([]string{"web", "--tcp", "3002", "--udp", "3002"}, brokenPipe{})
	if err == nil || err.Error() != "serve web: say ready: nobody listens" {
		t.Errorf("error %v", err)
	}
}

func TestServerSurvivesStrangers(t *testing.T) {
	testns.Need(t)
	serve(t, Server{Name: "web", TCP: []uint16{3003}, UDP: []uint16{3003}})
	for _, proto := range []string{TCP, UDP} {
		for _, text := range []string{"GET / HTTP/1.1\r\n\r\n", "faultline x -1\n", "faultline x 9\nshort", "\n", strings.Repeat("y", 5000)} {
			c, err := net.Dial(proto, "127.0.0.1:3003")
			if err != nil {
				t.Fatal(err)
			}
			c.Write([]byte(text))
			c.Close()
		}
		o, err := Dial(context.Background(), Request{Proto: proto, To: netip.MustParseAddrPort("127.0.0.1:3003")})
		if err != nil || o.Outcome != Delivered {
			t.Errorf("%s: %+v %v", proto, o, err)
		}
	}
}
