// Package feature finds out what a kernel and its tools can do, by trying it.
//
// In: a plan.Need and a Place, a scratch namespace that is thrown away afterwards. Out: yes, no with what is missing and
// what to do about it, or could not tell. It never concludes from a kernel's version or configuration what it can try,
// and takes an error that it does not know for "could not tell".
package feature

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// Place is a scratch namespace.
type Place interface {
	// Node runs commands in the namespace.
	lab.Node
	// Handle returns a handle for netlink families in the namespace; the caller closes it.
	Handle(families ...int) (*netlink.Handle, error)
	// Do calls f on a thread that is in the namespace.
	Do(f func() error) error
}

// no is the error of a probe that found that something is missing.
type no struct{ lab.Missing }

func (n *no) Error() string { return n.What + " is missing" }

// Missing returns what an error of Probe says is missing, if it says so: any other error means that the probe could not
// tell.
func Missing(err error) (lab.Missing, bool) {
	var n *no
	if errors.As(err, &n) {
		return n.Missing, true
	}
	return lab.Missing{}, false
}

// kernelLacks is the error for something that the kernel does not have.
func kernelLacks(what, why string) error {
	return &no{lab.Missing{What: fmt.Sprintf("%s in the kernel (%s)", what, why), Do: "run with --runtime vm"}}
}

// module is kernelLacks for what a module of that name may bring.
func module(what, name, why string) error {
	return &no{lab.Missing{
		What: fmt.Sprintf("%s in the kernel (%s)", what, why),
		Do:   fmt.Sprintf("`sudo modprobe %s` if this kernel has the module, or run with --runtime vm", name),
	}}
}

// Probe tries what need asks for. The error is nil for yes; Missing tells no from could not tell.
func Probe(ctx context.Context, p Place, need plan.Need) error {
	try, ok := probes[need]
	if !ok {
		return fmt.Errorf("probe %s: no such need", need)
	}
	err := try(ctx, p)
	if _, missing := Missing(err); err != nil && !missing {
		return fmt.Errorf("probe %s: %w", need, err)
	}
	return err
}

var probes = map[plan.Need]func(context.Context, Place) error{
	plan.NeedVLAN: link("VLAN sub-interfaces (8021q)", "8021q", func(parent int) netlink.Link {
		return &netlink.Vlan{LinkAttrs: attrs("probe", parent), VlanId: 7, VlanProtocol: netlink.VLAN_PROTOCOL_8021Q}
	}),
	plan.NeedMacvlan: link("macvlan", "macvlan", func(parent int) netlink.Link {
		return &netlink.Macvlan{LinkAttrs: attrs("probe", parent), Mode: netlink.MACVLAN_MODE_BRIDGE}
	}),
	plan.NeedDummy: link("dummy interfaces", "dummy", func(int) netlink.Link {
		return &netlink.Dummy{LinkAttrs: attrs("probe", 0)}
	}),
	plan.NeedVXLAN: link("vxlan", "vxlan", func(int) netlink.Link {
		return &netlink.Vxlan{LinkAttrs: attrs("probe", 0), VxlanId: 7, Port: 4789}
	}),
	plan.NeedIPIP: link("IPv4-in-IPv4 tunnels (ipip)", "ipip", func(int) netlink.Link {
		return &netlink.Iptun{LinkAttrs: attrs("probe", 0), Local: net.IPv4(192, 0, 2, 1), Remote: net.IPv4(192, 0, 2, 2)}
	}),
	plan.NeedBridgeVLAN:      bridgeVLAN,
	plan.NeedBridgeNetfilter: bridgeNetfilter,
	plan.NeedESP:             esp(false),
	plan.NeedESPInUDP:        esp(true),
	plan.NeedIPv6:            ipv6,
	plan.NeedConntrack:       conntrack,
	plan.NeedIPVS:            ipvs,
	plan.NeedNft:             nft,
	plan.NeedIptables:        iptables("iptables", "iptables-restore", "ip6tables-restore"),
	plan.NeedIptablesLegacy:  iptables("legacy iptables", "iptables-legacy-restore", "ip6tables-legacy-restore"),
	plan.NeedKubeProxyNft:    kubeProxyNft,
}

// Capabilities tells whether this process may build networks at all. Making a user namespace proves nothing: Ubuntu from
// 23.10 lets everybody make one and then takes all capabilities in it away, so this makes a link.
func Capabilities(p Place) error {
	h, err := p.Handle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("probe capabilities: %w", err)
	}
	defer h.Close()
	err = h.LinkAdd(veth())
	if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
		return &no{lab.Missing{What: "the right to make links in a namespace of one's own: " + err.Error(), Do: UserNamespaces}}
	}
	if err != nil {
		return fmt.Errorf("probe capabilities: add veth: %w", err)
	}
	return nil
}

// UserNamespaces is what to do where user namespaces can be made but give no capabilities.
const UserNamespaces = "on Ubuntu 23.10 and later AppArmor lets unshare succeed and then takes the capabilities away: " +
	"`sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0`; or run as root, or run with --runtime vm"

// packages are those of Debian and Ubuntu that have a tool.
var packages = map[string]string{"nft": "nftables", "ip": "iproute2", "bridge": "iproute2", "ipset": "ipset", "conntrack": "conntrack"}

// Install is the command that brings a tool.
func Install(tool string) string {
	name, ok := packages[tool]
	if !ok && (strings.HasPrefix(tool, "iptables") || strings.HasPrefix(tool, "ip6tables")) {
		name, ok = "iptables", true
	}
	if !ok {
		return "install " + tool
	}
	return "`sudo apt-get install " + name + "`"
}

// run gives input to a tool. A tool that is not there, and one that says anything but that it was not allowed to or
// had no resources, is a no.
func run(ctx context.Context, p Place, what, input string, args ...string) error {
	_, err := lab.RunInput(ctx, p, input, args...)
	if errors.Is(err, exec.ErrNotFound) {
		return &no{lab.Missing{What: "the tool " + args[0] + " (" + what + ")", Do: Install(args[0])}}
	}
	var exit *lab.ExitError
	if !errors.As(err, &exit) || exit.Code < 0 {
		return err
	}
	for _, unclear := range []string{"Permission denied", "Operation not permitted", "Resource temporarily unavailable", "Cannot allocate memory"} {
		if strings.Contains(exit.Stderr, unclear) {
			return err
		}
	}
	first, _, _ := strings.Cut(strings.TrimSpace(exit.Stderr), "\n")
	return kernelLacks(what, first)
}
