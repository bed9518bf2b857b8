package read

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inside is Args[0] of the test binary's second self, which runs in user and network namespaces of its own: a real
// kernel without root and without a trace on the machine.
const inside = "read-test-in-namespaces"

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
		fmt.Fprintln(os.Stderr, "evidence readers are tested WITHOUT a kernel:", noNamespace)
		os.Exit(m.Run())
	}
}

// The namespace is a Service on one machine: 10.96.0.10:80 is translated at both ends, 10.96.0.11:80 at the
// destination alone, 192.0.2.1:8081 at the source alone.
const ruleset = `
table ip lab {
	counter syns { }
	chain out {
		type nat hook output priority -100; policy accept;
		ip daddr { 10.96.0.10, 10.96.0.11 } tcp dport 80 counter dnat to 192.0.2.1:8080
		ip daddr 10.96.0.10 udp dport 53 counter dnat to 192.0.2.1:5353
	}
	chain post {
		type nat hook postrouting priority srcnat; policy accept;
		ct original ip daddr 10.96.0.10 counter snat to 192.0.2.7 comment "as the node"
		tcp dport 8081 counter snat to 192.0.2.7
	}
	chain in {
		type filter hook input priority filter; policy accept;
		tcp flags syn tcp dport 8080 counter name syns
		tcp dport 8082 counter drop
		udp dport 9999 drop
	}
}
table ip6 lab {
	chain out { # conntrack looks at a family only once a rule asks for it
		type filter hook output priority filter; policy accept;
		ct state invalid drop
	}
}`

// missing says what of the tools and the rights that the tests need is not here.
func missing() string {
	for _, tool := range []string{"ip", "nft", "sysctl", "iptables-nft"} {
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
		ip addr add 192.0.2.7/24 dev v0
		ip addr add 2001:db8::1/64 dev v0 nodad
		ip link set v0 up
		ip link set v1 up
		ip route add 10.96.0.0/12 via 192.0.2.9
		nft -f -`
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Stdin = strings.NewReader(ruleset)
	if out, err := cmd.CombinedOutput(); err != nil {
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

// run runs a command in the namespace.
func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}
