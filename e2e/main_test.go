package e2e

import (
	"os"
	"strings"
	"testing"

	"github.com/onsi/gomega/format"

	"github.com/faultline-lab/faultline/harness/cli"
)

// TestMain lets the test binary stand in for faultline where a test builds labs by itself: the netns runtime starts the
// running binary again as the sandbox. Test binaries have flags alone as arguments, the harness's commands are words.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-") {
		os.Exit(cli.Main(os.Args, os.Stdin, os.Stdout, os.Stderr))
	}
	format.MaxLength = 0 // a difference is of use only as a whole
	os.Exit(m.Run())
}
