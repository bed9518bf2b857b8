package kind

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/topology"
)

// layout is what becomes of a plan: clusters, containers beside them, and the steps that are the same in every runtime.
type layout struct {
	name     string // for the names of clusters
	clusters []clusterPlan
	beside   []pod       // nodes that Kubernetes does not know
	all      []plan.Step // the plan's
	before   []plan.Step // wired before there are Pods
	after    []plan.Step // wired once they run, in the plan's order too
}

// clusterPlan is what one cluster is made from.
type clusterPlan struct {
	members   []string             // nodes of the plan; the first is the control plane
	proxy     *plan.StartKubeProxy // what all members share, without a node; nil without kube-proxy
	addresses []netip.Addr         // addresses of the members with kube-proxy, in their order
	pods      []pod
	services  []plan.Service
}

// pod is a node of the plan that is a Pod, or servers of a member, or a container beside the cluster.
type pod struct {
	name     string // of the Pod
	node     string // of the plan
	on       string // the member; empty beside the cluster
	host     bool   // in the network of the member
	address  netip.Addr
	network  *network // of a Pod with a network of its own
	tcp, udp []uint16
}

// hostServers is the name of the Pod that has a member's servers.
func hostServers(member string) string { return member + "-servers" }

// newLayout reads p. What Kubernetes, or this package, cannot have as p asks for it is in the list.
func newLayout(p *plan.Plan) (*layout, []lab.Missing) {
	b := &builder{layout: &layout{all: p.Steps}, nodes: map[string]*pod{}, member: map[string]bool{}}
	for _, s := range p.Steps {
		b.place(s)
	}
	b.group()
	for _, s := range p.Steps {
		b.take(s)
	}
	b.divide()
	b.collect()
	return b.layout, b.missing
}

// version is the release of Kubernetes that p asks for.
func version(p *plan.Plan) string {
	if all := p.KubeProxyVersions(); len(all) > 0 {
		return all[len(all)-1]
	}
	return topology.DefaultKubeProxy
}

type builder struct {
	layout  *layout
	order   []string        // of nodes
	nodes   map[string]*pod // all of them
	member  map[string]bool
	proxied []string // members with kube-proxy, in the plan's order
	wiring  []plan.Step
	missing []lab.Missing
}

func (b *builder) lacks(what, do string, args ...any) {
	b.missing = append(b.missing, lab.Missing{What: fmt.Sprintf(what, args...), Do: do})
}

// place finds the nodes and which of them are members.
func (b *builder) place(s plan.Step) {
	switch s := s.(type) {
	case plan.AddNode:
		b.order = append(b.order, s.Node)
		b.nodes[s.Node] = &pod{name: s.Node, node: s.Node, on: s.Host}
		if s.Host != "" {
			b.member[s.Host] = true
		}
	case plan.StartKubeProxy:
		b.member[s.Node] = true
		b.proxied = append(b.proxied, s.Node)
	}
}

// group makes a cluster of the members with kube-proxy, and one of each of the others.
func (b *builder) group() {
	var first clusterPlan
	for _, name := range b.order {
		if slices.Contains(b.proxied, name) {
			first.members = append(first.members, name)
		}
	}
	if len(first.members) > 0 {
		b.layout.clusters = append(b.layout.clusters, first)
	}
	for _, name := range b.order {
		if b.member[name] && !slices.Contains(b.proxied, name) {
			b.layout.clusters = append(b.layout.clusters, clusterPlan{members: []string{name}})
		}
	}
	if len(b.layout.clusters) == 0 {
		b.lacks("a node for Kubernetes: none has kube-proxy or pods", "run with --runtime netns")
	}
}

