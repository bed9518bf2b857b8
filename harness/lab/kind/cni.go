package kind

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
)

// Files of a member. The CNI plugin reads the addresses and leaves the namespaces.
const (
	cniBinary    = "/opt/cni/bin/faultline"
	cniConfig    = "/etc/cni/net.d/10-faultline.conflist"
	cniAddresses = "/etc/faultline/pods.json" // address by Pod
	cniFound     = "/run/faultline/pods"      // a file for each Pod, with the path of its namespace
)

const cniVersion = "1.0.0"

// cniNetwork is the network configuration of every member.
const cniNetwork = `{"cniVersion": "` + cniVersion + `", "name": "faultline", "plugins": [{"type": "faultline"}]}
`

// IsCNI tells whether containerd started this process as a CNI plugin.
func IsCNI(getenv func(string) string) bool { return getenv("CNI_COMMAND") != "" }

// CNIMain is the CNI plugin. It makes no interface: the plan's steps do. It gives the runtime the Pod's address, and keeps
// the path of the Pod's namespace for the agent.
func CNIMain(getenv func(string) string, stdout io.Writer) error {
	err := cni{getenv: getenv, addresses: cniAddresses, found: cniFound}.run(stdout)
	if err != nil {
		_ = json.NewEncoder(stdout).Encode(object{"cniVersion": cniVersion, "code": 100, "msg": "faultline: " + err.Error()})
	}
	return err
}

type cni struct {
	getenv           func(string) string
	addresses, found string
}

func (c cni) run(stdout io.Writer) error {
	switch command := c.getenv("CNI_COMMAND"); command {
	case "ADD":
		return c.add(stdout)
	case "DEL":
		return c.del()
	case "VERSION":
		return json.NewEncoder(stdout).Encode(object{"cniVersion": cniVersion, "supportedVersions": []string{"0.4.0", cniVersion, "1.1.0"}})
	case "CHECK", "STATUS", "GC":
		return nil
	default:
		return fmt.Errorf("no command %q", command)
	}
}

func (c cni) add(stdout io.Writer) error {
	text, err := os.ReadFile(c.addresses)
	if err != nil {
		return err
	}
	var addresses map[string]netip.Addr
	if err := json.Unmarshal(text, &addresses); err != nil {
		return fmt.Errorf("read %s: %w", c.addresses, err)
	}
	name, err := c.pod()
	if err != nil {
		return err
	}
	address, ok := addresses[name]
	if !ok {
		return fmt.Errorf("pod %s is not one of the lab", name)
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
		"ips":        []object{{"interface": 0, "address": netip.PrefixFrom(address, address.BitLen()).String()}},
	})
}

// del forgets the namespace, unless a Pod of the same name has another by now.
func (c cni) del() error {
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
