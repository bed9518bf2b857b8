package netns

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/internal/feature"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// rulesetTools are the commands that take a ruleset on their standard input. --noflush adds the rules to what the
// tables hold, kube-proxy's and those of an earlier text.
var rulesetTools = map[string][]string{
	"nft":              {"nft", "-f", "-"},
	"iptables-nft":     {"iptables-nft-restore", "--noflush"},
	"iptables-legacy":  {"iptables-legacy-restore", "--noflush"},
	"ip6tables-nft":    {"ip6tables-nft-restore", "--noflush"},
	"ip6tables-legacy": {"ip6tables-legacy-restore", "--noflush"},
}

// loadRuleset gives a text to its tool, as people do.
func (n *node) loadRuleset(ctx context.Context, s plan.LoadRuleset) error {
	args, ok := rulesetTools[s.Tool]
	if !ok {
		return fmt.Errorf("load ruleset: no tool %q", s.Tool)
	}
	out := newOutput(nil)
	p, err := n.start(ctx, &lab.Cmd{Args: args, Stdin: strings.NewReader(s.Text), Stdout: out, Stderr: out})
	if errors.Is(err, exec.ErrNotFound) {
		err = fmt.Errorf("%w: %s", err, feature.Install(args[0]))
	}
	if err != nil {
		return fmt.Errorf("load ruleset with %s: %w", s.Tool, err)
	}
	if err := p.Wait(); err != nil {
		return fmt.Errorf("load ruleset with %s: %w: %s%s", s.Tool, err, out, offendingLine(out.String(), s.Text))
	}
	return nil
}

// lineNumber finds the number that the tools give: nft "/dev/stdin:3:5-10: Error: ...", iptables-restore
// "iptables-restore: line 5 failed" or "Error occurred at line: 5".
var lineNumber = regexp.MustCompile(`/dev/stdin:(\d+):|\bline:? (\d+)\b`)

// offendingLine is the line of a ruleset that a tool complains about, where it gives only the number.
func offendingLine(message, text string) string {
	m := lineNumber.FindStringSubmatch(message)
	if m == nil {
		return ""
	}
	lines := strings.Split(text, "\n")
	number, err := strconv.Atoi(m[1] + m[2])
	if err != nil || number < 1 || number > len(lines) {
		return ""
	}
	line := strings.TrimSpace(lines[number-1])
	// Rules are checked against each other at COMMIT only, where its line is to blame for nothing.
	if line == "" || line == "COMMIT" || strings.Contains(message, line) {
		return ""
	}
	return fmt.Sprintf("\nline %d: %s", number, line)
}
