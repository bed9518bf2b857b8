package topology_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/topology"
)

// wired has two choices, which set nothing in common.
const wired = `topology: wired
title: As written
choices:
  - name: cable
    options:
      - {name: routed}
      - {name: none, set: {nodes.a.routes: []}}
      - name: dummy
        set:
          nodes.a.routes: [{to: 10.1.0.0/16, dev: dummy0}]
          nodes.a.interfaces: [{name: eth0, addresses: 10.0.0.1/24}, {name: dummy0, dummy: {}}]
  - name: wire
    options: [{name: near}, {name: far, set: {links.0.mtu: 1400}}]
nodes:
  - {name: a, role: host, interfaces: [{name: eth0, addresses: 10.0.0.1/24}], routes: [{to: 10.1.0.0/16, via: 10.0.0.2}]}
  - {name: b, role: host, interfaces: [{name: eth0, addresses: 10.0.0.2/24}]}
links: [{a: "a:eth0", b: "b:eth0"}]
`

func TestOptions(t *testing.T) {
	for _, row := range []struct {
		name string
		set  map[string]string
		want string // the taken options, * for one that a setting names; a's routes and interfaces; the link's MTU
	}{
		{"the first of each", nil, "routed near: via 10.0.0.2, 1, 0"},
		{"one by a setting", map[string]string{"cable": "none"}, "none* near: , 1, 0"},
		{"all by settings", map[string]string{"cable": "dummy", "wire": "far"}, "dummy* far*: dev dummy0, 2, 1400"},
		{"the first one by a setting", map[string]string{"cable": "routed"}, "routed* near: via 10.0.0.2, 1, 0"},
		{"a setting goes before what an option sets", map[string]string{"wire": "far", "links.0.mtu": "1300"}, "routed far*: via 10.0.0.2, 1, 1300"},
		{"a setting below what an option sets", map[string]string{"cable": "dummy", "nodes.a.interfaces.dummy0.mtu": "1300"}, "dummy* near: dev dummy0, 2, 0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			top, err := topology.Parse("wired.yaml", []byte(wired), row.set)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, c := range top.Choices {
				got += c.Taken
				if c.Given {
					got += "*"
				}
				got += " "
			}
			got = got[:len(got)-1] + ": "
			for _, r := range top.Nodes[0].Routes {
				if r.Dev != "" {
					got += "dev " + r.Dev
				} else {
					got += "via " + r.Via.String()
				}
			}
			got += fmt.Sprintf(", %d, %d", len(top.Nodes[0].Interfaces), top.Links[0].MTU)
			if got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func TestAlternatives(t *testing.T) {
	for _, row := range []struct {
		name string
		set  map[string]string
		want []string
	}{
		{"an earlier choice weighs more", nil, []string{
			"cable=routed, wire=near", "cable=routed, wire=far", "cable=none, wire=near", "cable=none, wire=far", "cable=dummy, wire=near", "cable=dummy, wire=far"}},
		{"what a setting names stays", map[string]string{"cable": "none"}, []string{"cable=none, wire=near", "cable=none, wire=far"}},
		{"all are named", map[string]string{"cable": "none", "wire": "far"}, []string{"cable=none, wire=far"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			top, err := topology.Parse("wired.yaml", []byte(wired), row.set)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, way := range top.Alternatives() {
				got = append(got, topology.Way(way))
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	plain, err := topology.Parse("t.yaml", []byte("{topology: t, nodes: [{name: a, role: host}]}"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := plain.Alternatives(); len(got) != 1 || len(got[0]) != 0 {
		t.Errorf("without choices: %v, want one that is empty", got)
	}
}

func TestBadOptions(t *testing.T) {
	for _, row := range []struct {
		name string
		set  map[string]string
		want string
	}{
		{"a choice that there is not", map[string]string{"cabel": "none"}, "set cabel=none: unknown setting \"cabel\"\n  did you mean \"cable\"?"},
		{"an option that there is not", map[string]string{"cable": "nome"}, "set cable=nome: choice \"cable\" has no option \"nome\"\n  did you mean \"none\"?"},
		{"an option like none of them", map[string]string{"cable": ""}, "set cable=: choice \"cable\" has no option \"\"\n  one of dummy, none, routed"},
		{"something below a choice", map[string]string{"cable.options": "x"}, "set cable.options=x: \"options\" lies below a choice\n  write cable=routed"},
		{"the choices themselves", map[string]string{"choices.0.name": "x"},
			"set choices.0.name=x: the choices are the file's own\n  name an option of a choice, as cable=vxlan"},
		{"what this option does not have", map[string]string{"nodes.a.interfaces.dummy0.mtu": "1300"},
			"set nodes.a.interfaces.dummy0.mtu=1300: no \"dummy0\" in this list of 1\n  it can only be eth0"},
	} {
		t.Run(row.name, func(t *testing.T) {
			top, err := topology.Parse("wired.yaml", []byte(wired), row.set)
			if err == nil || top != nil || err.Error() != row.want {
				t.Errorf("got  %v\nwant %s", err, row.want)
			}
		})
	}
}

func TestTooManyWaysToChoose(t *testing.T) {
	src := "topology: t\nchoices:\n"
	for i := range 6 {
		src += fmt.Sprintf("  - {name: c%d, options: [{name: a}, {name: b}]}\n", i)
	}
	src += "nodes: [{name: a, role: host}]\n"
	_, err := topology.Parse("t.yaml", []byte(src), nil)
	const want = "t.yaml:2:1: the options of the choices can be combined in 64 ways\n    2 | choices:\n      | ^\n  there may be 32"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
