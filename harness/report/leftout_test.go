package report

import (
	"bytes"
	"strings"
	"testing"
)

// Evidence that was not asked for is told wherever a person or a program may look.
func TestEvidenceLeftOut(t *testing.T) {
	const line = "counted by kube-proxy: needs kube-proxy v1.31 or newer, here it is v1.29.6"
	x := trial()
	x.LeftOut = []string{line}
	r := New(x, maker)
	if len(r.LeftOut) != 1 || r.LeftOut[0] != line {
		t.Errorf("report.json has %q", r.LeftOut)
	}
	if text := string(Markdown(r)); !strings.Contains(text, "| evidence left out | "+line+" |") {
		t.Errorf("report.md does not say it:\n%s", text)
	}
	if text := tellAll(x); !strings.Contains(text, "\nevidence left out: "+line+"\n") {
		t.Errorf("the terminal does not say it:\n%s", text)
	}

	r = New(green(), maker)
	r.NotVerified, r.LeftOut = nil, []string{line}
	var b bytes.Buffer
	Line(&b, Options{}, 0, r)
	Table(&b, Options{}, []Report{r}, nil)
	Sum(&b, Options{}, 0, []Report{r}, nil)
	if got := b.String(); strings.Contains(got, "everything") || strings.Count(got, "evidence left out") != 3 {
		t.Errorf("the digest, the table and the sum do not say it:\n%s", got)
	}
}
