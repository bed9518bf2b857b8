package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/containernetworking/cni/libcni"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// Files of a member. The CNI plugin reads the networks and leaves the namespaces.
const (
	cniBinary   = "/opt/cni/bin/faultline"
	cniConfig   = "/etc/cni/net.d/10-faultline.conflist"
	cniNetworks = "/etc/faultline/pods.json" // network by Pod
	cniPlugins  = "/opt/cni/faultline"       // the plugins that this one calls
	cniFound    = "/run/faultline/pods"      // a file for each Pod, with the path of its namespace
	cniCache    = "/run/faultline/cni"       // what those plugins were asked and have answered
)

const (
	cniVersion     = "1.0.0"
	macvlanNetwork = "faultline-macvlan"
)

// cniNetwork is the network configuration of every member.
const cniNetwork = `{"cniVersion": "` + cniVersion + `", "name": "faultline", "plugins": [{"type": "faultline"}]}
`

// IsCNI tells whether containerd started this process as a CNI plugin.
func IsCNI(getenv func(string) string) bool { return getenv("CNI_COMMAND") != "" }

// CNIMain is the CNI plugin: a meta plugin, as Multus is one. Of a Pod's network it makes the veth pairs itself, by steps
// that own carries out, and has the plugin macvlan make macvlans. It gives the runtime the Pod's address, and keeps the path
// of the Pod's namespace for the agent.
func CNIMain(getenv func(string) string, own lab.Runtime, stdout io.Writer) error {
	c := cni{getenv: getenv, own: own, networks: cniNetworks, found: cniFound}
	c.others = libcni.NewCNIConfigWithCacheDir([]string{cniPlugins}, cniCache, nil)
	err := c.run(stdout)
	if err != nil {
		_ = json.NewEncoder(stdout).Encode(object{"cniVersion": cniVersion, "code": 100, "msg": "faultline: " + err.Error()})
	}
	return err
}

type cni struct {
	getenv          func(string) string
	own             lab.Runtime
	others          *libcni.CNIConfig
	networks, found string
}

func (c cni) run(stdout io.Writer) error {
	ctx := context.Background() // containerd bounds this process
	switch command := c.getenv("CNI_COMMAND"); command {
	case "ADD":
		return c.add(ctx, stdout)
	case "DEL":
		return c.del(ctx)
	case "VERSION":
		return json.NewEncoder(stdout).Encode(object{"cniVersion": cniVersion, "supportedVersions": []string{"0.4.0", cniVersion, "1.1.0"}})
	case "CHECK", "STATUS", "GC":
		return nil
	default:
		return fmt.Errorf("no command %q", command)
	}
}

func (c cni) add(ctx context.Context, stdout io.Writer) error {
	text, err := os.ReadFile(c.networks)
	if err != nil {
		return err
	}
	var networks map[string]network
	if err := json.Unmarshal(text, &networks); err != nil {
		return fmt.Errorf("read %s: %w", c.networks, err)
	}
	name, err := c.pod()
	if err != nil {
		return err
	}
	n, ok := networks[name]
	if !ok {
		return fmt.Errorf("pod %s is not one of the lab", name)
	}
	if err := c.make(ctx, name, n); err != nil {
		return fmt.Errorf("pod %s: %w", name, err)
	}
	if err := os.MkdirAll(c.found, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(c.found, name), []byte(c.namespace()), 0o644); err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(object{
		"cniVersion": cniVersion,
		"interfaces": []object{{"name": c.getenv("CNI_IFNAME"), "sandbox": c.getenv("CNI_NETNS")}},
		"ips":        []object{{"interface": 0, "address": netip.PrefixFrom(n.Address, n.Address.BitLen()).String()}},
	})
}

// make makes a Pod's interfaces. After an error containerd asks for DEL, and removes the namespace.
func (c cni) make(ctx context.Context, pod string, n network) error {
	for i, s := range n.Own.Steps {
		if node, ok := s.(plan.AddNode); ok {
			node.Namespace = "/proc/self/ns/net"
			if node.Node == pod {
				node.Namespace = c.getenv("CNI_NETNS")
			}
			n.Own.Steps[i] = node
		}
	}
	made, err := c.own.Up(ctx, &n.Own)
	if err != nil {
		return err
	}
	if err := made.Close(); err != nil { // gives up its hold of the namespaces, no more
		return err
	}
	for _, m := range n.Macvlans {
		text, err := json.Marshal(m.Config)
		if err != nil {
			return err
		}
		config, err := libcni.NetworkPluginConfFromBytes(text)
		if err != nil {
			return fmt.Errorf("configure the plugin %s: %w", m.Config.Type, err)
		}
		if _, err := c.others.AddNetwork(ctx, config, c.attachment(m.Interface)); err != nil {
			return fmt.Errorf("add interface %s by the plugin %s: %w", m.Interface, m.Config.Type, err)
		}
	}
	return nil
}

// attachment is the Pod's, with an interface of another name than the one that kubelet knows.
func (c cni) attachment(name string) *libcni.RuntimeConf {
	rt := &libcni.RuntimeConf{ContainerID: c.getenv("CNI_CONTAINERID"), NetNS: c.getenv("CNI_NETNS"), IfName: name}
	for arg := range strings.SplitSeq(c.getenv("CNI_ARGS"), ";") {
		if key, value, ok := strings.Cut(arg, "="); ok {
			rt.Args = append(rt.Args, [2]string{key, value})
		}
	}
	return rt
}

// unmake has other plugins remove what they have made for this container, by their configuration of then: the lab may be
// another by now.
func (c cni) unmake(ctx context.Context) error {
	made, err := c.others.GetCachedAttachments(c.getenv("CNI_CONTAINERID"))
	if err != nil {
		return err
	}
	var errs []error
	for _, a := range made {
		config, err := libcni.NetworkPluginConfFromBytes(a.Config)
		if err == nil {
			err = c.others.DelNetwork(ctx, config, c.attachment(a.IfName))
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("remove interface %s: %w", a.IfName, err))
		}
	}
	return errors.Join(errs...)
}

// del removes what was made and forgets the namespace, unless a Pod of the same name has another by now. A veth pair goes
// with the namespace.
func (c cni) del(ctx context.Context) error {
	if err := c.unmake(ctx); err != nil {
		return err
	}
	name, err := c.pod()
	if err != nil {
		return err
	}
	file := filepath.Join(c.found, name)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || err == nil && string(text) != c.namespace() {
		return nil
	}
	return errors.Join(err, os.Remove(file))
}

// namespace is the namespace's file as it is found from another mount namespace by /proc/PID/root, where /var/run would
// lead back.
func (c cni) namespace() string {
	path := c.getenv("CNI_NETNS")
	if rest, ok := strings.CutPrefix(path, "/var/run/"); ok {
		return "/run/" + rest
	}
	return path
}

// pod is the Pod's name.
func (c cni) pod() (string, error) {
	for arg := range strings.SplitSeq(c.getenv("CNI_ARGS"), ";") {
		if name, ok := strings.CutPrefix(arg, "K8S_POD_NAME="); ok && name != "" && !strings.ContainsRune(name, '/') {
			return name, nil
		}
	}
	return "", errors.New("CNI_ARGS has no K8S_POD_NAME")
}
