package cli

import (
	"fmt"
	"io"

	"github.com/faultline-lab/faultline/harness/evidence/read"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/netns"
	"github.com/faultline-lab/faultline/harness/lab/vm"
	"github.com/faultline-lab/faultline/harness/probe"
)

// inner runs the commands that the harness starts inside labs, which no person types: the guest's init, the sandbox's
// agent, probes, servers and evidence readers. They skip cobra, because they start often and under emulation.
func inner(args []string, stdin io.Reader, stdout, stderr io.Writer) (code int, ok bool) {
	var err error
	switch {
	case args[0] == vm.InitPath:
		err = vm.GuestMain(func(progress func(string)) lab.Runtime {
			return &netns.Inner{BinDir: vm.GuestBinDir, Progress: progress}
		})
	case len(args) < 2:
		return 0, false
	case args[1] == "probe":
		err = probe.ClientMain(stdin, stdout)
	case args[1] == "serve":
		err = probe.ServeMain(args[2:], stdout)
	case args[1] == "evidence":
		err = read.Main(stdin, stdout)
	case args[1] == "sandbox":
		err = netns.SandboxMain(args[2:])
	default:
		return 0, false
	}
	if err != nil {
		fmt.Fprintf(stderr, "faultline: %v\n", err)
		return ExitBroken, true
	}
	return ExitOK, true
}
