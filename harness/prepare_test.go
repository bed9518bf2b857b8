package harness_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/topology"
)

func TestBadInputIsFoundBeforeAnythingIsBuilt(t *testing.T) {
	for _, row := range []struct{ name, old, new, want string }{
		{"a node that there is not", "from: a, to: \"b:81\"", "from: c, to: \"b:81\"", "s.yaml:6:30: topology pair has no node \"c\"\n" +
			"    6 |   probe: {name: fault, from: c, to: \"b:81\", want: timeout}\n      |                              ^\n  one of a, b"},
		{"a node of a command", "on: a, cmd: [mend]", "on: bb, cmd: [mend]", "s.yaml:11:16: topology pair has no node \"bb\"\n" +
			"   11 |     run: [{on: bb, cmd: [mend]}]\n      |                ^\n  one of a, b"},
		{"a setting of a fix", "name: idle\n    run: [{on: a, cmd: [nothing]}]\n    undo: [{on: a, cmd: [nothing]}]", "name: idle\n    set: {nodes.a.rolle: pod}",
			"s.yaml:15:11: unknown setting \"rolle\"\n   15 |     set: {nodes.a.rolle: pod}\n      |           ^\n  did you mean \"role\"?"},
		{"what a setting of a fix brings about", "name: idle\n    run: [{on: a, cmd: [nothing]}]\n    undo: [{on: a, cmd: [nothing]}]", "name: idle\n    set: {nodes.a.name: c}",
			"fix idle: pair.yaml:3:40: interface \"eth0\" has neither a link nor a kind\n"},
		{"a setting of the scenario", "title: a", "set: {nodes.a.role: pods}\ntitle: a",
			"s.yaml:2:7: unknown role \"pods\"\n    2 | set: {nodes.a.role: pods}\n      |       ^\n  one of host, pod, router, switch"},
		{"settings that change nothing", "name: idle\n    run: [{on: a, cmd: [nothing]}]\n    undo: [{on: a, cmd: [nothing]}]", "name: idle\n    set: {nodes.a.sysctls.net.ipv4.tcp_ecn: 0}",
			"s.yaml:15:5: the settings of fix \"idle\" change nothing in the lab\n   15 |     set: {nodes.a.sysctls.net.ipv4.tcp_ecn: 0}\n" +
				"      |     ^\n  change what makes the fault go, or, of an inert fix, what does not"},
		{"an interface that the node does not have", "xfrm: XfrmInNoPols, grows: true", "packets: {interface: eht0}, count: 0",
			"s.yaml:8:56: node \"a\" has no interface \"eht0\"\n    8 |   evidence: [{name: drops, on: a, packets: {interface: eht0}, count: 0}]\n" +
				"      |                                                        ^\n  did you mean \"eth0\"?"},
		{"an interface of a node that there is not", "on: a, xfrm: XfrmInNoPols, grows: true", "on: c, packets: {interface: eht0}, count: 0",
			"s.yaml:8:32: topology pair has no node \"c\"\n    8 |   evidence: [{name: drops, on: c, packets: {interface: eht0}, count: 0}]\n" +
				"      |                                ^\n  one of a, b"},
		{"a name that a fix's settings take away", "name: idle\n    run: [{on: a, cmd: [nothing]}]\n    undo: [{on: a, cmd: [nothing]}]", "name: idle\n    set: {nodes.b.name: c, links.0.b: 'c:eth0'}",
			"fix idle: s.yaml:4:41: unknown \"b\": one of a, c\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			text := head + "fixes:\n" + good + "inert:\n" + idle
			changed := strings.Replace(text, row.old, row.new, 1)
			if changed == text {
				t.Fatal("the row changes nothing")
			}
			x, rt := trialOf(t, good, idle)
			s, err := scenario.Parse("s.yaml", []byte(changed))
			if err != nil {
				t.Fatal(err)
			}
			x.Scenario = s
			_, err = x.Run(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			if strings.HasSuffix(row.want, "\n") { // the first of several
				if !strings.HasPrefix(err.Error(), row.want) {
					t.Errorf("got  %s\nwant %s", err, row.want)
				}
			} else if diff := cmp.Diff(row.want, err.Error()); diff != "" {
				t.Error(diff)
			}
			if len(rt.trace) > 0 {
				t.Errorf("it did %v", rt.trace)
			}
		})
	}
}

