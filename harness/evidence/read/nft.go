package read

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// nftRules lists the rules of a table, "inet t". nft's JSON has the counters but not the text that people write, so it
// is the text that is parsed: its indentation is fixed, a tab for each level.
func nftRules(table string) ([]rule, error) {
	words := strings.Fields(table)
	if len(words) != 2 {
		return nil, fmt.Errorf("list nft table %q: not a family and a name", table)
	}
	text, err := output("nft", "list", "table", words[0], words[1])
	var tool toolError
	if errors.As(err, &tool) && strings.Contains(tool.said, "No such file or directory") {
		return nil, nil // no such table, so none of its rules
	}
	if err != nil {
		return nil, err
	}
	return parseNft(text)
}

// parseNft reads the text of `nft list table`.
func parseNft(text string) ([]rule, error) {
	lines, objects := nftLines(text)
	var rules []rule
	for _, l := range lines {
		r := rule{chain: l.chain}
		var name string
		r.text, r.packets, name = splitCounter(l.text)
		switch name {
		case "":
			r.counted = r.packets >= 0
			r.packets = max(r.packets, 0)
		default:
			n, ok := objects[name]
			if !ok {
				return nil, fmt.Errorf("parse nft rule %q: counter %q is not in its table", l.text, name)
			}
			r.packets, r.counted = n, true
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// nftLine is a rule on one line, single spaces.
type nftLine struct{ chain, text string }

// nftLines finds the rules of every chain, and the packets of every counter object.
func nftLines(text string) (lines []nftLine, objects map[string]int64) {
	objects = map[string]int64{}
	var kind, name string // of the object around the line
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		depth := len(line) - len(strings.TrimLeft(line, "\t"))
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case depth == 1 && words[0] == "}":
			kind = ""
		case depth == 1 && len(words) >= 3:
			kind, name = words[0], words[1]
		case kind == "counter" && words[0] == "packets" && len(words) >= 2:
			if n, err := strconv.ParseInt(words[1], 10, 64); err == nil {
				objects[name] = n
			}
		case kind == "chain" && depth == 2 && words[0] != "}" && !chainHeader(words):
			lines = append(lines, nftLine{chain: name, text: strings.Join(words, " ")})
		case kind == "chain" && len(lines) > 0 && (depth > 2 || words[0] == "}"):
			// The rest of a set or of a nested chain that nft breaks into lines.
			lines[len(lines)-1].text += " " + strings.Join(words, " ")
		}
	}
	return lines, objects
}

// chainHeader recognises the lines of a chain that are not rules.
func chainHeader(words []string) bool {
	switch words[0] {
	case "type", "policy", "comment", "flags", "#":
		return true
	}
	return false
}

// splitCounter takes the counters out of a rule. packets is that of the last one, which counts what passed all of the
// rule's matches, or -1 where there is none; name is set where the last one is a named object.
func splitCounter(text string) (rest string, packets int64, name string) {
	packets = -1
	words := strings.Split(text, " ")
	var kept []string
	for i := 0; i < len(words); i++ {
		left := words[i:]
		switch {
		case len(left) >= 5 && left[0] == "counter" && left[1] == "packets" && left[3] == "bytes":
			n, err := strconv.ParseInt(left[2], 10, 64)
			if err != nil {
				kept = append(kept, words[i])
				continue
			}
			packets, name = n, ""
			i += 4
		case len(left) >= 3 && left[0] == "counter" && left[1] == "name":
			packets, name = -1, strings.Trim(left[2], `"`)
			i += 2
		case left[0] == "counter": // as people write it
		default:
			kept = append(kept, words[i])
		}
	}
	return strings.Join(kept, " "), packets, name
}
