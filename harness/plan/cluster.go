package plan

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"github.com/faultline-lab/faultline/harness/topology"
)

// cluster starts the API and kube-proxy on each node that asks for it. Without such a node the Services are only names
// for scenarios.
func (c *compiler) cluster() error {
	var api ServeAPI
	var proxies []Step
	for i := range c.t.Nodes {
		n := &c.t.Nodes[i]
		if n.KubeProxy == nil {
			continue
		}
		member := ClusterNode{Name: n.Name}
		for _, ipv6 := range []bool{false, true} {
			if a := c.nodeAddress(n, ipv6); a.IsValid() {
				member.Addresses = append(member.Addresses, a)
			}
		}
		if len(member.Addresses) == 0 {
			return fmt.Errorf("node %s: kube-proxy needs an address of the node", n.Name)
		}
		api.Nodes = append(api.Nodes, member)
		proxies = append(proxies, kubeProxy(n.Name, member.Addresses[0], *n.KubeProxy, c.t.KubeProxy))
	}
	if len(proxies) == 0 {
		return nil
	}
	for i := range c.t.Services {
		s, err := c.service(&c.t.Services[i])
		if err != nil {
			return fmt.Errorf("service %s: %w", c.t.Services[i].Name, err)
		}
		api.Services = append(api.Services, s)
	}
	c.add(api)
	c.add(proxies...)
	return nil
}

func kubeProxy(node string, address netip.Addr, own, common topology.KubeProxy) StartKubeProxy {
	flags := own.Flags
	if len(flags) == 0 {
		flags = common.Flags
	}
	return StartKubeProxy{
		Node:        node,
		Address:     address,
		Version:     cmp.Or(own.Version, common.Version, topology.DefaultKubeProxy),
		Mode:        cmp.Or(own.Mode, common.Mode, "iptables"),
		ClusterCIDR: cmp.Or(own.ClusterCIDR, common.ClusterCIDR),
		ServiceCIDR: cmp.Or(own.ServiceCIDR, common.ServiceCIDR),
		Flags:       flags,
	}
}

func (c *compiler) service(s *topology.Service) (Service, error) {
	out := Service{Name: s.Name, ClusterIP: s.ClusterIP, NodePort: s.Type == "NodePort"}
	for _, p := range s.Ports {
		port := ServicePort{
			Name: p.Name, Port: p.Port, TargetPort: cmp.Or(p.TargetPort, p.Port), NodePort: p.NodePort, Protocol: cmp.Or(p.Protocol, "TCP"),
		}
		if port.Name == "" && len(s.Ports) > 1 { // Kubernetes asks for names when there are several
			port.Name = fmt.Sprintf("%s-%d", strings.ToLower(port.Protocol), port.Port)
		}
		out.Ports = append(out.Ports, port)
	}
	for _, b := range s.Backends {
		n := c.node(b.Node)
		if n == nil {
			return Service{}, fmt.Errorf("backend %s: no such node", b.Node)
		}
		backend := Backend{Name: n.Name, Address: b.Address, Node: c.clusterNode(n)}
		if !backend.Address.IsValid() {
			backend.Address = c.firstAddress(n, s.ClusterIP.Is6())
		}
		if !backend.Address.IsValid() {
			return Service{}, fmt.Errorf("backend %s: no address of the family of %s", b.Node, s.ClusterIP)
		}
		out.Backends = append(out.Backends, backend)
	}
	return out, nil
}

// clusterNode returns the name of the node with kube-proxy that n is or runs on, or "".
func (c *compiler) clusterNode(n *topology.Node) string {
	for _, name := range []string{n.Name, n.Host} {
		if host := c.node(name); host != nil && host.KubeProxy != nil {
			return host.Name
		}
	}
	return ""
}

// firstAddress returns the first address of n of the family, or the zero Addr.
func (c *compiler) firstAddress(n *topology.Node, ipv6 bool) netip.Addr {
	addresses, _ := c.t.Addresses(n.Name) // the error says that there are none
	for _, a := range addresses {
		if a.Is6() == ipv6 {
			return a
		}
	}
	return netip.Addr{}
}

// nodeAddress returns the address of a Kubernetes node as kubelet finds it: that of the subnet where the next hop of
// the default route lies. Without such a route it is the first one.
func (c *compiler) nodeAddress(n *topology.Node, ipv6 bool) netip.Addr {
	for _, r := range n.Routes {
		to, err := destination(&r)
		if err != nil || to.Bits() != 0 || to.Addr().Is6() != ipv6 || r.Table != 0 {
			continue
		}
		for _, i := range n.Interfaces {
			for _, p := range i.Addresses {
				if p.Contains(r.Via) && (r.Dev == "" || r.Dev == i.Name) {
					return p.Addr()
				}
			}
		}
	}
	return c.firstAddress(n, ipv6)
}
