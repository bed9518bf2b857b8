package topology

import (
	"cmp"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

type (
	// Errors is everything that is wrong with a file, by position.
	Errors = yamlfile.Errors
	// Error is one mistake in a file: its position, an excerpt, what is wrong and what would be right.
	Error = yamlfile.Error
)

// Parse reads a topology file. name is the file's name, for messages only. set holds values by path, which go before
// those of the file, whether it has them or not: "kubeProxy.mode", "nodes.cloud.kubeProxy.mode" (items of lists by
// their names). The name of a choice as the path takes one of its options; where there is none, it is the first. An error is an Errors with everything that is wrong; a Topology that is returned keeps all the rules,
// and has its defaults filled in.
func Parse(name string, src []byte, set map[string]string) (*Topology, error) {
	t := &Topology{}
	d, _ := yamlfile.Decode(name, src, t)
	if len(t.Choices) == 0 {
		return read(name, src, set, nil, nil)
	}
	// What is wrong with the rest of the file, each of its alternatives tells.
	before := len(d.Errors())
	(&checker{Doc: d, t: t}).choices()
	if d.Broken("choices") || len(d.Errors()) > before {
		return nil, d.Err()
	}
	return t.parse(name, src, set)
}

// Is says whether src is meant to be a topology file, going by its keys. A scenario, which names its topology by the
// same key, is none.
func Is(src []byte) bool {
	d := yamlfile.Parse("", src)
	return d.Has("topology") && !d.Has("scenario")
}

// FromScalar takes the name of a node.
func (b *Backend) FromScalar(text string) error {
	b.Node = text
	return nil
}

// fill puts in the defaults that do not depend on the kernel.
func (t *Topology) fill() {
	t.KubeProxy.inherit(KubeProxy{Version: DefaultKubeProxy, Mode: "iptables"})
	for i := range t.Nodes {
		n := &t.Nodes[i]
		if n.KubeProxy != nil {
			n.KubeProxy.inherit(t.KubeProxy)
		}
		for j := range n.Interfaces {
			if v := n.Interfaces[j].VXLAN; v != nil && v.Port == 0 {
				v.Port = 4789
			}
		}
	}
	for i := range t.IPsec {
		if t.IPsec[i].ReqID == 0 {
			t.IPsec[i].ReqID = i + 1
		}
	}
	for i := range t.Services {
		t.Services[i].fill()
	}
}

func (s *Service) fill() {
	if s.Type == "" {
		s.Type = "ClusterIP"
	}
	for i := range s.Ports {
		p := &s.Ports[i]
		if p.TargetPort == 0 {
			p.TargetPort = p.Port
		}
		if p.Protocol == "" {
			p.Protocol = "TCP"
		}
	}
}

// inherit takes from defaults what k leaves empty.
func (k *KubeProxy) inherit(defaults KubeProxy) {
	k.Version = cmp.Or(k.Version, defaults.Version)
	k.Mode = cmp.Or(k.Mode, defaults.Mode)
	k.ClusterCIDR = cmp.Or(k.ClusterCIDR, defaults.ClusterCIDR)
	k.ServiceCIDR = cmp.Or(k.ServiceCIDR, defaults.ServiceCIDR)
	if len(k.Flags) == 0 {
		k.Flags = defaults.Flags
	}
}
