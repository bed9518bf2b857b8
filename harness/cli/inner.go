package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/faultline-lab/faultline/harness/evidence/read"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind"
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
	case kind.IsShim(args[0], os.Getenv):
		err = kind.ShimMain(args[1:], os.Getenv)
	case len(args) == 1 && kind.IsCNI(os.Getenv):
		err = kind.CNIMain(os.Getenv, &netns.Inner{}, stdout)
	case len(args) < 2:
		return 0, false
	case args[1] == "probe":
		err = probe.ClientMain(stdin, stdout)
	case args[1] == "serve":
		err = probe.ServeMain(args[2:], stdout)
	case args[1] == "evidence":
		err = read.Main(stdin, stdout)
	case args[1] == kind.CreateCommand:
		err = kind.CreateMain(stdin, stdout)
	case args[1] == kind.AgentCommand:
		err = kind.AgentMain(func(progress func(string)) lab.Runtime { return &netns.Inner{Progress: progress} })
	case args[1] == kind.PodCommand:
		err = kind.HoldMain()
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
