package plan

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// APIAddress is where each kube-proxy finds the API inside its own node.
const APIAddress = "127.0.0.1:16443"

func (s Serve) step() []string {
	args := inNamespace(s.Node, "faultline", "serve", s.Node)
	args = opt(args, "--tcp", portList(s.TCP))
	return one(opt(args, "--udp", portList(s.UDP)))
}

func portList(ports []uint16) string {
	out := make([]string, len(ports))
	for i, p := range ports {
		out[i] = strconv.Itoa(int(p))
	}
	return strings.Join(out, ",")
}

func (s StartProcess) step() []string { return one(inNamespace(s.Node, s.Cmd...)) }

func (s ServeAPI) step() []string {
	out := []string{"# the API on " + APIAddress + " of each node that runs kube-proxy"}
	for _, n := range s.Nodes {
		out = append(out, fmt.Sprintf("# node %s %s", n.Name, joinAddrs(n.Addresses)))
	}
	for _, service := range s.Services {
		out = append(out, service.comment())
	}
	return out
}

func (s SetService) step() []string { return []string{s.Service.comment()} }

// comment says what the Service is on one line: no shell command makes one here.
func (s Service) comment() string {
	ports := make([]string, len(s.Ports))
	for i, p := range s.Ports {
		ports[i] = fmt.Sprintf("%d->%d/%s", p.Port, p.TargetPort, p.Protocol)
		if p.NodePort != 0 {
			ports[i] = fmt.Sprintf("%d:%s", p.NodePort, ports[i])
		}
	}
	text := strings.TrimSpace(fmt.Sprintf("# service %s %s %s", s.Name, s.ClusterIP, strings.Join(ports, ", ")))
	if len(s.Backends) == 0 {
		return text + " without backends"
	}
	backends := make([]string, len(s.Backends))
	for i, b := range s.Backends {
		backends[i] = fmt.Sprintf("%s %s", b.Name, b.Address)
	}
	return text + " to " + strings.Join(backends, ", ")
}

func joinAddrs(addrs []netip.Addr) string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = a.String()
	}
	return strings.Join(out, ", ")
}

func (s StartKubeProxy) step() []string {
	args := inNamespace(s.Node, "kube-proxy-"+s.Version, "--master=http://"+APIAddress, "--hostname-override="+strings.ToLower(s.Node), "--proxy-mode="+s.Mode)
	if s.ClusterCIDR != "" {
		args = append(args, "--cluster-cidr="+s.ClusterCIDR)
	}
	return one(append(args, s.Flags...))
}
