package plan

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// inNode starts a command of the ip or bridge tool that works on node.
func inNode(tool, node string, args ...string) []string {
	return append([]string{tool, "-n", node}, args...)
}

// inNamespace starts a command that runs in node.
func inNamespace(node string, args ...string) []string {
	return append([]string{"ip", "netns", "exec", node}, args...)
}

// one is a step of a single command.
func one(args []string) []string { return []string{Shell(args...)} }

// line joins the commands of a step into one that stops at the first failure. Comments end with their line.
func line(commands []string) string {
	if strings.HasPrefix(commands[0], "#") {
		return strings.Join(commands, "\n")
	}
	return strings.Join(commands, " && ")
}

// opt adds the named argument if value is not zero.
func opt[T comparable](args []string, name string, value T) []string {
	var zero T
	if value == zero {
		return args
	}
	return append(args, name, fmt.Sprint(value))
}

// word adds the bare word if it is on.
func word(args []string, w string, on bool) []string {
	if on {
		return append(args, w)
	}
	return args
}

func (s AddNode) step() []string {
	return []string{
		Shell("ip", "netns", "add", s.Node),
		Shell(inNode("ip", s.Node, "link", "set", "dev", "lo", "up")...),
	}
}

func (s AddVeth) step() []string {
	// Asked in A's namespace: before Linux 6.15 a name that the caller's own namespace has is refused for another's too.
	args := opt(inNode("ip", s.A.Node, "link", "add", "name", s.A.Interface), "mtu", s.MTU)
	args = append(args, "type", "veth", "peer", "name", s.B.Interface, "netns", s.B.Node)
	return one(opt(args, "mtu", s.MTU))
}

func (s AddBridge) step() []string {
	args := inNode("ip", s.Node, "link", "add", "name", s.Interface, "type", "bridge", "forward_delay", "0", "stp_state", "0")
	if s.VLANFiltering {
		args = append(args, "vlan_filtering", "1")
	}
	return one(args)
}

func (s AddVLAN) step() []string {
	return one(inNode("ip", s.Node, "link", "add", "link", s.Parent, "name", s.Interface, "type", "vlan", "id", strconv.Itoa(s.ID)))
}

// Passing is the name of a macvlan on its way to another node. Before Linux 6.15 its name is looked for beside its parent
// first, where it may be taken: host and pod both call theirs eth0.
const Passing = "passing"

func (s AddMacvlan) step() []string {
	name := s.Interface
	if s.Parent.Node != s.Node {
		name = Passing
	}
	args := inNode("ip", s.Parent.Node, "link", "add", "link", s.Parent.Interface, "name", name)
	if s.Parent.Node == s.Node {
		return one(append(args, "type", "macvlan", "mode", s.Mode))
	}
	return []string{
		Shell(append(args, "netns", s.Node, "type", "macvlan", "mode", s.Mode)...),
		Shell(inNode("ip", s.Node, "link", "set", "dev", Passing, "name", s.Interface)...),
	}
}

func (s AddDummy) step() []string {
	return one(inNode("ip", s.Node, "link", "add", "name", s.Interface, "type", "dummy"))
}

func (s AddVXLAN) step() []string {
	args := inNode("ip", s.Node, "link", "add", "name", s.Interface, "type", "vxlan", "id", strconv.Itoa(s.ID))
	args = opt(args, "local", s.Local)
	remote := "remote"
	if s.Remote.IsMulticast() {
		remote = "group"
	}
	args = opt(args, remote, s.Remote)
	args = opt(args, "dev", s.Parent)
	return one(opt(args, "dstport", s.Port))
}

func (s AddIPIP) step() []string {
	args := inNode("ip", s.Node, "link", "add", "name", s.Interface, "type", "ipip")
	args = opt(args, "local", s.Local)
	return one(opt(args, "remote", s.Remote))
}

func (s SetMTU) step() []string {
	return one(inNode("ip", s.Node, "link", "set", "dev", s.Interface, "mtu", strconv.Itoa(s.MTU)))
}

func (s SetMAC) step() []string {
	return one(inNode("ip", s.Node, "link", "set", "dev", s.Interface, "address", s.MAC))
}

func (s SetMaster) step() []string {
	return one(inNode("ip", s.Node, "link", "set", "dev", s.Interface, "master", s.Master))
}

func (s SetHairpin) step() []string {
	on := "off"
	if s.On {
		on = "on"
	}
	return one(inNode("bridge", s.Node, "link", "set", "dev", s.Interface, "hairpin", on))
}

func (s AddBridgeVLAN) step() []string {
	args := inNode("bridge", s.Node, "vlan", "add", "dev", s.Interface, "vid", strconv.Itoa(s.VID))
	args = word(args, "pvid", s.PVID)
	args = word(args, "untagged", s.Untagged)
	return one(word(args, "self", s.Self))
}

func (s DelBridgeVLAN) step() []string {
	args := inNode("bridge", s.Node, "vlan", "del", "dev", s.Interface, "vid", strconv.Itoa(s.VID))
	return one(word(args, "self", s.Self))
}

