package read

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/internal/testns"
	"github.com/faultline-lab/faultline/harness/probe"
)

// session is a running Main.
type session struct {
	t   *testing.T
	in  *json.Encoder
	out *bufio.Reader
}

func start(t *testing.T) *session {
	t.Helper()
	stdin, requests := io.Pipe()
	batches, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- Main(stdin, stdout)
		stdout.Close()
	}()
	t.Cleanup(func() {
		requests.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &session{t, json.NewEncoder(requests), bufio.NewReader(batches)}
}

func (s *session) ask(specs ...evidence.Spec) evidence.Batch {
	s.t.Helper()
	if err := s.in.Encode(evidence.Request{Specs: specs}); err != nil {
		s.t.Fatal(err)
	}
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		s.t.Fatal(err)
	}
	var b evidence.Batch
	if err := json.Unmarshal(line, &b); err != nil {
		s.t.Fatal(err)
	}
	if b.Error == "" && len(b.Readings) != len(specs) || b.Error != "" && len(b.Readings) > 0 {
		s.t.Fatalf("batch for %d specs: %+v", len(specs), b)
	}
	return b
}

// own stands for the probe's source, which is known after it.
var own = netip.MustParseAddrPort("0.0.0.0:1")

// around takes evidence around one probe, as a trial does.
func around(t *testing.T, request probe.Request, want probe.Outcome, specs ...evidence.Spec) []evidence.Finding {
	t.Helper()
	s := start(t)
	before := s.ask(specs...)
	if before.Error != "" {
		t.Fatal(before.Error)
	}
	o, err := probe.Dial(context.Background(), request)
	if err != nil {
		t.Fatal(err)
	}
	if o.Outcome != want {
		t.Fatalf("outcome %s %q, want %s", o.Outcome, o.Detail, want)
	}
	for i := range specs {
		if q := specs[i].Conntrack; q != nil && q.From == own || specs[i].Packets != nil && specs[i].Packets.Own {
			specs[i] = specs[i].Of(request.Proto, o.Local)
		}
	}
	after := s.ask(specs...)
	if after.Error != "" {
		t.Fatal(after.Error)
	}
	var findings []evidence.Finding
	for i, spec := range specs {
		findings = append(findings, spec.Judge(before.Readings[i], after.Readings[i]))
	}
	return findings
}

func yes() *bool { b := true; return &b }
func no() *bool  { b := false; return &b }

func count(n int64) *int64 { return &n }

func serve(t *testing.T, s probe.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- probe.Serve(ctx, s, func() error { close(ready); return nil }) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); <-ended })
}

// row is evidence with what must come of it: every kind is also seen failing.
type row struct {
	spec evidence.Spec
	ok   bool
	why  string // a part of Why
}

func check(t *testing.T, request probe.Request, outcome probe.Outcome, rows []row) {
	t.Helper()
	var specs []evidence.Spec
	for _, r := range rows {
		r.spec.On = "here"
		for _, p := range r.spec.Validate() {
			t.Errorf("%s: %s %s", r.spec.Title(), p.Field, p.Msg)
		}
		specs = append(specs, r.spec)
	}
	for i, f := range around(t, request, outcome, specs...) {
		if f.OK != rows[i].ok || !strings.Contains(f.Why, rows[i].why) {
			t.Errorf("%s, wanted %s: ok %v, want %v: %s\nwant in it: %s\nbefore %+v\nafter  %+v",
				f.Spec.Title(), f.Spec.Want, f.OK, rows[i].ok, f.Why, rows[i].why, f.Before, f.After)
		}
	}
}

