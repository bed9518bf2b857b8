package evidence

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sources compares the probe's own source, which cmp cannot look into.
var sources = cmpopts.EquateComparable(netip.AddrPort{})

func ptr[T any](v T) *T { return &v }

// entryReading is a conntrack entry as the reader gives it.
func entryReading(status uint32) Reading {
	return Reading{Exists: true, Count: 1, Words: append([]string{"SYN_RECV"}, StatusWords(status)...),
		Value: "192.168.0.1:4711 -> 10.96.0.10:80 SYN_RECV [...] status 0x0"}
}

func TestJudge(t *testing.T) {
	counter := Spec{On: "cloud", Xfrm: "XfrmInNoPols"}
	entry := Spec{On: "cloud", Conntrack: &Conntrack{To: "web:80"}}
	rule := Spec{On: "cloud", Rule: &Rule{Backend: "nft", Table: "ip t", Chain: "c", Contains: "masquerade"}}
	packets := Spec{On: "cloud", Packets: &Packets{Interface: "eth0", From: "edge:8080", Flags: "syn-ack"}}
	sysctl := Spec{On: "cloud", Sysctl: "net.ipv4.ip_forward"}
	ipvs := Spec{On: "cloud", IPVS: &IPVS{Service: "web:80"}}
	at := func(n int64) Reading { return Reading{Exists: true, Count: n} }
	seen := func(n int64) Reading { return Reading{Exists: n > 0, Count: n} }
	ipvsBug, bothNAT := entryReading(0x19a), entryReading(0x1ba)
	const shown = ": 192.168.0.1:4711 -> 10.96.0.10:80 SYN_RECV [...] status 0x0"

	rows := map[string]struct {
		spec          Spec
		want          Want
		before, after Reading
		ok            bool
		why           string
	}{
		"counter grows":                  {counter, Want{Grows: ptr(true)}, at(4), at(7), true, "XfrmInNoPols grew by 3"},
		"counter does not grow":          {counter, Want{Grows: ptr(true)}, at(7), at(7), false, "XfrmInNoPols stayed at 7 (wanted: grows)"},
		"readings in each other's place": {counter, Want{Grows: ptr(true)}, at(7), at(4), false, "XfrmInNoPols fell from 7 to 4 (wanted: grows)"},
		"counter stays":                  {counter, Want{Grows: ptr(false)}, at(7), at(7), true, "XfrmInNoPols stayed at 7"},
		"counter grows against the wish": {counter, Want{Grows: ptr(false)}, at(4), at(7), false, "XfrmInNoPols grew by 3 (wanted: stays)"},
		"counter was reset":              {counter, Want{Grows: ptr(false)}, at(7), at(0), false, "XfrmInNoPols fell from 7 to 0 (wanted: stays)"},
		"a reading that is no reading":   {counter, Want{Grows: ptr(false)}, Reading{}, Reading{}, false, "XfrmInNoPols is not there (wanted: stays)"},
		"count":                          {counter, Want{Count: ptr[int64](2)}, at(0), at(2), true, "XfrmInNoPols counts 2"},
		"another count":                  {counter, Want{Count: ptr[int64](2)}, at(2), at(3), false, "XfrmInNoPols counts 3 (wanted: count 2)"},
		"count of a rule that is gone":   {rule, Want{Count: ptr[int64](0)}, at(0), Reading{}, false, `rule "masquerade" in nft ip t c is not there (wanted: count 0)`},
		"grows and counts, one fails":    {counter, Want{Grows: ptr(true), Count: ptr[int64](3)}, at(0), at(2), false, "XfrmInNoPols grew by 2, counts 2 (wanted: count 3)"},

		"rule seen":                      {rule, Want{Seen: ptr(true)}, Reading{}, at(0), true, `rule "masquerade" in nft ip t c is there`},
		"rule not seen":                  {rule, Want{Seen: ptr(false)}, Reading{}, Reading{}, true, `rule "masquerade" in nft ip t c is not there`},
		"rule seen in the wrong reading": {rule, Want{Seen: ptr(true)}, at(0), Reading{}, false, `rule "masquerade" in nft ip t c is not there (wanted: seen)`},

		"no packet is zero packets": {packets, Want{Count: ptr[int64](0)}, seen(0), seen(0), true, "packets at eth0 from edge:8080 syn-ack counts 0"},
		"packets grow":              {packets, Want{Grows: ptr(true)}, seen(0), seen(2), true, "packets at eth0 from edge:8080 syn-ack grew by 2"},
		"packets seen":              {packets, Want{Seen: ptr(true)}, seen(0), seen(0), false, "packets at eth0 from edge:8080 syn-ack is not there (wanted: seen)"},

		"the documented status":                {entry, Want{Has: []string{"SRC_NAT"}, Lacks: []string{"DST_NAT"}}, Reading{}, ipvsBug, true, "conntrack to web:80 has SRC_NAT, lacks DST_NAT" + shown},
		"iptables' status":                     {entry, Want{Has: []string{"SRC_NAT"}, Lacks: []string{"DST_NAT"}}, Reading{}, bothNAT, false, "conntrack to web:80 has SRC_NAT, has DST_NAT (wanted: lacks DST_NAT)" + shown},
		"status before, none after":            {entry, Want{Has: []string{"SRC_NAT"}}, ipvsBug, Reading{}, false, "conntrack to web:80 is not there (wanted: has SRC_NAT)"},
		"no entry lacks nothing":               {entry, Want{Lacks: []string{"DST_NAT"}}, Reading{}, Reading{}, false, "conntrack to web:80 is not there (wanted: lacks DST_NAT)"},
		"words of a thing that does not exist": {entry, Want{Has: []string{"SRC_NAT"}}, Reading{}, Reading{Words: []string{"SRC_NAT"}}, false, "conntrack to web:80 is not there (wanted: has SRC_NAT)"},
		"a longer word is another word":        {entry, Want{Has: []string{"DST_NAT"}}, Reading{}, ipvsBug, false, "conntrack to web:80 lacks DST_NAT (wanted: has DST_NAT)" + shown},

		"value":                      {sysctl, Want{Is: "1"}, Reading{Exists: true, Value: "0"}, Reading{Exists: true, Value: "1"}, true, `net.ipv4.ip_forward is "1"`},
		"value of the other reading": {sysctl, Want{Is: "1"}, Reading{Exists: true, Value: "1"}, Reading{Exists: true, Value: "0"}, false, `net.ipv4.ip_forward is "0" (wanted: is "1")`},
		"destinations":               {ipvs, Want{Has: []string{"10.244.1.2:8080"}}, Reading{}, Reading{Exists: true, Words: []string{"10.244.1.2:8080", "rr"}}, true, "ipvs web:80 has 10.244.1.2:8080: 10.244.1.2:8080 rr"},

		"nothing wanted": {counter, Want{}, at(0), at(1), false, "XfrmInNoPols has nothing to be judged by (wanted: something)"},
		"no kind":        {Spec{}, Want{Grows: ptr(true)}, at(0), at(1), false, "nothing was read: the evidence has not exactly one kind"},
		"two kinds":      {Spec{Xfrm: "XfrmInNoPols", Netstat: "X"}, Want{Grows: ptr(true)}, at(0), at(1), false, "nothing was read: the evidence has not exactly one kind"},
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			row.spec.Want = row.want
			f := row.spec.Judge(row.before, row.after)
			if f.OK != row.ok || f.Why != row.why {
				t.Errorf("ok %v: %s\nwant %v: %s", f.OK, f.Why, row.ok, row.why)
			}
			if diff := cmp.Diff(Finding{Spec: row.spec, Before: row.before, After: row.after, OK: f.OK, Why: f.Why}, f, sources); diff != "" {
				t.Errorf("the finding is not about what was read:\n%s", diff)
			}
		})
	}
}

