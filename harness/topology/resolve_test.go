package topology_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestResolve(t *testing.T) {
	top := everything(t, nil)
	for _, row := range []struct{ name, what, want string }{
		{"a node by its first IPv4 address", "pod-a:80", "10.244.0.2:80"},
		{"a node whose first interface is lo", "host-a:8080", "10.255.0.1:8080"},
		{"one interface of a node", "pod-a@mv0:80", "192.168.0.77:80"},
		{"an interface with a dot", "gw@eth1.178:80", "172.16.178.1:80"},
		{"a Service by number", "web:53", "10.96.0.10:53"},
		{"a Service by the port's name", "web:http", "10.96.0.10:80"},
		{"an IPv6 Service", "web6:80", "[fd00:96::10]:80"},
		{"an IPv4 address", "10.0.0.1:80", "10.0.0.1:80"},
		{"an IPv6 address", "[fd00::1]:80", "[fd00::1]:80"},
		{"an unknown node", "host-c:80", `unknown "host-c": did you mean "host-a"?`},
		{"an unknown interface", "pod-a@eth9:80", `node "pod-a" has no interface "eth9": did you mean "eth0"?`},
		{"an interface without an address", "host-a@cali-a:80", `"host-a@cali-a" has no address`},
		{"a node without an address", "lan:80", `"lan" has no address`},
		{"no port", "pod-a", `"pod-a" has no port: write "pod-a:80"`},
		{"port 0", "pod-a:0", `"0" in "pod-a:0" is not a port: write a number from 1 to 65535`},
		{"a port that is none", "pod-a:http", `"http" in "pod-a:http" is not a port: write a number from 1 to 65535`},
		{"a port that the Service lacks", "web:81", `service "web" has no port 81, only 80, 53: to ask there all the same, write its address, 10.96.0.10:81`},
		{"a port that an IPv6 Service lacks", "web6:81", `service "web6" has no port 81, only 80: to ask there all the same, write its address, [fd00:96::10]:81`},
		{"a name that no port of the Service has", "web:htpp", `service "web" has no port htpp, only 80, 53`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := top.Resolve(row.what)
			text := got.String()
			if err != nil {
				text = err.Error()
			}
			if text != row.want {
				t.Errorf("Resolve(%q)\n got %s\nwant %s", row.what, text, row.want)
			}
		})
	}
}

func TestProtocols(t *testing.T) {
	top := everything(t, map[string]string{"services.web.ports": "[{name: a, port: 53, targetPort: 80, nodePort: 30080}, {name: b, port: 53, protocol: UDP, nodePort: 30080}]"})
	for name, want := range map[string]string{
		"web:53": "[tcp udp]", "web:a": "[tcp]", "web:b": "[udp]", "far:8080": "[tcp]", "web:81": "[]", "pod-a:80": "[]", "10.96.0.10:80": "[]", "web": "[]",
	} {
		if got := fmt.Sprint(top.Protocols(name)); got != want {
			t.Errorf("Protocols(%q) = %s, want %s", name, got, want)
		}
	}
}

func TestInterfaces(t *testing.T) {
	top := everything(t, nil)
	for node, want := range map[string]string{"pod-a": "[eth0 lo mv0]", "nobody": "[]"} {
		if got := fmt.Sprint(top.Interfaces(node)); got != want {
			t.Errorf("Interfaces(%q) = %s, want %s", node, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	top := everything(t, nil)
	for _, row := range []struct{ name, what, want string }{
		{"a node's, IPv4 first", "pod-a", "[10.244.0.2 192.168.0.77 fd00:244::2]"},
		{"an interface's", "host-b@eth0", "[192.168.0.2 fd00:0:0:1::2]"},
		{"a Service's", "web", "[10.96.0.10]"},
		{"a literal", "fd00::1", "[fd00::1]"},
		{"an unknown name", "wbe", `unknown "wbe": did you mean "web"?`},
		{"a Service has no interfaces", "web@eth0", `unknown "web": one of gw, host-a, host-b, lan, pod-a, vm-b`},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, err := top.Addresses(row.what)
			text := fmt.Sprint(got)
			if err != nil {
				text = err.Error()
			}
			if diff := cmp.Diff(row.want, text); diff != "" {
				t.Error(diff)
			}
		})
	}
}