func TestConntrackOfTranslatedFlows(t *testing.T) {
	testns.Need(t)
	serve(t, probe.Server{Name: "web", TCP: []uint16{8080, 8081}, UDP: []uint16{5353}})
	flow := func(to, proto string, from netip.AddrPort, w evidence.Want) evidence.Spec {
		return evidence.Spec{Conntrack: &evidence.Conntrack{To: to, Proto: proto, From: from}, Want: w}
	}
	var any netip.AddrPort
	rows := map[string]struct {
		proto, to string
		has       []string
		lacks     []string
	}{
		"source and destination": {"tcp", "10.96.0.10:80", []string{"SRC_NAT", "DST_NAT", "SEEN_REPLY", "ASSURED", "CONFIRMED"}, nil},
		"destination alone":      {"tcp", "10.96.0.11:80", []string{"DST_NAT", "CONFIRMED"}, []string{"SRC_NAT"}},
		"source alone":           {"tcp", "192.0.2.1:8081", []string{"SRC_NAT", "CONFIRMED"}, []string{"DST_NAT"}},
		"nothing":                {"tcp", "192.0.2.1:8080", []string{"CONFIRMED"}, []string{"SRC_NAT", "DST_NAT"}},
		"datagrams":              {"udp", "10.96.0.10:53", []string{"SRC_NAT", "DST_NAT"}, []string{"ASSURED"}},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			to := netip.MustParseAddrPort(r.to)
			// An older flow to the same place must not be taken for the probe's.
			if _, err := probe.Dial(context.Background(), probe.Request{Proto: r.proto, To: to}); err != nil {
				t.Fatal(err)
			}
			other := map[string]string{"tcp": "udp", "udp": "tcp"}
			nowhere := netip.AddrPortFrom(to.Addr(), 4).String()
			check(t, probe.Request{Proto: r.proto, To: to}, probe.Delivered, []row{
				{flow(r.to, r.proto, own, evidence.Want{Has: r.has, Lacks: r.lacks}), true, "has " + r.has[0]},
				{flow(r.to, r.proto, any, evidence.Want{Has: r.has, Lacks: r.lacks}), true, "-> " + r.to}, // by being new
				{flow(r.to, r.proto, own, evidence.Want{Lacks: r.has[:1]}), false, "has " + r.has[0] + " (wanted: lacks " + r.has[0] + ")"},
				{flow(r.to, r.proto, own, evidence.Want{Has: []string{"DYING"}}), false, "lacks DYING (wanted: has DYING)"},
				{flow(r.to, r.proto, own, evidence.Want{Seen: no()}), false, "is there (wanted: not seen)"},
				{flow(r.to, other[r.proto], own, evidence.Want{Seen: yes()}), false, "is not there"},
				{flow(nowhere, r.proto, own, evidence.Want{Lacks: []string{"DYING"}}), false, "is not there"},
				{flow(nowhere, r.proto, any, evidence.Want{Seen: no()}), true, "is not there"},
			})
		})
	}
}

func TestConntrackOfAnUnansweredFlow(t *testing.T) {
	testns.Need(t)
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("10.96.1.1:80"), Timeout: 300e6}, probe.Timeout, []row{
		{evidence.Spec{Conntrack: &evidence.Conntrack{To: "10.96.1.1:80", From: own},
			Want: evidence.Want{Has: []string{"SYN_SENT"}, Lacks: []string{"SEEN_REPLY", "ASSURED"}}}, true, "SYN_SENT [CONFIRMED"},
		{evidence.Spec{Conntrack: &evidence.Conntrack{To: "10.96.1.1:80", From: own},
			Want: evidence.Want{Has: []string{"ESTABLISHED"}}}, false, "lacks ESTABLISHED"},
	})
}

// Another's flow to the same place may have the probe's source port: another pod's, or one from before.
func TestConntrackOfAnotherFlowWithTheSamePort(t *testing.T) {
	testns.Need(t)
	const to = "192.0.2.1:8086"
	l, err := net.Listen("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	dial := func(from string) {
		t.Helper()
		d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.MustParseAddrPort(from))}
		c, err := d.Dial("tcp", to)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	spec := func(from string) evidence.Spec {
		return evidence.Spec{Conntrack: &evidence.Conntrack{To: to, From: netip.MustParseAddrPort(from)}, Want: evidence.Want{Seen: yes()}}
	}
	for name, row := range map[string]struct {
		before, during []string
		ask            string
		want           string // of the reading's flow; empty: none
	}{
		"from before, another address": {list("127.0.0.5:20001"), nil, "192.0.2.1:20001", ""},
		"from before, address unknown": {list("127.0.0.5:20002"), nil, "0.0.0.0:20002", ""},
		"from before, the same source": {list("127.0.0.5:20003"), nil, "127.0.0.5:20003", ""},
		"new, another address":         {nil, list("127.0.0.5:20004"), "192.0.2.1:20004", ""},
		"new beside the probe's":       {nil, list("127.0.0.5:20005", "192.0.2.1:20005"), "192.0.2.1:20005", "192.0.2.1:20005 -> "},
		"from before, and the probe's": {list("127.0.0.5:20006"), list("192.0.2.1:20006"), "0.0.0.0:20006", "192.0.2.1:20006 -> "},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			for _, from := range row.before {
				dial(from)
			}
			s.ask(evidence.Spec{Conntrack: &evidence.Conntrack{To: to}, Want: evidence.Want{Seen: yes()}})
			for _, from := range row.during {
				dial(from)
			}
			b := s.ask(spec(row.ask))
			if b.Error != "" {
				t.Fatal(b.Error)
			}
			if got := b.Readings[0]; got.Exists != (row.want != "") || !strings.HasPrefix(got.Value, row.want) {
				t.Errorf("reading %+v, want of %q", got, row.want)
			}
		})
	}
}

