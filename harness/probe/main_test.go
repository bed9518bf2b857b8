package probe

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/faultline-lab/faultline/harness/internal/testns"
)

func TestMain(m *testing.M) { os.Exit(testns.Run(m, []string{"nft", "sysctl"}, setUp)) }

// setUp brings the empty namespace to life.
func setUp() error {
	const script = `
		ip link add v0 type veth peer name v1
		ip addr add 192.0.2.1/24 dev v0
		ip link set v0 mtu 1400 up
		ip link set v1 up
		ip route add unreachable 198.51.100.1
		ip route add prohibit 198.51.100.2
		ip route add blackhole 198.51.100.3
		sysctl -qw net.ipv4.tcp_mtu_probing=1 net.ipv4.tcp_retries1=2
		nft -f - <<-END
			table inet t {
				counter lost { }
				chain in {
					type filter hook input priority filter; policy accept
					tcp dport 1001 drop
					udp dport 1001 drop
					tcp dport 1002 reject with icmpx host-unreachable
					tcp dport 1003 ct state established drop
					tcp dport 1005 tcp flags psh limit rate 1/day burst 3 packets drop
					tcp dport 1006 tcp flags psh counter name lost drop
					tcp dport 1007 meta length > 1200 drop
				}
				chain out {
					type filter hook output priority filter; policy accept
					udp dport 1004 drop
				}
			}
		END`
	if out, err := exec.Command("sh", "-e", "-c", script).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
