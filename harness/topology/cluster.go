package topology

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/semver"
)

// kubeProxy checks settings of kube-proxy. What a node inherits is checked where it stands.
func (c *checker) kubeProxy(at string, k *KubeProxy) {
	if c.Has(at + ".mode") {
		c.enum(at+".mode", "mode of kube-proxy", k.Mode, proxyModes)
	}
	if c.Has(at+".version") && !isVersion(k.Version) {
		c.Errorf(at+".version", `write it in full: "`+DefaultKubeProxy+`"`, "%q is not a version of kube-proxy", k.Version)
	} else if k.Mode == "nftables" && isVersion(k.Version) && semver.Compare(k.Version, "v1.31.0") < 0 {
		c.Errorf(at+".mode", "take v1.31.0 or later, in v1.29 and v1.30 it is behind a feature gate", "kube-proxy %s has no nftables mode", k.Version)
	}
	cluster := c.cidrs(at+".clusterCIDR", k.ClusterCIDR)
	service := c.cidrs(at+".serviceCIDR", k.ServiceCIDR)
	for _, s := range service {
		for _, p := range cluster {
			if s.Overlaps(p) && (c.Has(at+".serviceCIDR") || c.Has(at+".clusterCIDR")) {
				c.Errorf(at+".serviceCIDR", "", "serviceCIDR %s overlaps clusterCIDR %s", s, p)
			}
		}
	}
	for i, f := range k.Flags {
		path := fmt.Sprintf("%s.flags[%d]", at, i)
		name, _, _ := strings.Cut(f, "=")
		switch {
		case !c.Has(path): // the topology's, reported there
		case !strings.HasPrefix(f, "--"):
			c.Errorf(path, "write --NAME=VALUE", "%q is not a flag of kube-proxy", f)
		case name == "--proxy-mode":
			c.Errorf(path, "write mode: in its place", "%s is set from the mode", name)
		case name == "--cluster-cidr":
			c.Errorf(path, "write clusterCIDR: in its place", "%s is set from the clusterCIDR", name)
		case slices.Contains([]string{"--master", "--kubeconfig", "--config", "--hostname-override"}, name):
			c.Errorf(path, "take it out", "%s is what ties kube-proxy to the lab", name)
		}
	}
}

// isVersion says whether s is a full version, v1.36.3 or v1.37.0-rc.1.
func isVersion(s string) bool {
	return semver.IsValid(s) && semver.Canonical(s) == s && strings.HasPrefix(s, "v1.")
}

// cidrs reads a prefix, or two of different families separated by a comma.
func (c *checker) cidrs(path, text string) []netip.Prefix {
	if text == "" {
		return nil
	}
	var list []netip.Prefix
	report := c.Has(path)
	for part := range strings.SplitSeq(text, ",") {
		p, err := netip.ParsePrefix(strings.TrimSpace(part))
		switch {
		case err != nil && report:
			c.Errorf(path, "write a prefix, or an IPv4 and an IPv6 one with a comma between them", "%q is not a prefix", part)
			return nil
		case err != nil:
			return nil
		case report:
			c.network(path, p)
		}
		list = append(list, p)
	}
	if report && (len(list) > 2 || len(list) == 2 && list[0].Addr().Is4() == list[1].Addr().Is4()) {
		c.Errorf(path, "", "%q must be one prefix, or one of each family", text)
	}
	return list
}

func (c *checker) services() {
	names, ips, nodePorts := map[string]string{}, map[string]string{}, map[string]string{}
	for i := range c.t.Services {
		s := &c.t.Services[i]
		at := fmt.Sprintf("services[%d]", i)
		c.name(at+".name", "service", s.Name)
		c.once(at+".name", names, s.Name, "service %q stands here twice", s.Name)
		if x := c.nodes[s.Name]; x != nil && s.Name != "" {
			c.Errorf(at+".name", "probes go by name: give one of them another", "there is a node %q already", s.Name)
		}
		c.enum(at+".type", "type", s.Type, serviceTypes)
		c.clusterIP(at+".clusterIP", s, ips)
		c.servicePorts(at, s, nodePorts)
		c.backends(at, s)
	}
	proxies := slices.ContainsFunc(c.t.Nodes, func(n Node) bool { return n.KubeProxy != nil })
	if len(c.t.Services) > 0 && !proxies && !c.Broken("nodes") {
		c.KeyErrorf("services", "give a host kubeProxy: {}", "there are Services, but no node runs kube-proxy")
	}
}

