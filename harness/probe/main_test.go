package probe

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inside is Args[0] of the test binary's second self, which runs in user and network namespaces of its own: real
// drops, routes and MTUs without root and without a trace on the machine.
const inside = "probe-test-in-namespaces"

// noNamespace says why the tests that need namespaces cannot run; empty when they can.
var noNamespace = "the test binary was not started through TestMain"

func TestMain(m *testing.M) {
	if os.Args[0] == inside {
		if noNamespace = missing(); noNamespace == "" {
			setUp()
		} else {
			fmt.Fprintln(os.Stderr, "most tests are SKIPPED:", noNamespace)
		}
		os.Exit(m.Run())
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = inside
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER,
		// Unshared, because that is after the mappings: files such as /proc/net/ip_tables_names belong to whoever is
		// root of the namespace at the moment when it is made.
		Unshareflags: syscall.CLONE_NEWNET,
		UidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:    syscall.SIGKILL,
	}
	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case err == nil:
		os.Exit(0)
	case errors.As(err, &exit):
		os.Exit(exit.ExitCode())
	default:
		noNamespace = fmt.Sprintf("no user and network namespaces here: %v", err)
		fmt.Fprintln(os.Stderr, "probe tests run WITHOUT most outcomes:", noNamespace)
		os.Exit(m.Run())
	}
}

// missing says what of the tools and the rights that the tests need is not here.
func missing() string {
	for _, tool := range []string{"ip", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			return err.Error()
		}
	}
	// AppArmor lets the namespaces be made and takes the rights over them away.
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Sprintf("no rights over namespaces of one's own: %s", strings.TrimSpace(string(out)))
	}
	return ""
}

// setUp brings the empty namespace to life.
func setUp() {
	const script = `
		ip link add v0 type veth peer name v1
		ip addr add 192.0.2.1/24 dev v0
		ip link set v0 mtu 1400 up
		ip link set v1 up
		ip route add unreachable 198.51.100.1
		ip route add prohibit 198.51.100.2
		ip route add blackhole 198.51.100.3
		nft -f - <<-END
			table inet t {
				chain in {
					type filter hook input priority filter; policy accept
					tcp dport 1001 drop
					udp dport 1001 drop
					tcp dport 1002 reject with icmpx host-unreachable
					tcp dport 1003 ct state established drop
				}
				chain out {
					type filter hook output priority filter; policy accept
					udp dport 1004 drop
				}
			}
		END`
	out, err := exec.Command("sh", "-e", "-c", script).CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "set up the namespace: %v: %s\n", err, out)
		os.Exit(1)
	}
}

func needNamespace(t *testing.T) {
	t.Helper()
	if noNamespace != "" {
		t.Skip("SKIPPED: " + noNamespace)
	}
}
