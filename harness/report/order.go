package report

import "github.com/faultline-lab/faultline/harness"

// order makes a story of events: parts of a trial that are carried out side by side are told one after the other. The
// first that is not over is told as it happens, what comes of later ones is held back until then.
type order struct {
	over int // all parts up to this are
	held map[int][]harness.Event
}

// tell passes e on to next, with what was held back for it, or holds it back.
func (o *order) tell(e harness.Event, next func(harness.Event)) {
	switch {
	case e.Part == 0 && (e.Kind == harness.Progress || e.Kind == harness.Note): // nobody knows of which part it is
		next(e)
	case e.Part == 0: // it follows from all parts
		o.flush(next)
		next(e)
	case e.Part > o.over+1:
		if o.held == nil {
			o.held = map[int][]harness.Event{}
		}
		o.held[e.Part] = append(o.held[e.Part], e)
	default:
		next(e)
		if e.Kind == harness.Over && e.Part > o.over {
			o.over = e.Part
			held := o.held[e.Part+1]
			delete(o.held, e.Part+1)
			for _, h := range held {
				o.tell(h, next)
			}
		}
	}
}

// flush passes on all that is still held back.
func (o *order) flush(next func(harness.Event)) {
	for len(o.held) > 0 {
		o.tell(harness.Event{Kind: harness.Over, Part: o.over + 1}, next)
	}
}
