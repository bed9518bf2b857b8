package read

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// readIPVS reads a virtual service from /proc/net/ip_vs, which says all that is asked for without a netlink library.
func readIPVS(s evidence.Spec) (evidence.Reading, error) {
	text, err := os.ReadFile("/proc/net/ip_vs")
	if errors.Is(err, fs.ErrNotExist) {
		// Without the module there is no virtual service, and a lab in another proxy mode does not load it.
		return evidence.Reading{Text: "no IPVS in this kernel"}, nil
	}
	if err != nil {
		return evidence.Reading{}, err
	}
	return ipvsService(string(text), *s.IPVS)
}

// ipvsService finds the service of q in the text of /proc/net/ip_vs: a line for each service ("TCP  0A60000A:0050 rr"),
// each followed by a line for each destination ("  -> 0AF40102:1F90      Masq    1      0          0").
func ipvsService(text string, q evidence.IPVS) (evidence.Reading, error) {
	want, err := netip.ParseAddrPort(q.Service)
	if err != nil {
		return evidence.Reading{}, fmt.Errorf("parse service: %w", err)
	}
	proto := "TCP"
	if q.Proto != "" {
		proto = strings.ToUpper(q.Proto)
	}
	var r evidence.Reading
	inside := false
	for i, line := range strings.Split(text, "\n") {
		words := strings.Fields(line)
		if i < 3 || len(words) == 0 { // the header
			continue
		}
		destination := words[0] == "->"
		if !destination {
			inside = false
		}
		if len(words) < 3 || !destination && words[0] != proto || destination && !inside {
			continue // services by firewall mark, too
		}
		at, err := parseIPVSAddr(words[1])
		if err != nil {
			return evidence.Reading{}, fmt.Errorf("parse /proc/net/ip_vs: line %q: %w", line, err)
		}
		switch {
		case destination:
			r.Words = append(r.Words, at.String())
		case at == want:
			inside, r.Exists = true, true
			r.Words = append(r.Words, words[2])
		default:
			continue
		}
		r.Text += line + "\n"
	}
	slices.Sort(r.Words)
	return r, nil
}

// parseIPVSAddr parses "0A60000A:0050" and "[fd00:0000:...:0010]:0050".
func parseIPVSAddr(s string) (netip.AddrPort, error) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 {
		return netip.AddrPort{}, fmt.Errorf("%q has no port", s)
	}
	port, err := strconv.ParseUint(s[i+1:], 16, 16)
	if err != nil {
		return netip.AddrPort{}, err
	}
	host := s[:i]
	if strings.HasPrefix(host, "[") {
		a, err := netip.ParseAddr(strings.Trim(host, "[]"))
		return netip.AddrPortFrom(a, uint16(port)), err
	}
	b, err := hex.DecodeString(host)
	if err != nil || len(b) != 4 {
		return netip.AddrPort{}, fmt.Errorf("%q is not an address", host)
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte(b)), uint16(port)), nil
}