func TestStatusWords(t *testing.T) {
	rows := map[uint32][]string{
		0:       nil,
		0x19a:   {"SEEN_REPLY", "CONFIRMED", "SRC_NAT", "SRC_NAT_DONE", "DST_NAT_DONE"},
		0x1ba:   {"SEEN_REPLY", "CONFIRMED", "SRC_NAT", "DST_NAT", "SRC_NAT_DONE", "DST_NAT_DONE"},
		1 << 15: {"HW_OFFLOAD"},
		1 << 16: {"BIT_16"},
	}
	for status, want := range rows {
		if diff := cmp.Diff(want, StatusWords(status)); diff != "" {
			t.Errorf("%#x:\n%s", status, diff)
		}
	}
}

func TestWantString(t *testing.T) {
	rows := map[string]Want{
		"":                       {},
		"grows":                  {Grows: ptr(true)},
		"stays, count 2":         {Grows: ptr(false), Count: ptr[int64](2)},
		"seen, has A B, lacks C": {Seen: ptr(true), Has: []string{"A", "B"}, Lacks: []string{"C"}},
		`not seen`:               {Seen: ptr(false)},
		`is "1 2"`:               {Is: "1 2"},
	}
	for want, w := range rows {
		if got := w.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestShow(t *testing.T) {
	there := Reading{Exists: true, Count: 3, Value: "v", Words: []string{"a", "rr"}}
	rows := map[string]struct {
		spec        Spec
		there, gone string
	}{
		"xfrm":      {Spec{Xfrm: "XfrmInNoPols"}, "3", "none"},
		"netstat":   {Spec{Netstat: "X"}, "3", "none"},
		"sysctl":    {Spec{Sysctl: "a.b"}, "v", "none"},
		"conntrack": {Spec{Conntrack: &Conntrack{}}, "v", "none"},
		"rule":      {Spec{Rule: &Rule{}}, "3", "none"},
		"packets":   {Spec{Packets: &Packets{}}, "3", "0"},
		"ipvs":      {Spec{IPVS: &IPVS{}}, "a rr", "none"},
		"":          {Spec{}, "", ""},
	}
	for kind, row := range rows {
		if row.spec.Kind() != kind {
			t.Errorf("kind %q, want %q", row.spec.Kind(), kind)
		}
		if got := row.spec.Show(there); got != row.there {
			t.Errorf("%s there: %q, want %q", kind, got, row.there)
		}
		if got := row.spec.Show(Reading{}); got != row.gone {
			t.Errorf("%s gone: %q, want %q", kind, got, row.gone)
		}
	}
}
