package yamlfile_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

type file struct {
	Name  string            `yaml:"name"`
	Nodes []item            `yaml:"nodes,omitempty"`
	Set   map[string]string `yaml:"set,omitempty"`
	Wait  time.Duration     `yaml:"wait,omitempty"`
	Want  `yaml:",inline"`
}

type item struct {
	Name      string         `yaml:"name"`
	Port      uint16         `yaml:"port,omitempty"`
	On        bool           `yaml:"on,omitempty"`
	Addresses []netip.Prefix `yaml:"addresses,omitempty"`
	Via       netip.Addr     `yaml:"via,omitempty"`
	Proxy     *proxy         `yaml:"proxy,omitempty"`
	To        []target       `yaml:"to,omitempty"`
}

type proxy struct {
	Mode  string   `yaml:"mode,omitempty"`
	Flags []string `yaml:"flags,omitempty"`
}

type target struct {
	Node string `yaml:"node"`
}

func (t *target) FromScalar(text string) error {
	t.Node = text
	return nil
}

type Want struct {
	Grows *bool `yaml:"grows,omitempty"`
}

func ptr[T any](v T) *T { return &v }

func TestDecode(t *testing.T) {
	src := `
name: all   # a comment
wait: 1m30s
grows: false
set: {a.b: 1, c: true, d: "x y", e: 1.30}
nodes:
  - name: one
    port: 80
    on: true
    addresses: [10.0.0.1/24, "fd00::1/64"]
    via: 10.0.0.254
    proxy: {}
    to: [two, {node: three}]
  - {name: two, proxy: {mode: ipvs}, addresses: 10.0.0.2/24}
`
	want := file{
		Name: "all", Wait: 90 * time.Second, Want: Want{Grows: ptr(false)},
		Set: map[string]string{"a.b": "1", "c": "true", "d": "x y", "e": "1.30"},
		Nodes: []item{
			{Name: "one", Port: 80, On: true,
				Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24"), netip.MustParsePrefix("fd00::1/64")},
				Via:       netip.MustParseAddr("10.0.0.254"), Proxy: &proxy{}, To: []target{{"two"}, {"three"}}},
			{Name: "two", Proxy: &proxy{Mode: "ipvs"}, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}},
		},
	}
	var got file
	d, errs := yamlfile.Decode("f.yaml", []byte(src), &got)
	if errs != nil {
		t.Fatal(errs)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]yamlfile.Position{
		"name":                  {File: "f.yaml", Line: 2, Column: 7},
		"set[a.b]":              {File: "f.yaml", Line: 5, Column: 12},
		"nodes[0]":              {File: "f.yaml", Line: 7, Column: 5},
		"nodes[0].addresses[1]": {File: "f.yaml", Line: 10, Column: 30},
		"nodes[1].name":         {File: "f.yaml", Line: 14, Column: 12},
		"nodes[1]":              {File: "f.yaml", Line: 14, Column: 5},
		"nodes[1].port":         {File: "f.yaml", Line: 14, Column: 5},
		"nodes[1].proxy":        {File: "f.yaml", Line: 14, Column: 24},
	} {
		if got := d.At(path); got != want {
			t.Errorf("At(%q) = %v, want %v", path, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, row := range []struct{ name, src, want string }{
		{"an unknown field suggests the nearest", "nam: x", `
f.yaml:1:1: unknown field "nam"
    1 | nam: x
      | ^
  did you mean "name"?`},
		{"an unknown field far from all lists them", "zzzzzz: x", `
f.yaml:1:1: unknown field "zzzzzz"
    1 | zzzzzz: x
      | ^
  one of grows, name, nodes, set, wait`},
		{"everything is reported, by position", "nodes:\n- {name: a, port: 70000, on: yes}\n- {via: 10.0.0.300, addresses: [10.0.0.1]}\nnodes: 1\nwait: 5", `
f.yaml:2:19: 70000 is out of range
    2 | - {name: a, port: 70000, on: yes}
      |                   ^
  it goes from 0 to 65535
f.yaml:2:30: "yes" is neither true nor false
    2 | - {name: a, port: 70000, on: yes}
      |                              ^
  write true or false
f.yaml:3:9: "10.0.0.300" is not an IP address
    3 | - {via: 10.0.0.300, addresses: [10.0.0.1]}
      |         ^
f.yaml:3:33: "10.0.0.1" has no prefix length
    3 | - {via: 10.0.0.300, addresses: [10.0.0.1]}
      |                                 ^
  write 10.0.0.1/32 for this one address
f.yaml:4:1: key "nodes" stands here twice
    4 | nodes: 1
      | ^
  the first is in line 1
f.yaml:5:7: "5" is not a duration
    5 | wait: 5
      |       ^
  write a number with its unit: "500ms", "2s", "1m30s"`},
		{"a key without a value", "name: a\nset:\n", `
f.yaml:2:1: no value
    2 | set:
      | ^
  take the line out, or write {} for a mapping, [] for a list, "" for empty text`},
		{"a wrong shape", "name: [a]\nnodes: {}\nset: x", `
f.yaml:1:7: a single value is wanted here, not a list
    1 | name: [a]
      |       ^
f.yaml:2:8: a list is wanted here, not a mapping
    2 | nodes: {}
      |        ^
f.yaml:3:6: a mapping is wanted here, not a single value
    3 | set: x
      |      ^`},
		{"a quoted number", `nodes: [{port: "80"}]`, `
f.yaml:1:16: "80" is not a whole number
    1 | nodes: [{port: "80"}]
      |                ^
  take the quotation marks away`},
		{"an anchor", "set: &x {a: b}\nname: *x", `
f.yaml:1:6: anchor is not part of this language
    1 | set: &x {a: b}
      |      ^
  write the value out
f.yaml:2:7: alias is not part of this language
    2 | name: *x
      |       ^
  write the value out`},
		{"a second document, and nothing of what the first one lacks", "nome: a\n---\nname: b\n---\nname: c\n", `
f.yaml:3:1: a second document in one file
    3 | name: b
      | ^
  write it into a file of its own`},
		{"bad YAML", "name: [a\nset: 1", `
f.yaml:2:1: ',' or ']' must be specified
    2 | set: 1
      | ^`},
		{"an empty file", "# nothing\n", `
f.yaml:1:1: the file is empty
    1 | # nothing
      | ^`},
		{"columns count characters", "name: é\nnodes: [{name: é, x: 1}]", `
f.yaml:2:19: unknown field "x"
    2 | nodes: [{name: é, x: 1}]
      |                   ^
  one of addresses, name, on, port, proxy, to, via`},
	} {
		t.Run(row.name, func(t *testing.T) {
			var into file
			_, errs := yamlfile.Decode("f.yaml", []byte(row.src), &into)
			if diff := cmp.Diff(strings.TrimPrefix(row.want, "\n"), errs.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSet(t *testing.T) {
	src := "name: a\nnodes:\n- name: one\n- {name: eth0, port: 1}\n- {name: eth0.178, port: 2}\n"
	set := map[string]string{
		"name": "b", "set.x.y": "1", "nodes.one.proxy.mode": "ipvs", "nodes.one.proxy.flags": "[--a, --b]",
		"nodes.eth0.port": "8", "nodes.eth0.178.port": "9", "nodes.2.on": "true", "wait": "1s",
	}
	d := yamlfile.Parse("f.yaml", []byte(src))
	var got file
	d.Set(set, &got)
	d.Decode(&got)
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	want := file{Name: "b", Wait: time.Second, Set: map[string]string{"x.y": "1"}, Nodes: []item{
		{Name: "one", Proxy: &proxy{Mode: "ipvs", Flags: []string{"--a", "--b"}}},
		{Name: "eth0", Port: 8}, {Name: "eth0.178", Port: 9, On: true},
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
}

func TestSetErrors(t *testing.T) {
	src := "name: a\nnodes:\n- name: one\n"
	d := yamlfile.Parse("f.yaml", []byte(src))
	var into file
	d.Set(map[string]string{
		"nam": "x", "nodes.oen.port": "1", "nodes.one.port": "x", "nodes.one.proxy.flags": "[a", "name.x": "1", "nodes.one.proxy.flags.0": "1", "nodes.one": "3",
	}, &into)
	d.Decode(&into)
	d.Errorf("nodes[0].name", "", "a mistake in the file comes last: it may follow from a setting")
	want := `set nam=x: unknown setting "nam"
  did you mean "name"?
set name.x=1: "x" lies below a single value
set nodes.oen.port=1: no "oen" in this list of 1
  did you mean "one"?
set nodes.one.port=x: "x" is not a whole number
  write a decimal number
set nodes.one.proxy.flags.0=1: there is no list with "0"
set nodes.one.proxy.flags=[a: sequence end token ']' not found
set nodes.one=3: a mapping is wanted here, not a single value
f.yaml:3:9: a mistake in the file comes last: it may follow from a setting
    3 | - name: one
      |         ^`
	if diff := cmp.Diff(want, d.Errors().Error()); diff != "" {
		t.Error(diff)
	}
}

func TestWhatFollowsFromAMistakeIsLeftOut(t *testing.T) {
	src := "name: a\nnodes:\n- {nam: one, port: x}\n- name: two\n"
	var into file
	d, _ := yamlfile.Decode("f.yaml", []byte(src), &into)
	before := len(d.Errors())
	d.Errorf("nodes[0].name", "", "no name")
	d.Errorf("nodes[0].port", "", "port 0")
	if got := d.Errors(); len(got) != before {
		t.Errorf("what follows was added: %v", got)
	}
	d.Errorf("nodes[1].port", "", "no port")
	d.KeyErrorf("nodes[1].name", "", "bad key")
	if got := d.Errors(); len(got) != before+2 {
		t.Errorf("what does not follow was left out: %v", got)
	}
	if !d.Broken("nodes[0]") || !d.Broken("nodes[0].port") || !d.Broken("nodes") || d.Broken("nodes[1]") || d.Broken("name") {
		t.Error("Broken is wrong")
	}
}

// overlaid is file with settings that stand in it.
type overlaid struct {
	Name  string         `yaml:"name"`
	Nodes []item         `yaml:"nodes,omitempty"`
	More  yamlfile.Paths `yaml:"more,omitempty"`
	After string         `yaml:"after,omitempty"`
}

func TestOverlay(t *testing.T) {
	d := yamlfile.Parse("f.yaml", []byte(`
name: all
more:
  nodes.one.to: [a, {node: b}]
  nodes.one.addresses: 10.0.0.1/24
  nodes.0.proxy.mode: plain
  after: x
nodes: [{name: one, port: 1}]
`))
	var got overlaid
	d.Overlay("more", &got)
	d.Overlay("missing", &got)
	d.Overlay("name", &got)
	d.Set(map[string]string{"nodes.one.proxy.mode": "bold"}, &got)
	d.Decode(&got)
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	want := overlaid{
		Name: "all", After: "x", More: yamlfile.Paths{"nodes.one.to", "nodes.one.addresses", "nodes.0.proxy.mode", "after"},
		Nodes: []item{{Name: "one", Port: 1, To: []target{{"a"}, {"b"}}, Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}, Proxy: &proxy{Mode: "bold"}}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if got, want := d.At("nodes[0].to[1].node"), (yamlfile.Position{File: "f.yaml", Line: 4, Column: 28}); got != want {
		t.Errorf("At = %+v, want %+v", got, want)
	}
}

func TestOverlayErrors(t *testing.T) {
	d := yamlfile.Parse("f.yaml", []byte(`name: all
more:
  nodes.two.port: 3
  nodes.one.prot: 3
  nodes.one.port: many
  nodes.one.to: {a: b}
  name: &a b
nodes: [{name: one, port: 1}]
`))
	var got overlaid
	d.Overlay("more", &got)
	d.SetErrorf("name", "b", "write a", "wrong %s", "name")
	d.Decode(&got)
	const want = `set name=b: wrong name
  write a
f.yaml:3:3: no "two" in this list of 1
    3 |   nodes.two.port: 3
      |   ^
  it can only be one
f.yaml:4:3: unknown setting "prot"
    4 |   nodes.one.prot: 3
      |   ^
  did you mean "port"?
f.yaml:5:19: "many" is not a whole number
    5 |   nodes.one.port: many
      |                   ^
  write a decimal number
f.yaml:6:3: a list is wanted here, not a mapping
    6 |   nodes.one.to: {a: b}
      |   ^
f.yaml:7:9: anchor is not part of this language
    7 |   name: &a b
      |         ^
  write the value out`
	if err := d.Err(); err == nil || err.Error() != want {
		t.Errorf("%s", cmp.Diff(want, err.Error()))
	}
}

func TestSetSuggestsWhatTheCallerTakes(t *testing.T) {
	d := yamlfile.Parse("f.yaml", []byte("name: all\nnodes: [{name: one}]\n"))
	d.Set(map[string]string{"cabel": "x", "nodes.one.cabel": "x"}, &overlaid{}, "cable")
	const want = "set cabel=x: unknown setting \"cabel\"\n  did you mean \"cable\"?\nset nodes.one.cabel=x: unknown setting \"cabel\"\n  one of addresses, name, on, port, proxy, to, via"
	if err := d.Err(); err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}

func TestInherit(t *testing.T) {
	d := yamlfile.Parse("f.yaml", []byte(`
nodes:
  - {name: one, port: 1, to: [{node: a}, {node: b}, c]}
  - {name: two, on: true, to: [{node: b}, d]}
  - {port: 3}
name: all
`))
	var first, got overlaid
	d.Again().Decode(&first)
	d.Inherit("nodes[1]", "nodes[0]", "to")
	d.Inherit("nodes[2]", "nodes[0]")
	d.Inherit("nodes[9]", "nodes[0]")
	d.Inherit("nodes[0]", "name")
	d.Decode(&got)
	if err := d.Err(); err != nil {
		t.Fatal(err)
	}
	want := []item{
		{Name: "one", Port: 1, To: []target{{"a"}, {"b"}, {"c"}}},
		{Name: "two", Port: 1, On: true, To: []target{{"a"}, {"c"}, {"b"}, {"d"}}},
		{Name: "one", Port: 3, To: []target{{"a"}, {"b"}, {"c"}}},
	}
	if diff := cmp.Diff(want, got.Nodes, cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})); diff != "" {
		t.Error(diff)
	}
	if len(first.Nodes[1].To) != 2 || first.Nodes[1].Port != 0 {
		t.Errorf("what was decoded before has changed: %+v", first.Nodes)
	}
	if at := d.At("nodes[1].to[0]"); at.Line != 3 || at.Column != 31 {
		t.Errorf("At = %+v, want where it stands in the other one", at)
	}
}