func list(all ...string) []string { return all }

// Packets of another flow, with the very addresses of the probe's but for the source port, are not its own.
func TestOwnPackets(t *testing.T) {
	testns.Need(t)
	serve(t, probe.Server{Name: "web", TCP: []uint16{8087}})
	to := netip.MustParseAddrPort("192.0.2.1:8087")
	packets := func(from, to, flags string, w evidence.Want) evidence.Spec {
		return evidence.Spec{On: "here", Packets: &evidence.Packets{Interface: "lo", From: from, To: to, Flags: flags, Own: true}, Want: w}
	}
	all := evidence.Spec{On: "here", Packets: &evidence.Packets{Interface: "lo", To: to.String(), Flags: "syn"}, Want: evidence.Want{Count: count(3)}}
	specs := []evidence.Spec{all,
		packets("", to.String(), "syn", evidence.Want{Count: count(1)}),
		packets(to.String(), "", "syn-ack", evidence.Want{Count: count(1)}), // the other way
		packets("", "192.0.2.9", "", evidence.Want{Seen: yes()}),
	}
	s := start(t)
	before := s.ask(specs...)
	var o probe.Observation
	for range 3 {
		var err error
		if o, err = probe.Dial(context.Background(), probe.Request{Proto: "tcp", To: to}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range specs[1:] {
		specs[1+i] = specs[1+i].Of("tcp", o.Local)
	}
	after := s.ask(specs...)
	if after.Error != "" {
		t.Fatal(after.Error)
	}
	for i, want := range []string{
		"packets at lo to 192.0.2.1:8087 syn counts 3",
		"own packets at lo to 192.0.2.1:8087 tcp syn counts 1",
		"own packets at lo from 192.0.2.1:8087 tcp syn-ack counts 1",
		"own packets at lo to 192.0.2.9 tcp is not there (wanted: seen)",
	} {
		if got := specs[i].Judge(before.Readings[i], after.Readings[i]).Why; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	// Filled in for another flow, or for none, it is no evidence.
	s = start(t)
	s.ask(packets("", "", "", evidence.Want{Seen: yes()}))
	if b := s.ask(packets("", "", "", evidence.Want{Seen: yes()})); !strings.Contains(b.Error, "the probe's port is not known") {
		t.Errorf("batch %+v", b)
	}
}

func TestConntrackOverIPv6(t *testing.T) {
	testns.Need(t)
	serve(t, probe.Server{Name: "web", TCP: []uint16{8083}})
	q := func() *evidence.Conntrack { return &evidence.Conntrack{To: "[2001:db8::1]:8083", From: own} }
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("[2001:db8::1]:8083")}, probe.Delivered, []row{
		{evidence.Spec{Conntrack: q(), Want: evidence.Want{Has: []string{"SEEN_REPLY"}}}, true, "-> [2001:db8::1]:8083"},
		{evidence.Spec{Conntrack: q(), Want: evidence.Want{Lacks: []string{"SEEN_REPLY"}}}, false, "has SEEN_REPLY"},
	})
}

func TestTwoNewFlowsAreAnError(t *testing.T) {
	testns.Need(t)
	serve(t, probe.Server{Name: "web", TCP: []uint16{8084}})
	s := start(t)
	spec := evidence.Spec{Conntrack: &evidence.Conntrack{To: "192.0.2.1:8084"}, Want: evidence.Want{Seen: yes()}}
	s.ask(spec)
	for range 2 {
		if _, err := probe.Dial(context.Background(), probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("192.0.2.1:8084")}); err != nil {
			t.Fatal(err)
		}
	}
	if b := s.ask(spec); !strings.Contains(b.Error, "2 conntrack entries could be the probe's flow: tcp 6 ") {
		t.Errorf("batch %+v", b)
	}
}

