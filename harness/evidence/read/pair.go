package read

import (
	"errors"
	"fmt"

	"github.com/faultline-lab/faultline/harness/evidence"
)

// pair is the readings before a probe and those after it.
type pair struct {
	specs   []evidence.Spec
	readers []reader
}

func (p *pair) before(specs []evidence.Spec) ([]evidence.Reading, error) {
	p.specs = specs
	var readings []evidence.Reading
	for _, s := range specs {
		r, err := newReader(s.Kind())
		if err != nil {
			return nil, fmt.Errorf("read %q: %w", s.Title(), err)
		}
		p.readers = append(p.readers, r)
		reading, err := r.before(s)
		if err != nil {
			return nil, fmt.Errorf("read %q before the probe: %w", s.Title(), err)
		}
		readings = append(readings, reading)
	}
	return readings, nil
}

func (p *pair) after(specs []evidence.Spec) ([]evidence.Reading, error) {
	if len(specs) != len(p.specs) {
		return nil, fmt.Errorf("read evidence after the probe: %d specs, there were %d before", len(specs), len(p.specs))
	}
	var readings []evidence.Reading
	for i, s := range specs {
		if s.Kind() != p.specs[i].Kind() {
			return nil, fmt.Errorf("read %q after the probe: before, this was %q", s.Title(), p.specs[i].Title())
		}
		reading, err := p.readers[i].after(s)
		if err != nil {
			return nil, fmt.Errorf("read %q after the probe: %w", s.Title(), err)
		}
		readings = append(readings, reading)
	}
	return readings, nil
}

// close ends every reader. A nil pair has none.
func (p *pair) close() error {
	if p == nil {
		return nil
	}
	var errs []error
	for _, r := range p.readers {
		errs = append(errs, r.close())
	}
	p.readers = nil
	return errors.Join(errs...)
}
