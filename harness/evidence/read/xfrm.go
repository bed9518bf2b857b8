package read

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// readXfrm reads one counter of /proc/net/xfrm_stat.
func readXfrm(s evidence.Spec) (evidence.Reading, error) {
	text, err := os.ReadFile("/proc/net/xfrm_stat")
	if errors.Is(err, fs.ErrNotExist) {
		return evidence.Reading{}, lacks("no /proc/net/xfrm_stat: this kernel has no XFRM statistics (CONFIG_XFRM_STATISTICS)")
	}
	if err != nil {
		return evidence.Reading{}, err
	}
	return xfrmCounter(string(text), s.Xfrm)
}

func xfrmCounter(text, name string) (evidence.Reading, error) {
	counters := map[string]int64{}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) != 2 {
			return evidence.Reading{}, fmt.Errorf("parse /proc/net/xfrm_stat: line %q", line)
		}
		n, err := strconv.ParseInt(words[1], 10, 64)
		if err != nil {
			return evidence.Reading{}, fmt.Errorf("parse /proc/net/xfrm_stat: %w", err)
		}
		counters[words[0]] = n
	}
	n, ok := counters[name]
	if !ok {
		return evidence.Reading{}, lacks("this kernel has no XFRM counter %s; it has %s", name, strings.Join(slices.Sorted(maps.Keys(counters)), " "))
	}
	return evidence.Reading{Exists: true, Count: n}, nil
}