func TestRules(t *testing.T) {
	testns.Need(t)
	serve(t, probe.Server{Name: "web", TCP: []uint16{8080}})
	rule := func(chain, contains string, w evidence.Want) evidence.Spec {
		return evidence.Spec{Rule: &evidence.Rule{Backend: "nft", Table: "ip lab", Chain: chain, Contains: contains}, Want: w}
	}
	grows, stays := evidence.Want{Grows: yes()}, evidence.Want{Grows: no()}
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("10.96.0.10:80")}, probe.Delivered, []row{
		{rule("out", "tcp dport 80 dnat to 192.0.2.1:8080", grows), true, "grew by 1"},
		{rule("out", "tcp dport 80 counter dnat to 192.0.2.1:8080", grows), true, "grew by 1"},
		{rule("", `snat to 192.0.2.7 comment "as the node"`, grows), true, "grew by 1"},
		{rule("", "snat to 192.0.2.7", grows), true, "grew by 1"},
		{rule("in", "tcp flags syn", grows), true, "grew by 1"}, // a named counter
		{rule("post", "tcp dport 8081", stays), true, "stayed at"},
		{rule("post", "tcp dport 8081", grows), false, "stayed at"},
		{rule("out", "tcp dport 80 dnat", stays), false, "grew by 1 (wanted: stays)"},
		{rule("in", "tcp dport 80 dnat", grows), false, "is not there"}, // another chain's
		{rule("", "tcp dport 4711", stays), false, "is not there"},
		{rule("in", "udp dport 9999 drop", evidence.Want{Seen: yes()}), true, "is there"},
		{rule("in", "udp dport 9998 drop", evidence.Want{Seen: yes()}), false, "is not there"},
		{evidence.Spec{Rule: &evidence.Rule{Backend: "nft", Table: "ip6 lab", Contains: "x"}, Want: evidence.Want{Seen: no()}}, true, "is not there"},
	})
}

func TestIptablesRules(t *testing.T) {
	testns.Need(t)
	run(t, "iptables-nft", "-t", "mangle", "-A", "OUTPUT", "-p", "tcp", "--dport", "8085", "-m", "comment", "--comment", "to [web]", "-j", "MARK", "--set-mark", "0x1")
	serve(t, probe.Server{Name: "web", TCP: []uint16{8085}})
	rule := func(backend, table, contains string, w evidence.Want) evidence.Spec {
		return evidence.Spec{Rule: &evidence.Rule{Backend: backend, Table: table, Contains: contains}, Want: w}
	}
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("192.0.2.1:8085")}, probe.Delivered, []row{
		{rule("iptables-nft", "mangle", `--dport 8085 -m comment --comment "to [web]" -j MARK`, evidence.Want{Grows: yes()}), true, "grew by "},
		{rule("iptables-nft", "mangle", "-A OUTPUT -p tcp", evidence.Want{Grows: no()}), false, "grew by "},
		{rule("iptables", "mangle", "--dport 8085", evidence.Want{Grows: yes()}), true, "grew by "}, // in whichever backend it is
		{rule("ip6tables", "mangle", "--dport 8085", evidence.Want{Seen: yes()}), false, "is not there"},
		{rule("iptables-nft", "filter", "--dport 8085", evidence.Want{Seen: yes()}), false, "is not there"}, // another table's
		{rule("iptables-legacy", "mangle", "--dport 8085", evidence.Want{Seen: yes()}), false, "is not there"},
	})
}

