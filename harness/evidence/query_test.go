package evidence

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestHintsForCounters(t *testing.T) {
	for _, row := range []struct {
		spec Spec
		want string
	}{
		{Spec{Xfrm: "XfrmInNoPolls"}, `did you mean "XfrmInNoPols"?`},
		{Spec{Xfrm: "nopols"}, "their names begin with Xfrm, as in /proc/net/xfrm_stat: XfrmInNoPols"},
		{Spec{Netstat: "IPReversPathFilter"}, `did you mean "IPReversePathFilter"?`},
		{Spec{Netstat: "Tcp.IPReversePathFilter"}, `did you mean "TcpExt.IPReversePathFilter"?`},
		{Spec{Netstat: "tcp.RetransSegs"}, `did you mean "Tcp.RetransSegs"?`},
		{Spec{Netstat: "NoPorts"}, "one of Udp.NoPorts, UdpLite.NoPorts"},
		{Spec{Netstat: "drops"}, `"NAME" or "GROUP.NAME", as nstat and /proc/net/snmp have them: Tcp.RetransSegs`},
	} {
		got := row.spec.query().check()
		if len(got) != 1 || got[0].Hint != row.want {
			t.Errorf("%+v: %+v, want the hint %s", row.spec, got, row.want)
		}
	}
}