// A setting is told where it stands: in the scenario, in its variant, or on the command line, which goes before both.
func TestWhereASettingStands(t *testing.T) {
	text := strings.Replace(head, "title: a", "set: {nodes.a.role: pods}\ntitle: a", 1) + "fixes:\n" + good + "inert:\n" + idle + "variants:\n" +
		"  - {name: plain}\n  - {name: own, set: {nodes.a.role: hots}}\n  - {name: like, like: own}\n"
	s, err := scenario.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range []struct {
		given map[string]string
		want  string
	}{
		{nil, "s.yaml:2:7: unknown role \"pods\"\n"},
		{nil, "s.yaml:20:23: unknown role \"hots\"\n"},
		{map[string]string{"nodes.a.role": "hots"}, "set nodes.a.role=hots: unknown role \"hots\"\n"},
	} {
		x, _ := trialOf(t, good, idle)
		x.Scenario, x.Set = s.Each()[i], row.given
		if _, err = x.Prepare(); !strings.HasPrefix(fmt.Sprint(err), row.want) {
			t.Errorf("%s: got %v, want %s", x.Scenario.FullName(), err, row.want)
		}
	}
}

// A fix's commands and a node's own processes make interfaces that no topology has.
func TestInterfacesThatCannotBeKnown(t *testing.T) {
	good := strings.TrimSuffix(good, "\n") + "\n    evidence: [{on: a, packets: {interface: made0}, count: 0}]\n"
	x, _ := trialOf(t, good, idle)
	if _, err := x.Prepare(); err != nil {
		t.Errorf("made by the fix: %v", err)
	}
	x.Scenario.Fault.Evidence[0].Packets = &evidence.Packets{Interface: "made0"}
	if _, err := x.Prepare(); err == nil {
		t.Error("made by nobody: no error")
	}
	x.Set = map[string]string{"nodes.a.processes": "[{name: vpn, cmd: [vpn]}]"}
	if _, err := x.Prepare(); err != nil {
		t.Errorf("made by a process: %v", err)
	}
}

const services = `topology: services
nodes:
  - {name: a, role: host, kubeProxy: {}, interfaces: [{name: eth0, addresses: [10.0.0.1/24]}]}
  - {name: b, role: host, interfaces: [{name: eth0, addresses: [10.0.0.2/24]}], servers: [{tcp: [80, 81], udp: [53]}]}
links: [{a: "a:eth0", b: "b:eth0"}]
services:
  - {name: web, clusterIP: 10.96.0.1, ports: [{port: 80}], backends: [b]}
  - {name: both, clusterIP: 10.96.0.2, ports: [{name: u, port: 53, protocol: UDP}, {name: t, port: 53, targetPort: 80}], backends: [b]}
`

func TestProtocolsOfServices(t *testing.T) {
	for _, row := range []struct{ to, proto, want string }{
		{"web:80", "tcp", ""},
		{"web:80", "udp", "web:80 is a port for tcp, not for udp"},
		{"both:53", "udp", ""},
		{"both:53", "tcp", ""},
		{"both:u", "tcp", "both:u is a port for udp, not for tcp"},
		{"b:80", "udp", ""}, // a question to a node may well be one that nobody answers
		{"10.96.0.1:80", "udp", ""},
	} {
		for _, where := range []string{"probe", "conntrack", "ipvs"} {
			t.Run(where+" "+row.to+" "+row.proto, func(t *testing.T) {
				x, _ := trialOf(t, good, idle)
				x.Topology = func(set map[string]string) (*topology.Topology, error) {
					return topology.Parse("services.yaml", []byte(services), set)
				}
				switch f := &x.Scenario.Fault; where {
				case "probe":
					f.Probe.To, f.Probe.Proto = row.to, row.proto
				case "conntrack":
					f.Evidence[0].Conntrack = &evidence.Conntrack{To: row.to, Proto: row.proto}
				case "ipvs":
					f.Evidence[0].IPVS = &evidence.IPVS{Service: row.to, Proto: row.proto}
				}
				_, err := x.Prepare()
				if got := fmt.Sprint(err); (row.want == "") != (err == nil) || !strings.Contains(got, row.want) {
					t.Errorf("got %s, want %q", got, row.want)
				}
			})
		}
	}
}

func TestPrepareReturnsEveryPlan(t *testing.T) {
	x, _ := trialOf(t, good+set, "  - {name: other, set: {nodes.a.sysctls.net.ipv4.tcp_ecn: 2}}\n")
	prepared := func() string {
		t.Helper()
		plans, err := x.Prepare()
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, p := range plans {
			_, ecn, _ := strings.Cut(p.Plan.Script(), "tcp_ecn=")
			list = append(list, p.Fix+" "+ecn[:1])
		}
		return strings.Join(list, ", ")
	}
	if got, want := prepared(), " 0, set 1, other 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// What the command line sets may be what a fix sets: then there is no fault, and it is the trial that shows it.
	x.Set = map[string]string{"nodes.a.sysctls.net.ipv4.tcp_ecn": "1"}
	if got, want := prepared(), " 1, set 1, other 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	x.Only = []string{"good", "other"}
	if got, want := prepared(), " 1, other 2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestOnlyUnknownFixes(t *testing.T) {
	x, _ := trialOf(t, good, idle)
	x.Only = []string{"goood"}
	_, err := x.Run(t.Context())
	if want := `scenario invented has no fix "goood": did you mean "good"?`; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