func TestPackets(t *testing.T) {
	testns.Need(t)
	serve(t, probe.Server{Name: "web", TCP: []uint16{8080}})
	packets := func(at, from, to, proto, flags string, w evidence.Want) evidence.Spec {
		return evidence.Spec{Packets: &evidence.Packets{Interface: at, From: from, To: to, Proto: proto, Flags: flags}, Want: w}
	}
	once, never := evidence.Want{Count: count(1)}, evidence.Want{Count: count(0)}
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("10.96.0.10:80")}, probe.Delivered, []row{
		{packets("lo", "", "192.0.2.1:8080", "tcp", "syn", once), true, "counts 1"},
		{packets("lo", "192.0.2.7", "192.0.2.1:8080", "", "syn", once), true, "counts 1"},
		// The reply's source is translated back before the reply is sent.
		{packets("lo", "10.96.0.10:80", "", "", "ack-syn", once), true, "counts 1"},
		{packets("lo", "10.96.0.10:80", "", "", "", evidence.Want{Grows: yes()}), true, "grew by "},
		{packets("lo", "192.0.2.9,10.96.0.10:80", "", "tcp", "rst", never), true, "counts 0"},
		{packets("lo", "10.96.0.10:80", "", "", "syn-ack", never), false, "counts 1 (wanted: count 0)"},
		{packets("lo", "10.96.0.10:81", "", "", "syn-ack", once), false, "counts 0"},
		{packets("lo", "", "10.96.0.10:80", "", "", evidence.Want{Seen: no()}), true, "is not there"}, // translated before it is sent
		{packets("lo", "", "10.96.0.10:80", "", "", evidence.Want{Grows: yes()}), false, "stayed at 0"},
		{packets("lo", "", "192.0.2.1:8080", "udp", "", evidence.Want{Seen: yes()}), false, "is not there"},
		{packets("v1", "", "192.0.2.1:8080", "", "", evidence.Want{Seen: no()}), true, "is not there"},
	})
	// A SYN that nobody answers crosses a real interface, and so do its retransmissions.
	run(t, "ip", "neigh", "replace", "192.0.2.9", "lladdr", "02:00:00:00:00:09", "dev", "v0")
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("10.96.1.2:80"), Timeout: 1500e6}, probe.Timeout, []row{
		{packets("v0", "192.0.2.1", "10.96.1.2:80", "tcp", "syn", evidence.Want{Count: count(2)}), true, "counts 2"},
		{packets("v1", "192.0.2.1", "10.96.1.2:80", "tcp", "syn", evidence.Want{Count: count(2)}), true, "counts 2"},
		{packets("v0", "10.96.1.2", "", "", "", evidence.Want{Seen: yes()}), false, "is not there"},
	})
}

func TestCountersAndSysctls(t *testing.T) {
	testns.Need(t)
	run(t, "sysctl", "-qw", "net.ipv4.conf.v0.rp_filter=1", "net.ipv4.ip_local_port_range=20000 30000")
	serve(t, probe.Server{Name: "web", TCP: []uint16{8082}})
	is := func(name, value string) evidence.Spec {
		return evidence.Spec{Sysctl: name, Want: evidence.Want{Is: value}}
	}
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("192.0.2.1:8082"), Timeout: 1500e6}, probe.Timeout, []row{
		{evidence.Spec{Netstat: "RetransSegs", Want: evidence.Want{Grows: yes()}}, true, "RetransSegs grew by 1"},
		{evidence.Spec{Netstat: "Tcp.RetransSegs", Want: evidence.Want{Grows: no()}}, false, "Tcp.RetransSegs grew by 1 (wanted: stays)"},
		{evidence.Spec{Netstat: "IPReversePathFilter", Want: evidence.Want{Grows: no()}}, true, "stayed at 0"},
		{evidence.Spec{Xfrm: "XfrmInNoPols", Want: evidence.Want{Count: count(0)}}, true, "XfrmInNoPols counts 0"},
		{evidence.Spec{Xfrm: "XfrmInNoPols", Want: evidence.Want{Grows: yes()}}, false, "XfrmInNoPols stayed at 0 (wanted: grows)"},
		{is("net.ipv4.conf.v0.rp_filter", "1"), true, `is "1"`},
		{is("net.ipv4.conf.v0.rp_filter", "2"), false, `is "1" (wanted: is "2")`},
		{is("net.ipv4.ip_local_port_range", "20000 30000"), true, `is "20000 30000"`},
	})
}

// The list that scenario files are held against has every counter of this kernel. A newer one may want it longer.
func TestEveryCounterIsKnown(t *testing.T) {
	known := func(s evidence.Spec) {
		t.Helper()
		s.On, s.Grows = "a", yes()
		if wrong := s.Validate(); wrong != nil {
			t.Errorf("%+v", wrong)
		}
	}
	for _, file := range []string{"/proc/net/netstat", "/proc/net/snmp"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		counters, err := parseNetstat(string(text))
		if err != nil || len(counters) == 0 {
			t.Fatalf("%d counters in %s, error %v", len(counters), file, err)
		}
		for _, c := range counters {
			if c.group != "IcmpMsg" { // which cannot be asked for
				known(evidence.Spec{Netstat: c.group + "." + c.name})
			}
		}
	}
	xfrm, err := os.ReadFile("/proc/net/xfrm_stat")
	if err != nil {
		t.Skipf("SKIPPED, of XFRM counters: %v", err)
	}
	for line := range strings.Lines(string(xfrm)) {
		known(evidence.Spec{Xfrm: strings.Fields(line)[0]})
	}
}

