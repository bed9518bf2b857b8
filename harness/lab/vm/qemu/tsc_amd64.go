package qemu

import (
	"sync"
	"time"
)

// readTSC reads the processor's time stamp counter.
func readTSC() uint64

// HostTSC returns the frequency of this machine's time stamp counter in kHz. Nothing else tells it everywhere: "cpu MHz"
// in /proc/cpuinfo is the core's speed of the moment, the kernel's own figure is only in its log. The guest keeps time by
// it; 20 ms of counting are exact to 0.01 percent.
var HostTSC = sync.OnceValue(func() int {
	begin, from := readBoth()
	for time.Since(begin) < 20*time.Millisecond {
	}
	end, to := readBoth()
	return int((to - from) * uint64(time.Millisecond) / uint64(end.Sub(begin)))
})

// readBoth reads clock and counter at the same moment: of several attempts the one that was least interrupted.
func readBoth() (at time.Time, count uint64) {
	least := time.Hour
	for range 20 {
		before, c := time.Now(), readTSC()
		if took := time.Since(before); took < least {
			least, at, count = took, before.Add(took/2), c
		}
	}
	return at, count
}
