package topology

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

// checker adds to a Doc everything that is wrong with a Topology that was decoded from it.
type checker struct {
	*yamlfile.Doc
	t     *Topology
	nodes map[string]*nodeIndex
	owner map[netip.Addr]string // path of the first use of an address
}

// nodeIndex is what the checks need to know of a node at once.
type nodeIndex struct {
	*Node
	path       string
	names      []string              // of all interfaces, lo and ends of links among them
	byName     map[string]*Interface // those with an entry
	linked     map[string]*Link      // those that are the end of a link
	brokenNets bool                  // an address could not be read: what is on-link is not known
}

// check adds everything that is wrong with t to d.
func check(d *yamlfile.Doc, t *Topology) {
	c := &checker{Doc: d, t: t, nodes: map[string]*nodeIndex{}, owner: map[netip.Addr]string{}}
	c.name("topology", "topology", t.Name)
	c.choices()
	if len(t.Nodes) == 0 {
		c.Errorf("nodes", "list at least one node under nodes:", "the topology has no nodes")
	}
	c.index()
	c.kubeProxy("kubeProxy", &t.KubeProxy)
	for i := range t.Nodes {
		c.node(fmt.Sprintf("nodes[%d]", i), &t.Nodes[i])
	}
	c.links()
	for _, i := range slices.Sorted(maps.Keys(c.nodes)) {
		c.subnets(c.nodes[i])
	}
	c.tunnels()
	c.services()
}

// index fills c.nodes.
func (c *checker) index() {
	for i := range c.t.Nodes {
		n := &c.t.Nodes[i]
		if c.nodes[n.Name] != nil {
			continue // reported where the node itself is checked
		}
		path := fmt.Sprintf("nodes[%d]", i)
		x := &nodeIndex{Node: n, path: path, names: c.t.interfaces(n),
			byName: map[string]*Interface{}, linked: map[string]*Link{}, brokenNets: c.Broken(path + ".interfaces")}
		for j := range n.Interfaces {
			if _, twice := x.byName[n.Interfaces[j].Name]; !twice {
				x.byName[n.Interfaces[j].Name] = &n.Interfaces[j]
			}
		}
		c.nodes[n.Name] = x
	}
	for i := range c.t.Links {
		l := &c.t.Links[i]
		for _, end := range []string{l.A, l.B} {
			node, name, _ := strings.Cut(end, ":")
			if x := c.nodes[node]; x != nil && x.linked[name] == nil {
				x.linked[name] = l
			}
		}
	}
}

func (c *checker) node(path string, n *Node) {
	c.name(path+".name", "node", n.Name)
	x := c.nodes[n.Name]
	if x.Node != n {
		c.Errorf(path+".name", c.firstIs(x.path+".name"), "node %q stands here twice", n.Name)
		x = &nodeIndex{Node: n, path: path, names: c.t.interfaces(n), byName: x.byName, linked: x.linked, brokenNets: true}
	}
	c.enum(path+".role", "role", string(n.Role), roles)
	if n.Host != "" {
		c.hostOf(path, n)
	}
	c.interfaces(x)
	c.routes(x)
	c.rules(x)
	c.neighbours(x)
	c.sysctls(x)
	for i, r := range n.Rulesets {
		at := fmt.Sprintf("%s.rulesets[%d]", path, i)
		c.enum(at+".tool", "tool", r.Tool, ruleTools)
		if strings.TrimSpace(r.Text) == "" {
			c.Errorf(at+".text", "", "the ruleset has no text")
		}
	}
	c.processes(path, n)
}

func (c *checker) hostOf(path string, n *Node) {
	host := c.t.node(n.Host)
	switch {
	case n.Role != Pod && slices.Contains(roles, string(n.Role)):
		c.Errorf(path+".host", "take it out, or give the node the role pod", "only a pod has a host")
	case host == nil:
		c.unknown(path+".host", "node", n.Host, c.t.names(false))
	case host.Role != Host && slices.Contains(roles, string(host.Role)):
		c.Errorf(path+".host", "", "node %q is a %s, not a host", n.Host, host.Role)
	}
}

