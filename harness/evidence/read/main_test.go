package read

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/internal/testns"
)

func TestMain(m *testing.M) {
	os.Exit(testns.Run(m, []string{"nft", "sysctl", "iptables-nft"}, setUp))
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

// setUp brings the empty namespace to life. A SYN is sent again once, however late this process comes to give it up.
func setUp() error {
	const script = `
		ip link add v0 type veth peer name v1
		ip addr add 192.0.2.1/24 dev v0
		ip addr add 192.0.2.7/24 dev v0
		ip addr add 2001:db8::1/64 dev v0 nodad
		ip link set v0 up
		ip link set v1 up
		ip route add 10.96.0.0/12 via 192.0.2.9
		sysctl -eqw net.ipv4.tcp_syn_retries=1 net.ipv4.tcp_syn_linear_timeouts=0
		nft -f -`
	cmd := exec.Command("sh", "-e", "-c", script)
	cmd.Stdin = strings.NewReader(ruleset)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// run runs a command in the namespace.
func run(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}
