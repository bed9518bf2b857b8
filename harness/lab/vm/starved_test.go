package vm

import (
	"testing"
	"time"
)

func TestStarvation(t *testing.T) {
	for _, c := range []struct {
		name        string
		ran, waited time.Duration
		want        string
	}{
		{"a guest that only slept", 0, 0, ""},
		{"a guest that mostly ran", 30 * time.Second, 29 * time.Second, ""},
		{
			"a guest that mostly waited", 21 * time.Second, 95040 * time.Millisecond,
			"The guest ran for 21.0 s and waited 95.0 s for a processor of this machine, which has other work: " +
				"run it again when there is less, or with --jobs 1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := starvation(c.ran, c.waited); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}