func (c *checker) processes(path string, n *Node) {
	if n.KubeProxy != nil {
		at := path + ".kubeProxy"
		if n.Role != Host && slices.Contains(roles, string(n.Role)) {
			c.KeyErrorf(at, "give it to a node with the role host", "a %s does not run kube-proxy", n.Role)
		} else if _, err := c.t.Addresses(n.Name); err != nil {
			c.KeyErrorf(at, "give the node an address", "kube-proxy runs on a node without an address")
		}
		c.kubeProxy(at, n.KubeProxy)
	}
	ports := map[string]string{}
	for i, s := range n.Servers {
		at := fmt.Sprintf("%s.servers[%d]", path, i)
		if len(s.TCP)+len(s.UDP) == 0 {
			c.Errorf(at, "give it ports: {tcp: [80]}", "the server has no ports")
		}
		c.serverPorts(at+".tcp", "TCP", s.TCP, ports)
		c.serverPorts(at+".udp", "UDP", s.UDP, ports)
	}
	names := map[string]string{}
	for i, p := range n.Processes {
		at := fmt.Sprintf("%s.processes[%d]", path, i)
		c.name(at+".name", "process", p.Name)
		c.once(at+".name", names, p.Name, "process %q stands here twice", p.Name)
		if len(p.Cmd) == 0 || p.Cmd[0] == "" {
			c.Errorf(at+".cmd", "", "the process has no command")
		}
	}
}

func (c *checker) serverPorts(path, proto string, list []uint16, seen map[string]string) {
	for i, port := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		c.port(at, port)
		c.once(at, seen, fmt.Sprint(proto, port), "%s port %d is served twice on this node", proto, port)
	}
}

// The checks that many words share.

var nameSyntax = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)

// name checks a name: Kubernetes' label syntax, so that a node or a Service can be an object there.
func (c *checker) name(path, what, name string) {
	switch {
	case name == "" && !c.Has(path):
		c.missing(path)
	case len(name) > 63 || !nameSyntax.MatchString(name):
		c.Errorf(path, "use lower-case letters, digits and dashes, at most 63, with a letter or digit at both ends",
			"%q is not a name for a %s", name, what)
	}
}

// missing reports that the last field of path must be there.
func (c *checker) missing(path string) {
	key := path[strings.LastIndex(path, ".")+1:]
	c.Errorf(path, "", "%s is missing", key)
}

func (c *checker) unknown(path, what, name string, known []string) {
	if name == "" && !c.Has(path) {
		c.missing(path)
		return
	}
	c.Errorf(path, yamlfile.Suggest(name, known), "unknown %s %q", what, name)
}

func (c *checker) enum(path, what, value string, known []string) {
	if slices.Contains(known, value) {
		return
	}
	if value == "" && !c.Has(path) {
		c.Errorf(path, yamlfile.OneOf(known), "%s is missing", what)
		return
	}
	c.Errorf(path, yamlfile.OneOf(known), "unknown %s %q", what, value)
}

// once reports the second use of key.
func (c *checker) once(path string, seen map[string]string, key, format string, args ...any) {
	if key == "" {
		return
	}
	if before, twice := seen[key]; twice {
		c.Errorf(path, c.firstIs(before), format, args...)
		return
	}
	seen[key] = path
}

func (c *checker) firstIs(path string) string {
	if at := c.At(path); at.Line > 0 {
		return fmt.Sprintf("the first is in line %d", at.Line)
	}
	return ""
}

func (c *checker) port(path string, port uint16) {
	if port == 0 {
		if !c.Has(path) {
			c.missing(path)
			return
		}
		c.Errorf(path, "it goes from 1 to 65535", "0 is not a port")
	}
}

// within reports a number outside of low to high.
func (c *checker) within(path, what string, value, low, high int) {
	if value < low || value > high {
		if value == 0 && !c.Has(path) {
			c.missing(path)
			return
		}
		c.Errorf(path, fmt.Sprintf("it goes from %d to %d", low, high), "%s %d is out of range", what, value)
	}
}

// network checks a prefix that stands for all its addresses.
func (c *checker) network(path string, p netip.Prefix) {
	switch {
	case !p.IsValid():
		c.missing(path)
	case p.Masked() != p:
		c.Errorf(path, fmt.Sprintf("write %s, or %s/%d for the one address", p.Masked(), p.Addr(), p.Addr().BitLen()),
			"%s has bits set behind the prefix length", p)
	}
}

func family(a netip.Addr) string {
	if a.Is4() {
		return "IPv4"
	}
	return "IPv6"
}
