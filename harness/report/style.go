package report

import "github.com/faultline-lab/faultline/harness/verdict"

// style colours text, if it is true. The codes are written by hand: the same binary is the probe client and the guest's
// init, and a library for terminals has more to set up at every start of it than these five lines are worth.
type style bool

func (s style) code(code, text string) string {
	if !s || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s style) bold(text string) string   { return s.code("1", text) }
func (s style) faint(text string) string  { return s.code("2", text) }
func (s style) red(text string) string    { return s.code("31", text) }
func (s style) green(text string) string  { return s.code("32", text) }
func (s style) yellow(text string) string { return s.code("33", text) }

// verdict colours a verdict: green as documented, yellow where nothing was tried, red where it is not as documented.
func (s style) verdict(v Verdict, expected bool) string {
	switch {
	case v == verdict.Unsupported || v == verdict.NotTried:
		return s.yellow(string(v))
	case expected:
		return s.green(string(v))
	}
	return s.red(string(v))
}
