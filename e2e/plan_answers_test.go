package e2e

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	. "github.com/onsi/gomega"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// heading is what stands before a question that an answer follows.
const heading = "#? "

// answers runs questions and returns the answer to each, without what must differ between two networks that are the same.
func answers(ctx context.Context, macs map[string]bool, n lab.Node, command ...string) map[string][]string {
	out, err := lab.Run(ctx, n, command...)
	Expect(err).NotTo(HaveOccurred())
	all := map[string][]string{}
	for _, part := range strings.Split(string(out), heading)[1:] {
		question, answer, _ := strings.Cut(part, "\n")
		if strings.Contains(question, " -j ") {
			all[question] = objects(answer, macs)
		} else {
			all[question] = paragraphs(answer)
		}
	}
	return all
}

// unlike are the fields that differ between two networks that are the same.
var unlike = map[string]string{
	"ifindex":      "a number in the order of making, counted for all namespaces of a kernel or for each",
	"link_index":   "the peer's ifindex",
	"link_netnsid": "a number for the peer's namespace, given at the first need",
	"bridge_id":    "has the bridge's MAC",
	"root_id":      "has the bridge's MAC",
	"gc_timer":     "time that passes",
}

// linkLocal is an address made of a MAC.
var linkLocal = regexp.MustCompile(`^fe80::[0-9a-f:]*:[0-9a-f:]*(/\d+)?$`)

// objects are the entries of a list in JSON, a line each. Their order is sorted away: that of links is the order of
// making, that of routes to the same prefix too.
func objects(text string, macs map[string]bool) []string {
	var list []map[string]any
	if strings.TrimSpace(text) != "" {
		Expect(json.Unmarshal([]byte(text), &list)).To(Succeed(), text)
	}
	var lines []string
	for _, object := range list {
		if len(object) == 0 {
			continue // ip prints one for an entry that a filter leaves out
		}
		line, err := json.Marshal(alike(object, macs))
		Expect(err).NotTo(HaveOccurred())
		lines = append(lines, string(line))
	}
	slices.Sort(lines)
	return lines
}

// alike returns a value of JSON without what must differ. MACs are random where none is given, and with them the
// link-local addresses made of them.
func alike(v any, macs map[string]bool) any {
	switch v := v.(type) {
	case map[string]any:
		for key, field := range v {
			if mac, ok := field.(string); unlike[key] != "" || key == "address" && ok && !macs[mac] {
				delete(v, key)
				continue
			}
			v[key] = alike(field, macs)
		}
	case []any:
		for i := range v {
			v[i] = alike(v[i], macs)
		}
	case string:
		if linkLocal.MatchString(v) {
			return "a link-local address"
		}
	}
	return v
}

// paragraphs are the parts of a text that begin at the margin, sorted: the kernel lists states and policies in the order
// of a hash. Comments have dates, and counters count.
func paragraphs(text string) []string {
	var found []string
	for line := range strings.Lines(volatile.ReplaceAllString(text, "")) {
		line = strings.TrimRight(line, " \n")
		switch inside := strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "}"); {
		case line == "":
		case inside && len(found) > 0:
			found[len(found)-1] += "\n" + line
		default:
			found = append(found, line)
		}
	}
	slices.Sort(found)
	return found
}

// givenMACs are the MACs that a plan gives.
func givenMACs(p *plan.Plan) map[string]bool {
	macs := map[string]bool{"00:00:00:00:00:00": true}
	for _, s := range p.Steps {
		if s, ok := s.(plan.SetMAC); ok {
			macs[s.MAC] = true
		}
	}
	return macs
}
