package undo

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStack(t *testing.T) {
	tests := []struct {
		name string
		use  func(s *Stack) error
		ran  []string
		err  string
	}{
		{"unwinding runs the newest first", func(s *Stack) error { return s.Unwind() }, []string{"c", "b", "a"}, "b is stuck"},
		{"what is kept is not undone", func(s *Stack) error { s.Keep(); return s.Unwind() }, nil, ""},
		{"a second unwinding does nothing", func(s *Stack) error { return errors.Join(s.Unwind(), s.Unwind()) }, []string{"c", "b", "a"}, "b is stuck"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var ran []string
			var s Stack
			s.Push(func() error { ran = append(ran, "a"); return nil })
			s.Push(func() error { ran = append(ran, "b"); return errors.New("b is stuck") })
			s.Push(func() error { ran = append(ran, "c"); return nil })
			err := tt.use(&s)
			if diff := cmp.Diff(tt.ran, ran); diff != "" {
				t.Errorf("undos that ran (-want +got):\n%s", diff)
			}
			got := ""
			if err != nil {
				got = err.Error()
			}
			if got != tt.err {
				t.Errorf("error %q, want %q", got, tt.err)
			}
		})
	}
}

func TestFailureInnerToAnInnerScopeStillUnwinds(t *testing.T) {
	undone := false
	build := func() (err error) {
		var u Stack
		defer func() { err = errors.Join(err, u.Unwind()) }()
		u.Push(func() error { undone = true; return nil })
		if _, err := 0, errors.New("boom"); err != nil { // shadows, as in the CNI macvlan plugin
			return err
		}
		u.Keep()
		return nil
	}
	if err := build(); err == nil || err.Error() != "boom" {
		t.Errorf("error %v, want boom", err)
	}
	if !undone {
		t.Error("nothing was undone")
	}
}
