package read

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// readRule sums up the counters of the rules that match, as the rules' own tool prints them.
func readRule(s evidence.Spec) (evidence.Reading, error) {
	q := *s.Rule
	var rules []rule
	var err error
	if q.Backend == "nft" {
		rules, err = nftRules(q.Table)
	} else {
		rules, err = iptablesRules(q.Backend, q.Table)
	}
	if err != nil {
		return evidence.Reading{}, err
	}
	return matchRules(rules, q, s.Grows != nil || s.Count != nil)
}

// rule is one firewall rule as its tool prints it.
type rule struct {
	chain   string
	text    string // without the counter, single spaces
	packets int64
	counted bool // it has a counter
}

func (r rule) String() string {
	if !r.counted {
		return fmt.Sprintf("%s: %s", r.chain, r.text)
	}
	return fmt.Sprintf("%s: [%d packets] %s", r.chain, r.packets, r.text)
}

// matchRules is the reading for q. needCounters says that a rule without a counter cannot answer.
func matchRules(rules []rule, q evidence.Rule, needCounters bool) (evidence.Reading, error) {
	contains, _, _ := splitCounter(strings.Join(strings.Fields(q.Contains), " "))
	var r evidence.Reading
	for _, rule := range rules {
		if q.Chain != "" && rule.chain != q.Chain || !strings.Contains(rule.text, contains) {
			continue
		}
		if needCounters && !rule.counted {
			return evidence.Reading{}, fmt.Errorf("the rule %q in chain %s has no counter", rule.text, rule.chain)
		}
		r.Exists = true
		r.Count += rule.packets
		r.Text += rule.String() + "\n"
	}
	return r, nil
}

// output runs a tool and returns what it printed, with what it said of an error.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", toolError{name: name, err: err, said: strings.TrimSpace(string(exit.Stderr))}
	}
	if err != nil {
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	return string(out), nil
}

// toolError is the end of a tool that did not work.
type toolError struct {
	name string
	err  error
	said string
}

func (e toolError) Error() string { return fmt.Sprintf("run %s: %v: %s", e.name, e.err, e.said) }
func (e toolError) Unwrap() error { return e.err }