// take gives a step to Kubernetes, or to the wiring.
func (b *builder) take(s plan.Step) {
	switch s := s.(type) {
	case plan.Serve:
		n := b.nodes[s.Node]
		n.tcp, n.udp = append(n.tcp, s.TCP...), append(n.udp, s.UDP...)
	case plan.ServeAPI:
		b.services(s.Services)
	case plan.StartKubeProxy:
		b.proxy(s)
	case plan.AddAddress:
		n := b.nodes[s.Node]
		if a := s.Address.Addr(); !n.address.IsValid() && a.Is4() && !a.IsLoopback() {
			n.address = a
		}
		b.wiring = append(b.wiring, s)
	default:
		b.wiring = append(b.wiring, s)
	}
}

// services are all of the cluster with kube-proxy: the plan has one API.
func (b *builder) services(services []plan.Service) {
	b.layout.clusters[0].services = services
	for _, s := range services {
		if !s.ClusterIP.Is4() {
			b.lacks("IPv6 in a kind cluster (Service %s has %s)", "run with --runtime netns", s.Name, s.ClusterIP)
		}
	}
}

func (b *builder) proxy(s plan.StartKubeProxy) {
	c := &b.layout.clusters[0]
	c.addresses = append(c.addresses, s.Address)
	node := s.Node
	s.Node, s.Address = "", netip.Addr{}
	if c.proxy == nil {
		c.proxy = &s
		if _, err := proxyConfig(&s, nil); err != nil {
			b.lacks("%s", "take it out, or run with --runtime netns", err)
		}
		if s.ServiceCIDR == "" {
			b.lacks("kubeProxy.serviceCIDR in the topology (a cluster has one)", "give it, or run with --runtime netns")
		}
	} else if !reflect.DeepEqual(*c.proxy, s) {
		b.lacks("one kube-proxy configuration (node %s has another than node %s; the cluster's ConfigMap is for all)",
			"run with --runtime netns", node, c.members[0])
	}
}

// collect gives every node its place.
func (b *builder) collect() {
	for _, name := range b.order {
		n := *b.nodes[name]
		switch {
		case b.member[name]:
			if len(n.tcp)+len(n.udp) > 0 {
				n.name, n.on, n.host = hostServers(name), name, true
				b.add(n)
			}
		case b.member[n.on]:
			if !n.address.IsValid() {
				b.lacks("an IPv4 address of pod %s (kubelet runs no Pod without one)", "give it one, or run with --runtime netns", name)
			}
			b.add(n)
		default:
			b.layout.beside = append(b.layout.beside, n)
		}
	}
}

func (b *builder) add(p pod) {
	for i := range b.layout.clusters {
		if c := &b.layout.clusters[i]; slices.Contains(c.members, p.on) {
			c.pods = append(c.pods, p)
		}
	}
}

// uses tells whether one of the plan's addresses, or a destination of its routes, is in p.
func (l *layout) uses(p netip.Prefix) bool {
	for _, s := range l.all {
		switch s := s.(type) {
		case plan.AddAddress:
			if p.Overlaps(s.Address.Masked()) {
				return true
			}
		case plan.AddRoute:
			if s.To.Bits() > 0 && p.Overlaps(s.To) {
				return true
			}
		}
	}
	for _, c := range l.clusters {
		if c.proxy == nil {
			continue
		}
		for _, cidr := range []string{c.proxy.ClusterCIDR, c.proxy.ServiceCIDR} {
			if other, err := netip.ParsePrefix(cidr); err == nil && p.Overlaps(other) {
				return true
			}
		}
	}
	return false
}

// shape is what a cluster is made for and cannot change later.
type shape struct {
	Image         string `json:"image"`
	PodSubnet     string `json:"podSubnet"`
	ServiceSubnet string `json:"serviceSubnet"`
	Proxy         bool   `json:"proxy"`
	Members       string `json:"members"`
}

func (c *clusterPlan) shape(image string) shape {
	s := shape{Image: image, Members: strings.Join(c.members, " "), Proxy: c.proxy != nil}
	if c.proxy != nil {
		s.PodSubnet, s.ServiceSubnet = c.proxy.ClusterCIDR, c.proxy.ServiceCIDR
	}
	return s
}