func TestXfrmCounterGrows(t *testing.T) {
	testns.Need(t)
	run(t, "ip", "xfrm", "policy", "add", "dst", "192.0.2.9/32", "proto", "tcp", "dir", "out", "action", "block")
	t.Cleanup(func() { run(t, "ip", "xfrm", "policy", "flush") })
	check(t, probe.Request{Proto: "tcp", To: netip.MustParseAddrPort("192.0.2.9:80"), Timeout: 300e6}, probe.Unreachable, []row{
		{evidence.Spec{Xfrm: "XfrmOutPolBlock", Want: evidence.Want{Grows: yes()}}, true, "XfrmOutPolBlock grew by "},
		{evidence.Spec{Xfrm: "XfrmInNoPols", Want: evidence.Want{Grows: yes()}}, false, "stayed at 0"},
	})
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	testns.Need(t)
	rows := map[string]struct {
		spec evidence.Spec
		want string
	}{
		"no XFRM counter of that name": {evidence.Spec{Xfrm: "XfrmInNoPol"}, "this kernel has no XFRM counter XfrmInNoPol; it has XfrmAcquireError "},
		"no counter of that name":      {evidence.Spec{Netstat: "Tcp.RetransSeg"}, "this kernel has no counter Tcp.RetransSeg; Tcp has RtoAlgorithm "},
		"ambiguous counter":            {evidence.Spec{Netstat: "InErrors"}, "counter InErrors is ambiguous: Icmp.InErrors or Udp.InErrors"},
		"no sysctl of that name":       {evidence.Spec{Sysctl: "net.ipv4.conf.eth7.rp_filter"}, "there is no sysctl net.ipv4.conf.eth7.rp_filter"},
		"sysctl outside its tree":      {evidence.Spec{Sysctl: "//./etc/hostname"}, ""},
		"no interface of that name":    {evidence.Spec{Packets: &evidence.Packets{Interface: "eth7"}}, "there is no interface eth7; there is lo "},
		"names instead of addresses":   {evidence.Spec{Conntrack: &evidence.Conntrack{To: "web:80"}}, "parse original destination: "},
		"tool that is not there":       {evidence.Spec{Rule: &evidence.Rule{Backend: "iptables-made-up", Table: "nat", Contains: "x"}}, "run iptables-made-up-save: exec: "},
		"bad nft family":               {evidence.Spec{Rule: &evidence.Rule{Backend: "nft", Table: "ipx t", Contains: "x"}}, "run nft: exit status 1: Error: "},
		"rule without a counter": {evidence.Spec{Rule: &evidence.Rule{Backend: "nft", Table: "ip lab", Contains: "udp dport 9999"}, Want: evidence.Want{Grows: no()}},
			`the rule "udp dport 9999 drop" in chain in has no counter`},
		"no kind": {evidence.Spec{Name: "odd"}, `read "odd": no reader for evidence of kind ""`},
	}
	for name, r := range rows {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			b := s.ask(r.spec)
			if b.Error == "" || !strings.Contains(b.Error, r.want) {
				t.Errorf("error %q does not say %q: %+v", b.Error, r.want, b.Readings)
			}
			if lacks := strings.HasPrefix(r.want, "this kernel has no "); b.Lacks != lacks {
				t.Errorf("the kernel lacks it: %v, want %v", b.Lacks, lacks)
			}
			// The next pair begins with a reading before a probe.
			fine := evidence.Spec{Sysctl: "net.ipv4.ip_forward"}
			if b := s.ask(fine); b.Error != "" {
				t.Errorf("after the error: %s", b.Error)
			}
		})
	}
}

func TestRequestsComeInPairs(t *testing.T) {
	testns.Need(t)
	s := start(t)
	forward, counter := evidence.Spec{Sysctl: "net.ipv4.ip_forward"}, evidence.Spec{Netstat: "Tcp.RetransSegs"}
	s.ask(forward, counter)
	if b := s.ask(forward); b.Error != "read evidence after the probe: 1 specs, there were 2 before" {
		t.Errorf("error %q", b.Error)
	}
	s.ask(forward, counter)
	if b := s.ask(counter, forward); !strings.HasPrefix(b.Error, `read "Tcp.RetransSegs on " after the probe: before, this was "net.ipv4.ip_forward on "`) {
		t.Errorf("error %q", b.Error)
	}
	s.ask(forward)
	if b := s.ask(forward); b.Error != "" {
		t.Errorf("error %q", b.Error)
	}
}

func TestMainRefusesWhatIsNoRequest(t *testing.T) {
	err := Main(strings.NewReader(`{"spec":[]}`), io.Discard)
	if err == nil || err.Error() != `read evidence request: json: unknown field "spec"` {
		t.Errorf("error %v", err)
	}
}
