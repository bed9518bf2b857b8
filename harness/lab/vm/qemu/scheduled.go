package qemu

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Scheduled returns for how long the guest's processor, the busiest of QEMU's threads, has run on a processor of this
// machine, and for how long it could have run and waited for one. Both are 0 where the kernel does not count it.
func (p *Process) Scheduled() (ran, waited time.Duration, err error) { return scheduled(p.Pid()) }

// scheduled reads nanoseconds from /proc/PID/task/TID/schedstat (Documentation/scheduler/sched-stats.rst).
func scheduled(pid int) (ran, waited time.Duration, err error) {
	files, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(pid), "task", "*", "schedstat"))
	if err != nil {
		return 0, 0, err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if os.IsNotExist(err) { // the thread has just ended
			continue
		}
		if err != nil {
			return 0, 0, err
		}
		var on, off time.Duration
		if _, err := fmt.Sscan(string(text), &on, &off); err != nil {
			return 0, 0, fmt.Errorf("read %s: %w", f, err)
		}
		if on > ran {
			ran, waited = on, off
		}
	}
	return ran, waited, nil
}
