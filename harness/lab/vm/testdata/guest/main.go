// Guest is a guest's init for the tests of package vm, which may not be linked with another runtime themselves.
package main

import (
	"fmt"
	"os"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/netns"
	"github.com/faultline-lab/faultline/harness/lab/vm"
)

func main() {
	err := vm.GuestMain(func(progress func(string)) lab.Runtime {
		return &netns.Inner{BinDir: vm.GuestBinDir, Progress: progress}
	})
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