func (s SetUp) step() []string {
	return one(inNode("ip", s.Node, "link", "set", "dev", s.Interface, "up"))
}

func (s AddAddress) step() []string {
	args := inNode("ip", s.Node, "address", "add", s.Address.String(), "dev", s.Interface)
	if s.Address.Addr().Is6() {
		return one(append(args, "nodad"))
	}
	if s.Address.Bits() <= 30 {
		args = append(args, "brd", "+")
	}
	return one(args)
}

func (s SetSysctl) step() []string {
	return one(inNamespace(s.Node, "sysctl", "-qw", s.Name+"="+s.Value))
}

func (s AddRoute) step() []string {
	args := inNode("ip", s.Node)
	args = word(args, "-6", s.To.Addr().Is6())
	args = append(args, "route", "add")
	args = word(args, s.Type, s.Type != "")
	to := s.To.String()
	if s.To.Bits() == 0 {
		to = "default"
	}
	args = append(args, to)
	switch {
	case !s.Via.IsValid():
	case s.Via.Is6() && s.To.Addr().Is4():
		args = append(args, "via", "inet6", s.Via.String()) // RFC 8950; ip takes the family of the destination otherwise
	default:
		args = append(args, "via", s.Via.String())
	}
	args = opt(args, "dev", s.Dev)
	args = opt(args, "src", s.Src)
	args = opt(args, "table", s.Table)
	args = opt(args, "metric", s.Metric)
	return one(word(args, "onlink", s.OnLink))
}

func (s AddRule) step() []string {
	args := inNode("ip", s.Node)
	args = word(args, "-6", s.IPv6)
	args = append(args, "rule", "add", "priority", strconv.Itoa(s.Priority), "from", orAll(s.From))
	args = opt(args, "to", s.To)
	args = opt(args, "iif", s.IIF)
	args = opt(args, "oif", s.OIF)
	switch {
	case s.Mask != 0:
		args = append(args, "fwmark", fmt.Sprintf("%#x/%#x", s.Mark, s.Mask))
	case s.Mark != 0:
		args = append(args, "fwmark", fmt.Sprintf("%#x", s.Mark))
	}
	return one(append(args, "table", strconv.Itoa(s.Table)))
}

func orAll(p netip.Prefix) string {
	if p.IsValid() {
		return p.String()
	}
	return "all"
}

func (s AddNeighbour) step() []string {
	if s.Proxy {
		return one(inNode("ip", s.Node, "neighbour", "add", "proxy", s.Address.String(), "dev", s.Interface))
	}
	return one(inNode("ip", s.Node, "neighbour", "add", s.Address.String(), "lladdr", s.MAC, "dev", s.Interface, "nud", "permanent"))
}

func (s AddXfrmState) step() []string {
	args := inNode("ip", s.Node, "xfrm", "state", "add", "src", s.Src.String(), "dst", s.Dst.String(),
		"proto", "esp", "spi", fmt.Sprintf("0x%08x", s.SPI), "reqid", strconv.Itoa(s.ReqID), "mode", "tunnel",
		"aead", "rfc4106(gcm(aes))", "0x"+s.Key, "128")
	if s.UDPEncap {
		args = append(args, "encap", "espinudp", "4500", "4500", "0.0.0.0")
	}
	return one(args)
}

// espSocket says, as a comment, what the kernel wants beside the states before it takes ESP in UDP packets: a socket on
// the port with UDP_ENCAP (100) set to UDP_ENCAP_ESPINUDP (2), see udp(7). An IKE daemon holds it; no tool of iproute2 does.
func espSocket(node string) string {
	hold := "import socket, signal; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); " +
		"s.setsockopt(17, 100, 2); s.bind((\"\", 4500)); signal.pause()"
	return "# " + Shell(inNamespace(node, "python3", "-c", hold)...) + " &  # or the kernel answers ESP in UDP with port unreachable"
}

func (s AddXfrmPolicy) step() []string {
	return one(inNode("ip", s.Node, "xfrm", "policy", "add", "src", s.Src.String(), "dst", s.Dst.String(), "dir", s.Dir,
		"tmpl", "src", s.TmplSrc.String(), "dst", s.TmplDst.String(), "proto", "esp", "reqid", strconv.Itoa(s.ReqID), "mode", "tunnel"))
}

func (s LoadRuleset) step() []string {
	args := []string{s.Tool, "-f", "-"}
	if s.Tool != "nft" {
		// --noflush: the rules are added to what the tables hold, kube-proxy's and those of an earlier text.
		args = []string{s.Tool + "-restore", "--noflush"}
	}
	return []string{hereDocument(Shell(inNamespace(s.Node, args...)...), s.Text)}
}

// hereDocument gives text to command on its standard input, byte for byte but for a newline at the end.
func hereDocument(command, text string) string {
	text = strings.TrimSuffix(text, "\n") + "\n"
	end := "EOF"
	for strings.Contains("\n"+text, "\n"+end+"\n") {
		end += "F"
	}
	return fmt.Sprintf("%s <<'%s'\n%s%s", command, end, text, end)
}
