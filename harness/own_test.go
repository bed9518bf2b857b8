package harness_test

import (
	"strings"
	"testing"

	"github.com/faultline-lab/faultline/harness/scenario"
)

// Evidence of the probe's own flow is refused where it could only be missed.
func TestOwnEvidenceThatCannotBeThere(t *testing.T) {
	const evidence = "{name: drops, on: a, xfrm: XfrmInNoPols, grows: true}"
	for _, row := range []struct{ name, evidence, want string }{
		{"own packets at the client", "{name: sent, on: a, packets: {interface: eth0, own: true}, seen: true}", ""},
		{"own packets at the server", "{name: sent, on: b, packets: {interface: eth0, own: true}, seen: true}",
			`evidence "sent" of the fault: own packets of "fault" cannot be told on b, where NAT may have changed them: look on a or its host`},
		{"any packets at the server", "{name: sent, on: b, packets: {interface: eth0}, seen: true}", ""},
		{"own packets of another protocol", "{name: sent, on: a, packets: {interface: eth0, own: true, proto: udp}, seen: true}",
			`evidence "sent" of the fault: "fault" asks by tcp, own packets of udp are none of its`},
		{"an entry of another protocol", "{name: entry, on: a, conntrack: {to: 'b:81', proto: udp}, seen: false}",
			`evidence "entry" of the fault: "fault" asks b:81 by tcp, an entry of udp is none of its`},
		{"an entry of another protocol to elsewhere", "{name: entry, on: a, conntrack: {to: 'b:80', proto: udp}, seen: false}", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, _ := trialOf(t, good, idle)
			s, err := scenario.Parse("s.yaml", []byte(strings.Replace(head, evidence, row.evidence, 1)+"fixes:\n"+good+"inert:\n"+idle))
			if err != nil {
				t.Fatal(err)
			}
			x.Scenario = s
			_, err = x.Prepare()
			if got := said(err); got != row.want {
				t.Errorf("got  %s\nwant %s", got, row.want)
			}
		})
	}
}

func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