func TestValidate(t *testing.T) {
	grows := Want{Grows: ptr(true)}
	seen := Want{Seen: ptr(true)}
	rows := map[string]struct {
		spec Spec
		want []string // "field: message"
	}{
		"a counter":        {Spec{On: "a", Xfrm: "XfrmInNoPols", Want: grows}, nil},
		"an entry":         {Spec{On: "a", Conntrack: &Conntrack{To: "web:http", Proto: "udp"}, Want: Want{Has: []string{"SRC_NAT", "SYN_RECV"}}}, nil},
		"an nft rule":      {Spec{On: "a", Rule: &Rule{Backend: "nft", Table: "ip t", Contains: "x"}, Want: grows}, nil},
		"an iptables rule": {Spec{On: "a", Rule: &Rule{Backend: "ip6tables-legacy", Table: "nat", Contains: "x"}, Want: grows}, nil},
		"packets":          {Spec{On: "a", Packets: &Packets{Interface: "eth0", From: "a", To: "fd00::1", Flags: "fin-ack"}, Want: seen}, nil},
		"own packets":      {Spec{On: "a", Packets: &Packets{Interface: "eth0", Own: true, Proto: "udp"}, Want: seen}, nil},
		"own packets without ports": {Spec{On: "a", Packets: &Packets{Interface: "eth0", Own: true, Proto: "esp"}, Want: seen}, []string{
			"packets.own: a packet of esp has no port to know it by"}},
		"a counter of rules": {Spec{On: "a", Nfacct: "ct_state_invalid_dropped_pkts", Want: grows}, nil},
		"a counter with a long name": {Spec{On: "a", Nfacct: "thirty-two characters, this name", Want: grows}, []string{
			`nfacct: "thirty-two characters, this name" is longer than the name of a counter can be`}},
		"a counter with words": {Spec{On: "a", Nfacct: "x", Want: Want{Has: []string{"y"}}}, []string{"has: does not fit nfacct evidence"}},
		"destinations":         {Spec{On: "a", IPVS: &IPVS{Service: "web:80"}, Want: Want{Has: []string{"pod:8080", "rr"}}}, nil},
		"nothing at all":       {Spec{}, []string{"on: names no node", ": says nothing about what to read"}},
		"two kinds":            {Spec{On: "a", Xfrm: "XfrmX", Sysctl: "a.b", Want: grows}, []string{": reads xfrm and sysctl at once"}},
		"no want":              {Spec{On: "a", Xfrm: "XfrmInNoPols"}, []string{": says nothing about what must be there"}},
		"wants of other kinds": {Spec{On: "a", Sysctl: "a.b", Want: Want{Grows: ptr(true), Has: []string{"x"}, Is: "1"}}, []string{
			"grows: does not fit sysctl evidence", "has: does not fit sysctl evidence"}},
		"growing conntrack entry": {Spec{On: "a", Conntrack: &Conntrack{To: "web:80"}, Want: grows}, []string{"grows: does not fit conntrack evidence"}},
		"not seen, with words": {Spec{On: "a", Conntrack: &Conntrack{To: "web:80"}, Want: Want{Seen: ptr(false), Has: []string{"SRC_NAT"}}}, []string{
			"has: contradicts seen: false"}},
		"negative count":     {Spec{On: "a", Netstat: "Tcp.RetransSegs", Want: Want{Count: ptr[int64](-1)}}, []string{"count: is below 0"}},
		"nothing that grew":  {Spec{On: "a", Xfrm: "XfrmInNoPols", Want: Want{Grows: ptr(true), Count: ptr[int64](0)}}, []string{"grows: contradicts count: 0"}},
		"nothing that stays": {Spec{On: "a", Xfrm: "XfrmInNoPols", Want: Want{Grows: ptr(false), Count: ptr[int64](0)}}, nil},
		"no packet that is seen": {Spec{On: "a", Packets: &Packets{Interface: "eth0"}, Want: Want{Seen: ptr(true), Count: ptr[int64](0), Lacks: []string{"x"}}}, []string{
			"seen: contradicts count: 0", "lacks: contradicts count: 0"}},
		"a rule that counts nothing": {Spec{On: "a", Rule: &Rule{Backend: "nft", Table: "ip t", Contains: "x"}, Want: Want{Seen: ptr(true), Count: ptr[int64](0)}}, nil},
		"words that conntrack has not": {Spec{On: "a", Conntrack: &Conntrack{To: "web:80"}, Want: Want{Has: []string{"SRC_NAT", "SNAT"}, Lacks: []string{"dst_nat"}}}, []string{
			`has[1]: conntrack has no status "SNAT"`, `lacks[0]: conntrack has no status "dst_nat"`}},
		"a word that is wanted and not": {Spec{On: "a", Conntrack: &Conntrack{To: "web:80"}, Want: Want{Has: []string{"SRC_NAT"}, Lacks: []string{"SRC_NAT"}}}, []string{
			`lacks[0]: "SRC_NAT" stands in has[0] already`}},
		"another file's counter":  {Spec{On: "a", Xfrm: "RetransSegs", Want: grows}, []string{`xfrm: "RetransSegs" is no XFRM counter`}},
		"counter of no group":     {Spec{On: "a", Netstat: ".X", Want: grows}, []string{`netstat: ".X" is no counter's name`}},
		"a misspelt XFRM counter": {Spec{On: "a", Xfrm: "XfrmInNoPolls", Want: grows}, []string{`xfrm: "XfrmInNoPolls" is no XFRM counter`}},
		"a misspelt counter":      {Spec{On: "a", Netstat: "Tcp.RetranSegs", Want: grows}, []string{`netstat: "Tcp.RetranSegs" is no counter's name`}},
		"a counter of several":    {Spec{On: "a", Netstat: "NoPorts", Want: grows}, []string{`netstat: "NoPorts" is the name of several counters`}},
		"a counter of its group":  {Spec{On: "a", Netstat: "Udp.NoPorts", Want: grows}, nil},
		"a counter by its name":   {Spec{On: "a", Netstat: "IPReversePathFilter", Want: grows}, nil},
		"packets of a VLAN":       {Spec{On: "a", Packets: &Packets{Interface: "eth0", From: "a@eth1", To: "web", VLAN: 178}, Want: seen}, nil},
		"sysctl of one part":      {Spec{On: "a", Sysctl: "ip_forward", Want: Want{Is: "1"}}, []string{`sysctl: "ip_forward" is no sysctl's name`}},
		"destination without port": {Spec{On: "a", Conntrack: &Conntrack{To: "web", Proto: "sctp"}, Want: seen}, []string{
			`conntrack.to: "web" is not a name with a port`, `conntrack.proto: unknown protocol "sctp"`}},
		"replies of no port": {Spec{On: "a", Conntrack: &Conntrack{To: "web:80", ReplyFrom: "a:0", ReplyTo: "a"}, Want: seen}, []string{
			"conntrack.replyFrom: 0 is not a port"}},
		"service with a port too high": {Spec{On: "a", IPVS: &IPVS{Service: "web:70000"}, Want: seen}, []string{"ipvs.service: 70000 is not a port"}},
		"unknown backend":              {Spec{On: "a", Rule: &Rule{Backend: "ebtables", Table: "nat"}, Want: grows}, []string{`rule.backend: unknown backend "ebtables"`, "rule.contains: says nothing about the rule"}},
		"nft table without family":     {Spec{On: "a", Rule: &Rule{Backend: "nft", Table: "nat", Contains: "x"}, Want: grows}, []string{`rule.table: "nat" is no nft table`}},
		"iptables table with family":   {Spec{On: "a", Rule: &Rule{Backend: "iptables", Table: "ip nat", Contains: "x"}, Want: grows}, []string{`rule.table: "ip nat" is no table of iptables`}},
		"packets of no VLAN":           {Spec{On: "a", Packets: &Packets{Interface: "eth0", VLAN: 4095}, Want: seen}, []string{"packets.vlan: 4095 is not a VLAN"}},
		"packets of nowhere": {Spec{On: "a", Packets: &Packets{From: "a:0", To: "b:", Proto: "udp", Flags: "syn+ack"}, Want: seen}, []string{
			"packets.interface: names no interface", "packets.from: 0 is not a port", `packets.to: "b:" is not a name with a port`,
			`packets.flags: unknown TCP flag "syn+ack"`, "packets.flags: only TCP has flags"}},
		"unknown protocol": {Spec{On: "a", Packets: &Packets{Interface: "eth0", Proto: "sctp"}, Want: seen}, []string{`packets.proto: unknown protocol "sctp"`}},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, p := range row.spec.Validate() {
				got = append(got, p.Field+": "+p.Msg)
			}
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestTitle(t *testing.T) {
	rows := map[string]Spec{
		"XfrmInNoPols on a":                               {On: "a", Xfrm: "XfrmInNoPols"},
		"nfacct drops on a":                               {On: "a", Nfacct: "drops"},
		"conntrack to web:80 on a":                        {On: "a", Conntrack: &Conntrack{To: "web:80", Proto: "tcp"}},
		"conntrack to web:53/udp on a":                    {On: "a", Conntrack: &Conntrack{To: "web:53", Proto: "udp"}},
		`rule "-j MASQUERADE" in iptables nat on a`:       {On: "a", Rule: &Rule{Backend: "iptables", Table: "nat", Contains: "-j MASQUERADE"}},
		"packets at eth0 to a vlan 178 on a":              {On: "a", Packets: &Packets{Interface: "eth0", To: "a", VLAN: 178}},
		"packets at eth0 from b:80 to a tcp syn-ack on a": {On: "a", Packets: &Packets{Interface: "eth0", From: "b:80", To: "a", Proto: "tcp", Flags: "syn-ack"}},
		"ipvs web:80 on a":                                {On: "a", IPVS: &IPVS{Service: "web:80"}},
		"its own name":                                    {On: "a", Name: "its own name", Sysctl: "a.b"},
	}
	for want, spec := range rows {
		if got := spec.Title(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// book is a small topology.
func book(name string) ([]netip.Addr, error) {
	all := map[string][]netip.Addr{
		"web":  {netip.MustParseAddr("10.96.0.10")},
		"edge": {netip.MustParseAddr("192.168.1.1"), netip.MustParseAddr("fd00::1")},
		"bare": {},
	}
	if a, ok := all[name]; ok {
		return a, nil
	}
	return nil, fmt.Errorf("no node %q", name)
}

func bookPort(name string) (netip.AddrPort, error) {
	host, port, _ := strings.Cut(name, ":")
	a, err := book(host)
	if err != nil || len(a) == 0 {
		return netip.AddrPort{}, err
	}
	if port == "http" {
		port = "80"
	}
	return netip.ParseAddrPort(netip.AddrPortFrom(a[0], 0).Addr().String() + ":" + port)
}

func TestResolve(t *testing.T) {
	want := Want{Has: []string{"edge:8080", "10.0.0.9:1", "rr"}, Lacks: []string{"web:80"}}
	rows := map[string]struct {
		spec Spec
		want Spec
		err  string
	}{
		"counter": {spec: Spec{On: "a", Xfrm: "XfrmX"}, want: Spec{On: "a", Name: "XfrmX on a", Xfrm: "XfrmX"}},
		"conntrack": {
			spec: Spec{On: "a", Conntrack: &Conntrack{To: "web:http", Proto: "udp"}},
			want: Spec{On: "a", Name: "conntrack to web:http/udp on a", Conntrack: &Conntrack{To: "10.96.0.10:80", Proto: "udp"}},
		},
		"reply tuple": {
			spec: Spec{On: "a", Name: "n", Conntrack: &Conntrack{To: "web:http", ReplyFrom: "edge:http", ReplyTo: "10.0.0.1"}},
			want: Spec{On: "a", Name: "n", Conntrack: &Conntrack{To: "10.96.0.10:80", ReplyFrom: "192.168.1.1:80,[fd00::1]:80", ReplyTo: "10.0.0.1"}},
		},
		"packets between names": {
			spec: Spec{On: "a", Name: "n", Packets: &Packets{Interface: "eth0", From: "edge", To: "edge:http"}},
			want: Spec{On: "a", Name: "n", Packets: &Packets{Interface: "eth0", From: "192.168.1.1,fd00::1", To: "192.168.1.1:80,[fd00::1]:80"}},
		},
		"packets between addresses": {
			spec: Spec{On: "a", Name: "n", Packets: &Packets{Interface: "eth0", From: "10.0.0.1", To: "[fd00::2]:80"}},
			want: Spec{On: "a", Name: "n", Packets: &Packets{Interface: "eth0", From: "10.0.0.1", To: "[fd00::2]:80"}},
		},
		"destinations": {
			spec: Spec{On: "a", Name: "n", IPVS: &IPVS{Service: "web:80"}, Want: want},
			want: Spec{On: "a", Name: "n", IPVS: &IPVS{Service: "10.96.0.10:80"},
				Want: Want{Has: []string{"192.168.1.1:8080", "10.0.0.9:1", "rr"}, Lacks: []string{"10.96.0.10:80"}}},
		},
		"unknown name": {spec: Spec{On: "a", Name: "n", Conntrack: &Conntrack{To: "wob:80"}}, err: `resolve evidence "n": conntrack.to: no node "wob"`},
		"unknown end of replies": {spec: Spec{On: "a", Name: "n", Conntrack: &Conntrack{To: "web:http", ReplyTo: "wob"}},
			err: `resolve evidence "n": conntrack.replyTo: no node "wob"`},
		"unknown end":  {spec: Spec{On: "a", Name: "n", Packets: &Packets{From: "wob"}}, err: `resolve evidence "n": packets.from: no node "wob"`},
		"no address":   {spec: Spec{On: "a", Name: "n", Packets: &Packets{To: "bare"}}, err: `resolve evidence "n": packets.to: "bare" has no address`},
		"unknown word": {spec: Spec{On: "a", Name: "n", IPVS: &IPVS{Service: "web:80"}, Want: Want{Has: []string{"wob:1"}}}, err: `resolve evidence "n": word "wob:1": no node "wob"`},
		"not one kind": {spec: Spec{Name: "n"}, err: `resolve evidence "n": it has not exactly one kind`},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			var packets Packets
			if row.spec.Packets != nil {
				packets = *row.spec.Packets
			}
			got, err := row.spec.Resolve(bookPort, book)
			if row.err != "" {
				if err == nil || err.Error() != row.err {
					t.Errorf("error %v, want %s", err, row.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, got, sources); diff != "" {
				t.Error(diff)
			}
			if row.spec.Packets != nil && *row.spec.Packets != packets {
				t.Error("the scenario's own query was changed")
			}
			if again, err := got.Resolve(bookPort, book); err != nil || cmp.Diff(got, again, sources) != "" {
				t.Errorf("resolving twice is not resolving once: %v", err)
			}
		})
	}
	if want.Has[0] != "edge:8080" {
		t.Error("the scenario's own words were changed")
	}
}

func TestFlags(t *testing.T) {
	for flags := range 256 {
		words := FlagWords(uint8(flags))
		back, err := ParseFlags(words)
		if err != nil || back != uint8(flags) {
			t.Errorf("%#x is %q is %#x: %v", flags, words, back, err)
		}
	}
	for flags, want := range map[uint8]string{0x02: "syn", 0x12: "syn-ack", 0x11: "fin-ack", 0x04: "rst", 0x14: "rst-ack", 0x18: "psh-ack", 0: "none"} {
		if got := FlagWords(flags); got != want {
			t.Errorf("%#x: %q, want %q", flags, got, want)
		}
	}
}
