package kind

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
	"github.com/faultline-lab/faultline/harness/plan"
)

// network is what the CNI plugin makes of a Pod's network when kubelet asks for it. All that is not in it is wired once
// the Pods run.
type network struct {
	Address netip.Addr `json:"address"` // for kubelet
	// Own is what faultline's plugin makes by itself in the Pod and on its host.
	Own plan.Plan `json:"own"`
	// Macvlans are made by the plugin macvlan.
	Macvlans []*macvlan `json:"macvlans,omitempty"`

	host string
}

// macvlan is an interface that the plugin macvlan makes.
type macvlan struct {
	Interface string        `json:"interface"`
	Config    macvlanConfig `json:"config"`
}

// macvlanConfig is the configuration of the plugin macvlan (https://www.cni.dev/plugins/current/main/macvlan).
type macvlanConfig struct {
	CNIVersion string `json:"cniVersion"`
	Name       string `json:"name"` // of the network
	Type       string `json:"type"`
	Master     string `json:"master"`
	Mode       string `json:"mode"`
	MTU        int    `json:"mtu,omitzero"`
	MAC        string `json:"mac,omitzero"`
	IPAM       *ipam  `json:"ipam,omitzero"` // nil: the interface has no address
}

// ipam is the configuration of the plugin static (https://www.cni.dev/plugins/current/ipam/static).
type ipam struct {
	Type      string        `json:"type"`
	Addresses []ipamAddress `json:"addresses"`
	Routes    []ipamRoute   `json:"routes,omitempty"`
}

type ipamAddress struct {
	Address netip.Prefix `json:"address"`
}

type ipamRoute struct {
	To  netip.Prefix `json:"dst"`
	Via netip.Addr   `json:"gw"`
}

// needsPlugins tells whether a Pod has an interface that another plugin makes.
func (l *layout) needsPlugins() bool {
	for _, c := range l.clusters {
		for _, p := range c.pods {
			if p.network != nil && len(p.network.Macvlans) > 0 {
				return true
			}
		}
	}
	return false
}

// plugins are the CNI plugins for the nodes, if lay needs any. A node image need not have them: kind's own has no macvlan.
func (r *Runtime) plugins(ctx context.Context, lay *layout) ([]archive.File, error) {
	if !lay.needsPlugins() {
		return nil, nil
	}
	if r.options.Plugins == nil {
		return nil, missing("CNI plugins for macvlan interfaces of Pods", "run with --runtime netns")
	}
	dir, err := r.options.Plugins(ctx)
	if err != nil {
		return nil, err
	}
	var files []archive.File
	for _, name := range []string{"macvlan", "static"} {
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("get the CNI plugins: %w", err)
		}
		files = append(files, archive.File{Name: filepath.Join(cniPlugins[1:], name), Mode: 0o755, Data: data})
	}
	return files, nil
}

// divide says which steps are wired before there are Pods, which ones the CNI plugin of a Pod carries out, and which ones
// are wired after that.
//
// The plugin makes what a CNI plugin can, which sees its Pod and the network of its host: the veth pairs between the two, as
// the plugin ptp would, and macvlans of interfaces that the host has by then. Before, there is what stands on a host without
// its Pods: the namespace, its sysctls and interfaces.
//
// The plugin ptp itself cannot make Calico's pairs: it refuses an address of 32 bits (it deletes the subnet's route, and there
// is none), gives the gateway's address to the host's end, where Calico has proxy ARP, and chooses that end's name.
func (b *builder) divide() {
	d := &division{networks: map[string]*network{}, macvlans: map[plan.End]*macvlan{}, veths: map[plan.End]*network{}, late: map[plan.End]bool{}}
	for name, n := range b.nodes {
		if !b.member[name] && b.member[n.on] {
			namespaces := []plan.Step{plan.AddNode{Node: name, Host: n.on}, plan.AddNode{Node: n.on}}
			n.network = &network{host: n.on, Address: n.address, Own: plan.Plan{Steps: namespaces}}
			d.networks[name] = n.network
		}
	}
	for _, s := range b.wiring {
		switch {
		case d.macvlan(s) || d.own(s):
		case d.early(s):
			b.layout.before = append(b.layout.before, s)
		default:
			b.layout.after = append(b.layout.after, s)
		}
	}
}

// division gives steps their places, in the plan's order.
type division struct {
	networks map[string]*network   // of Pods
	macvlans map[plan.End]*macvlan // made by that plugin
	veths    map[plan.End]*network // both ends of pairs that a Pod's plugin makes
	late     map[plan.End]bool     // made when Pods run
}

