package cli

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/report"
)

// openReport makes dir ready for the report of a trial: an earlier report is taken away, so that a trial that is killed
// does not leave another one's verdict beside its own journal, and the journal is empty. Two runs in one directory would
// tear each other's journal apart: the second is refused. The kernel takes the lock back however the first one ends.
func openReport(dir string) (journal *os.File, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &exit{ExitBroken, err}
	}
	journal, err = os.OpenFile(filepath.Join(dir, "journal.jsonl"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, &exit{ExitBroken, err}
	}
	err = unix.Flock(int(journal.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		journal.Close()
		return nil, &exit{ExitUsage, fmt.Errorf("another run writes its report to %s: name another directory with --report", dir)}
	}
	if err := errors.Join(err, report.Remove(dir), journal.Truncate(0)); err != nil {
		journal.Close()
		return nil, &exit{ExitBroken, err}
	}
	return journal, nil
}
