package vm

import (
	"fmt"
	"time"

	"github.com/faultline-lab/faultline/harness/lab/vm/qemu"
)

// starved adds to err, of a guest that was too slow, that this machine gave it too little of a processor. A guest cannot
// tell: its own programs look as if they stood still.
func starved(err error, p *qemu.Process) error {
	ran, waited, unknown := p.Scheduled()
	if why := starvation(ran, waited); unknown == nil && why != "" {
		return fmt.Errorf("%w\n%s", err, why)
	}
	return err
}

// starvation puts it in words, where a guest waited for a processor for longer than it had one.
func starvation(ran, waited time.Duration) string {
	if waited <= ran {
		return ""
	}
	return fmt.Sprintf("The guest ran for %.1f s and waited %.1f s for a processor of this machine, which has other work: "+
		"run it again when there is less, or with --jobs 1", ran.Seconds(), waited.Seconds())
}