// macvlan gives a step to the plugin macvlan, if it is one that the plugin does: an interface with its MAC and MTU, IPv4
// addresses, routes by a gateway on its subnets.
func (d *division) macvlan(s plan.Step) bool {
	switch s := s.(type) {
	case plan.AddMacvlan:
		n := d.networks[s.Node]
		if n == nil || s.Parent.Node != n.host || !d.there(s.Parent) {
			return false
		}
		m := &macvlan{s.Interface, macvlanConfig{
			CNIVersion: cniVersion, Name: macvlanNetwork, Type: "macvlan", Master: s.Parent.Interface, Mode: s.Mode,
		}}
		n.Macvlans, d.macvlans[s.End] = append(n.Macvlans, m), m
		return true
	case plan.SetMTU:
		if m := d.macvlans[s.End]; m != nil {
			m.Config.MTU = s.MTU
			return true
		}
	case plan.SetMAC:
		if m := d.macvlans[s.End]; m != nil {
			m.Config.MAC = s.MAC
			return true
		}
	case plan.SetUp:
		return d.macvlans[s.End] != nil
	case plan.AddAddress:
		if m := d.macvlans[s.End]; m != nil && s.Address.Addr().Is4() {
			return m.address(s.Address)
		}
	case plan.AddRoute:
		if m := d.macvlans[plan.End{Node: s.Node, Interface: s.Dev}]; m != nil {
			return m.route(s)
		}
	}
	return false
}

func (m *macvlan) address(a netip.Prefix) bool {
	if m.Config.IPAM == nil {
		m.Config.IPAM = &ipam{Type: "static"}
	}
	m.Config.IPAM.Addresses = append(m.Config.IPAM.Addresses, ipamAddress{a})
	return true
}

func (m *macvlan) route(s plan.AddRoute) bool {
	if !plain(s) || m.Config.IPAM == nil {
		return false
	}
	for _, a := range m.Config.IPAM.Addresses {
		if a.Address.Contains(s.Via) {
			m.Config.IPAM.Routes = append(m.Config.IPAM.Routes, ipamRoute{s.To, s.Via})
			return true
		}
	}
	return false
}

// plain tells whether a route is in the main table and has nothing but a gateway and an interface.
func plain(s plan.AddRoute) bool {
	return s == plan.AddRoute{Node: s.Node, To: s.To, Via: s.Via, Dev: s.Dev}
}

// own gives a step to faultline's plugin, if it is one that the plugin does: sysctls of the Pod, for its interfaces take over
// what they find, veth pairs with its host, and of both ends MAC, MTU, addresses, sysctls and plain routes.
func (d *division) own(s plan.Step) bool {
	var n *network
	switch s := s.(type) {
	case plan.AddVeth:
		a, b := d.networks[s.A.Node], d.networks[s.B.Node]
		switch {
		case a != nil && a.host == s.B.Node:
			n = a
		case b != nil && b.host == s.A.Node:
			n = b
		}
		if n != nil {
			d.veths[s.A], d.veths[s.B] = n, n
		}
	case plan.SetSysctl:
		n = d.networks[s.Node]
		if ends := s.Ends(); len(ends) > 0 {
			n = d.veths[ends[0]]
		}
	case plan.SetMTU, plan.SetMAC, plan.SetUp, plan.AddAddress:
		n = d.veths[s.(ender).Ends()[0]]
	case plan.AddRoute:
		if pair := d.veths[plan.End{Node: s.Node, Interface: s.Dev}]; pair != nil && plain(s) && pair.reaches(s) {
			n = pair
		}
	}
	if n != nil {
		n.Own.Steps = append(n.Own.Steps, s)
	}
	return n != nil
}

// reaches tells whether the gateway of a route is on the link, by what the plugin has made until then.
func (n *network) reaches(r plan.AddRoute) bool {
	return !r.Via.IsValid() || slices.ContainsFunc(n.Own.Steps, func(s plan.Step) bool {
		switch s := s.(type) {
		case plan.AddAddress:
			return s.End == plan.End{Node: r.Node, Interface: r.Dev} && s.Address.Contains(r.Via)
		case plan.AddRoute:
			return s.Node == r.Node && s.Dev == r.Dev && !s.Via.IsValid() && s.To.Contains(r.Via)
		}
		return false
	})
}

// ender is a step about interfaces, or a sysctl.
type ender interface{ Ends() []plan.End }

// early tells whether a step can be carried out while there are no Pods.
func (d *division) early(s plan.Step) bool {
	switch s := s.(type) {
	case plan.AddNode:
		return d.networks[s.Node] == nil
	case ender:
		ends := s.Ends()
		if !slices.ContainsFunc(ends, func(e plan.End) bool { return !d.there(e) }) {
			return true
		}
		d.late[ends[0]] = true
		if veth, ok := s.(plan.AddVeth); ok {
			d.late[veth.B] = true
		}
	}
	return false
}

// there tells whether an interface is there, or can be, before the Pods.
func (d *division) there(e plan.End) bool {
	return d.networks[e.Node] == nil && d.veths[e] == nil && !d.late[e]
}
