package topology

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/yamlfile"
)

var sysctlSyntax = regexp.MustCompile(`^[a-z0-9_]+([./][A-Za-z0-9_:-]+)+$`)

// sysctls checks names as far as they can be known without a kernel, and the interfaces in them. Whether the kernel
// lets a namespace write one is a question to GlobalSysctl and to the runtime.
func (c *checker) sysctls(x *nodeIndex) {
	seen := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(x.Sysctls)) {
		path := x.path + ".sysctls[" + name + "]"
		if !sysctlSyntax.MatchString(name) {
			c.KeyErrorf(path, "write it with dots: net.ipv4.ip_forward", "%q is not the name of a sysctl", name)
			continue
		}
		if strings.TrimSpace(x.Sysctls[name]) == "" {
			c.Errorf(path, "", "%s has no value", name)
		}
		// An interface's dots may be written as slashes, as sysctl(8) does.
		plain := strings.ReplaceAll(name, "/", ".")
		if before, twice := seen[plain]; twice {
			c.KeyErrorf(path, c.firstIs(before), "sysctl %s stands here twice", plain)
		}
		seen[plain] = path
		if iface := sysctlInterface(plain); iface != "" && !slices.Contains(x.names, iface) {
			c.KeyErrorf(path, yamlfile.Suggest(iface, append([]string{"all", "default"}, x.names...)), "sysctl of unknown interface %q", iface)
		}
	}
}

// sysctlInterface returns the interface in a sysctl's name, or "" for a sysctl of no one interface.
func sysctlInterface(name string) string {
	for _, prefix := range []string{"net.ipv4.conf.", "net.ipv6.conf.", "net.ipv4.neigh.", "net.ipv6.neigh."} {
		rest, ok := strings.CutPrefix(name, prefix)
		if !ok {
			continue
		}
		if i := strings.LastIndex(rest, "."); i > 0 && rest[:i] != "all" && rest[:i] != "default" {
			return rest[:i]
		}
	}
	return ""
}
