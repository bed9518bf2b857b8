package evidence

import (
	"fmt"
	"slices"
	"strings"
)

// sysctl asks for a sysctl by its dotted name; a slash stands for a dot within a part, as sysctl(8) has it:
// net.ipv4.conf.eth0/100.rp_filter. The value is its text, several numbers with one space between them.
type sysctl string

func (sysctl) kind() string               { return "sysctl" }
func (s sysctl) subject() string          { return string(s) }
func (sysctl) wants() []string            { return []string{"is"} }
func (sysctl) resolve(*Spec, names) error { return nil }

func (sysctl) show(r Reading) string {
	if !r.Exists {
		return absent
	}
	return r.Value
}

func (s sysctl) check() []Problem {
	parts := strings.Split(string(s), ".")
	if len(parts) < 2 || slices.Contains(parts, "") {
		return []Problem{{"", fmt.Sprintf("%q is no sysctl's name", string(s)), "net.ipv4.ip_forward, for example"}}
	}
	return nil
}