func (c *checker) clusterIP(path string, s *Service, seen map[string]string) {
	ip := s.ClusterIP
	if !ip.IsValid() {
		c.missing(path)
		return
	}
	c.once(path, seen, ip.String(), "cluster IP %s stands here twice", ip)
	if owner, taken := c.owner[ip]; taken {
		c.Errorf(path, c.firstIs(owner), "cluster IP %s is the address of an interface", ip)
	}
	ranges := []string{c.t.KubeProxy.ServiceCIDR}
	for _, n := range c.t.Nodes {
		if n.KubeProxy != nil {
			ranges = append(ranges, n.KubeProxy.ServiceCIDR)
		}
	}
	slices.Sort(ranges)
	for _, r := range slices.Compact(ranges) {
		if r == "" {
			continue
		}
		inside := false
		for part := range strings.SplitSeq(r, ",") {
			p, err := netip.ParsePrefix(strings.TrimSpace(part))
			inside = inside || err != nil || p.Contains(ip)
		}
		if !inside {
			c.Errorf(path, "", "cluster IP %s is outside of serviceCIDR %s", ip, r)
		}
	}
}

func (c *checker) servicePorts(at string, s *Service, nodePorts map[string]string) {
	if len(s.Ports) == 0 {
		c.Errorf(at+".ports", "write ports: [{port: 80}]", "the Service has no ports")
	}
	names, numbers := map[string]string{}, map[string]string{}
	for i, p := range s.Ports {
		path := fmt.Sprintf("%s.ports[%d]", at, i)
		c.port(path+".port", p.Port)
		if c.Has(path + ".targetPort") {
			c.port(path+".targetPort", p.TargetPort)
		}
		c.enum(path+".protocol", "protocol", p.Protocol, protocols)
		if p.Port != 0 {
			c.once(path+".port", numbers, fmt.Sprint(p.Protocol, p.Port), "%s port %d stands here twice", p.Protocol, p.Port)
		}
		c.once(path+".name", names, p.Name, "port name %q stands here twice", p.Name)
		_, number := strconv.Atoi(p.Name)
		switch {
		case p.Name == "" && len(s.Ports) > 1:
			c.Errorf(path+".name", "Kubernetes wants it where a Service has several ports", "name is missing")
		case p.Name != "" && (len(p.Name) > 63 || !nameSyntax.MatchString(p.Name) || number == nil):
			c.Errorf(path+".name", "use lower-case letters, digits and dashes", "%q is not a name for a port", p.Name)
		}
		switch {
		case s.Type != "NodePort" && p.NodePort != 0:
			c.Errorf(path+".nodePort", "give the Service type: NodePort", "service %q is not of type NodePort", s.Name)
		case s.Type == "NodePort":
			c.within(path+".nodePort", "nodePort", int(p.NodePort), 30000, 32767)
			c.once(path+".nodePort", nodePorts, fmt.Sprint(p.Protocol, p.NodePort), "nodePort %d stands here twice", p.NodePort)
		}
	}
}

func (c *checker) backends(at string, s *Service) {
	if len(s.Backends) == 0 {
		c.Errorf(at+".backends", "name the nodes that answer: backends: [pod-a]", "the Service has no backends")
	}
	seen := map[string]string{}
	for i, b := range s.Backends {
		path := fmt.Sprintf("%s.backends[%d]", at, i)
		x := c.nodes[b.Node]
		if x == nil || b.Node == "" {
			if b.Node == "" || c.Has(path+".node") {
				path += ".node"
			}
			c.unknown(path, "node", b.Node, c.t.names(false))
			continue
		}
		c.once(path, seen, fmt.Sprint(b), "backend %q stands here twice", b.Node)
		c.backendAddress(path, s, b, x)
		c.backendServes(path, s, x)
	}
}

func (c *checker) backendAddress(path string, s *Service, b Backend, x *nodeIndex) {
	switch {
	case b.Address.IsValid():
		c.own(x, path+".address", b.Address)
		if s.ClusterIP.IsValid() && b.Address.Is4() != s.ClusterIP.Is4() {
			c.Errorf(path+".address", "", "%s is %s, but the cluster IP is %s", b.Address, family(b.Address), family(s.ClusterIP))
		}
	case s.ClusterIP.IsValid() && !x.brokenNets:
		of := func(a netip.Addr) bool { return a.Is4() == s.ClusterIP.Is4() && !a.IsLoopback() }
		if !slices.ContainsFunc(x.addresses(), of) {
			c.Errorf(path, "", "backend %q has no %s address", b.Node, family(s.ClusterIP))
		}
	}
}

// backendServes checks that something listens on each target port. What a process of the user's listens on is not known.
func (c *checker) backendServes(path string, s *Service, x *nodeIndex) {
	if len(x.Processes) > 0 || c.Broken(x.path+".servers") {
		return
	}
	var missing []string
	for _, p := range s.Ports {
		listens := slices.ContainsFunc(x.Servers, func(v Server) bool {
			return slices.Contains(map[string][]uint16{"TCP": v.TCP, "UDP": v.UDP}[p.Protocol], p.TargetPort)
		})
		if !listens && p.TargetPort != 0 && (p.Protocol == "TCP" || p.Protocol == "UDP") {
			missing = append(missing, fmt.Sprintf("%s port %d", p.Protocol, p.TargetPort))
		}
	}
	if len(missing) > 0 {
		c.Errorf(path, "give node "+x.Name+" a server, or the Service's port another targetPort",
			"backend %q has no server on %s", x.Name, strings.Join(missing, ", "))
	}
}
