package kind

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containernetworking/cni/libcni"
	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// ownSteps is a runtime that remembers what it was to build.
type ownSteps struct {
	lab.Runtime
	lab.Lab
	steps []string
	err   error
}

func (o *ownSteps) Up(_ context.Context, p *plan.Plan) (lab.Lab, error) {
	for _, s := range p.Steps {
		if n, ok := s.(plan.AddNode); ok {
			o.steps = append(o.steps, n.Node+" is "+n.Namespace)
		} else {
			o.steps = append(o.steps, s.String())
		}
	}
	return o, o.err
}

func (o *ownSteps) Close() error { return nil }

// cniTest is the plugin with files of a test, and another plugin that writes down what it is asked.
type cniTest struct {
	cni
	own   *ownSteps
	env   map[string]string
	asked string // file
	cache string // directory
}

const fakeMacvlan = `#!/bin/sh
echo "$CNI_COMMAND $CNI_IFNAME in $CNI_NETNS of $CNI_CONTAINERID, $CNI_ARGS: $(cat)" >>"${0%/*}/asked"
[ "$CNI_COMMAND" = ADD ] || exit 0
[ "$CNI_IFNAME" = bad0 ] && echo '{"cniVersion":"1.0.0","code":7,"msg":"no such parent"}' && exit 1
echo '{"cniVersion":"1.0.0","interfaces":[{"name":"net1","mac":"02:00:00:00:00:01","sandbox":"x"}]}'
`

func newCNITest(t *testing.T, networks string) *cniTest {
	t.Helper()
	dir := t.TempDir()
	c := &cniTest{own: &ownSteps{}, asked: filepath.Join(dir, "asked"), cache: filepath.Join(dir, "cache")}
	c.env = map[string]string{
		"CNI_COMMAND": "ADD", "CNI_CONTAINERID": "c1", "CNI_NETNS": "/var/run/netns/cni-1", "CNI_IFNAME": "eth0",
		"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web",
	}
	c.cni = cni{
		getenv: func(name string) string { return c.env[name] }, own: c.own,
		others:   libcni.NewCNIConfigWithCacheDir([]string{dir}, c.cache, nil),
		networks: filepath.Join(dir, "pods.json"), found: filepath.Join(dir, "found"),
	}
	for file, text := range map[string]string{c.networks: networks, filepath.Join(dir, "macvlan"): fakeMacvlan} {
		if err := os.WriteFile(file, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *cniTest) run() (string, error) {
	var out bytes.Buffer
	err := c.cni.run(&out)
	return strings.TrimSpace(out.String()), err
}

func (c *cniTest) said(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(c.asked)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

const webNetwork = `{"web": {"address": "10.244.0.2", "own": {"topology": "", "steps": [
	{"step": "AddNode", "node": "web"}, {"step": "AddNode", "node": "node1"}, {"step": "SetUp", "node": "web", "interface": "eth0"}
]}, "macvlans": [{"interface": "net1", "config": {"cniVersion": "1.0.0", "name": "faultline-macvlan", "type": "macvlan", "master": "eth0", "mode": "bridge"}}]}}`

func TestCNIPlugin(t *testing.T) {
	c := newCNITest(t, webNetwork)
	out, err := c.run()
	if err != nil {
		t.Fatal(err)
	}
	want := `{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"/var/run/netns/cni-1"}],"ips":[{"address":"10.244.0.2/32","interface":0}]}`
	if out != want {
		t.Errorf("ADD says %s\nwant %s", out, want)
	}
	if d := cmp.Diff([]string{"web is /var/run/netns/cni-1", "node1 is /proc/self/ns/net", "ip -n web link set dev eth0 up"}, c.own.steps); d != "" {
		t.Errorf("made by the plugin itself: -want +got:\n%s", d)
	}
	const config = ` net1 in /var/run/netns/cni-1 of c1, IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web: ` +
		`{"cniVersion":"1.0.0","master":"eth0","mode":"bridge","name":"faultline-macvlan",`
	if d := cmp.Diff([]string{"ADD" + config + `"type":"macvlan"}`}, c.said(t)); d != "" {
		t.Errorf("the plugin macvlan was asked: -want +got:\n%s", d)
	}
	file := filepath.Join(c.found, "web")
	if text, err := os.ReadFile(file); err != nil || string(text) != "/run/netns/cni-1" {
		t.Errorf("the namespace is at %q, %v", text, err)
	}

	c.env["CNI_COMMAND"], c.env["CNI_NETNS"], c.env["CNI_CONTAINERID"] = "DEL", "/var/run/netns/cni-0", "c0"
	if _, err := c.run(); err != nil {
		t.Errorf("DEL of an earlier pod: %v", err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("DEL of an earlier pod forgot the namespace of the later one: %v", err)
	}
	if n := len(c.said(t)); n != 1 {
		t.Errorf("DEL of an earlier pod asked the plugin macvlan: %v", c.said(t))
	}

	// Networks are another lab's by the time.
	if err := os.WriteFile(c.networks, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	c.env["CNI_NETNS"], c.env["CNI_CONTAINERID"] = "/var/run/netns/cni-1", "c1"
	for range 2 { // DEL may come twice
		if _, err := c.run(); err != nil {
			t.Errorf("DEL: %v", err)
		}
	}
	if said := c.said(t); len(said) != 2 || !strings.HasPrefix(said[1], "DEL"+config) {
		t.Errorf("DEL asked the plugin macvlan %q, want once, by the configuration of ADD", said[1:])
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("DEL left the file: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(c.cache, "results")); err != nil || len(left) > 0 {
		t.Errorf("DEL left results %v, %v", left, err)
	}
}

func TestCNIPluginRefuses(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"pod other is not one of the lab": {"CNI_ARGS": "K8S_POD_NAME=other"},
		"CNI_ARGS has no K8S_POD_NAME":    {"CNI_ARGS": "IgnoreUnknown=1"},
		`no command "BREW"`:               {"CNI_COMMAND": "BREW"},
	} {
		c := newCNITest(t, webNetwork)
		for k, v := range env {
			c.env[k] = v
		}
		if _, err := c.run(); err == nil || err.Error() != name {
			t.Errorf("error %v, want %s", err, name)
		}
	}
	var out bytes.Buffer
	if err := CNIMain(func(string) string { return "" }, nil, &out); err == nil || !strings.Contains(out.String(), `"code":100`) {
		t.Errorf("the runtime is told %s, %v", out.String(), err)
	}
}

func TestPodWhoseInterfacesCannotBeMade(t *testing.T) {
	for _, tt := range []struct {
		name, networks, want string
		own                  error
	}{
		{"by itself", webNetwork, "pod web: no", errors.New("no")},
		{"by the plugin macvlan", strings.Replace(webNetwork, "net1", "bad0", 1), "pod web: add interface bad0 by the plugin macvlan: no such parent", nil},
		{"for there is no such plugin", strings.Replace(webNetwork, `"type": "macvlan"`, `"type": "ovs"`, 1), `pod web: add interface net1 by the plugin ovs: failed to find plugin "ovs" in path`, nil},
	} {
		c := newCNITest(t, tt.networks)
		c.own.err = tt.own
		if _, err := c.run(); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		}
		if _, err := os.Stat(c.found); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the Pod is one of the lab all the same: %v", tt.name, err)
		}
	}
}
