package read

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// readNetstat reads one counter of /proc/net/netstat or /proc/net/snmp.
func readNetstat(s evidence.Spec) (evidence.Reading, error) {
	var all []counter
	for _, file := range []string{"/proc/net/netstat", "/proc/net/snmp"} {
		text, err := os.ReadFile(file)
		if err != nil {
			return evidence.Reading{}, err
		}
		counters, err := parseNetstat(string(text))
		if err != nil {
			return evidence.Reading{}, fmt.Errorf("parse %s: %w", file, err)
		}
		all = append(all, counters...)
	}
	return findCounter(all, s.Netstat)
}

type counter struct {
	group, name string
	value       int64
}

// parseNetstat reads pairs of lines: a group with names, then the same group with their values.
func parseNetstat(text string) ([]counter, error) {
	var all []counter
	var names []string
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if names == nil {
			names = words
			continue
		}
		if len(words) != len(names) || len(words) == 0 || words[0] != names[0] {
			return nil, fmt.Errorf("%q does not fit the line of names %q before it", line, strings.Join(names, " "))
		}
		group := strings.TrimSuffix(words[0], ":")
		for i := 1; i < len(words); i++ {
			n, err := strconv.ParseInt(words[i], 10, 64)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", group, names[i], err)
			}
			all = append(all, counter{group, names[i], n})
		}
		names = nil
	}
	return all, nil
}

// findCounter finds "Group.Name", or "Name" where one group alone has it.
func findCounter(all []counter, name string) (evidence.Reading, error) {
	var found []string
	var value int64
	for _, c := range all {
		full := c.group + "." + c.name
		if full == name || c.name == name {
			found, value = append(found, full), c.value
		}
	}
	switch len(found) {
	case 1:
		return evidence.Reading{Exists: true, Count: value}, nil
	case 0:
		return evidence.Reading{}, lacks("this kernel has no counter %s; %s", name, similar(all, name))
	default:
		slices.Sort(found)
		return evidence.Reading{}, fmt.Errorf("counter %s is ambiguous: %s", name, strings.Join(found, " or "))
	}
}

// similar lists the counters of the group that name has, or the groups.
func similar(all []counter, name string) string {
	group, _, _ := strings.Cut(name, ".")
	var names, groups []string
	for _, c := range all {
		if c.group == group {
			names = append(names, c.name)
		}
		if !slices.Contains(groups, c.group) {
			groups = append(groups, c.group)
		}
	}
	if len(names) > 0 {
		return fmt.Sprintf("%s has %s", group, strings.Join(names, " "))
	}
	return "its groups are " + strings.Join(groups, " ") + ", write GROUP.NAME to see what is in one"
}
