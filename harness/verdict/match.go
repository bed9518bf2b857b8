package verdict

import (
	"fmt"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/scenario"
)

// What the judge is given must be what the scenario asks for, pair by pair, or a check that did not run, ran twice or
// ran for something else could pass. Each function here names the first thing that is not, or nothing.

// unlike compares a showing of the fault with what s asks for.
func unlike(s scenario.Scenario, seen FaultSeen) string {
	if why := controlsUnlike(s, seen.Controls); why != "" {
		return why
	}
	if why := probeUnlike("the fault's probe", s.Fault.Probe, s.Fault.Probe.Expectation, seen.Probe); why != "" {
		return why
	}
	return evidenceUnlike("the fault's", s.Fault.Evidence, seen.Evidence)
}

// unlikeFix compares what was seen under a fix of s with what both ask for.
func unlikeFix(s scenario.Scenario, f scenario.Fix, seen FixSeen) string {
	if why := controlsUnlike(s, seen.Controls); why != "" {
		return why
	}
	asked, wanted := s.Fault.Probe, s.Fault.Mended
	if f.Probe != nil {
		asked, wanted = *f.Probe, f.Probe.Expectation
	}
	if why := probeUnlike("the probe", asked, wanted, seen.Probe); why != "" {
		return why
	}
	if f.Probe == nil {
		if why := probeUnlike("the symptom", asked, s.Fault.Probe.Expectation, seen.Symptom); why != "" {
			return why
		}
		if seen.Symptom.Seen != seen.Probe.Seen {
			return "symptom and mended path are not of the same probe"
		}
	}
	if why := evidenceUnlike("the fault's", s.Fault.Evidence, seen.Evidence); why != "" {
		return why
	}
	if len(seen.Own)+len(f.Evidence) > 0 {
		if why := evidenceUnlike("the fix's own", f.Evidence, seen.Own); why != "" {
			return why
		}
	}
	if seen.Undone != nil {
		if why := unlike(s, *seen.Undone); why != "" {
			return "after the undo, " + why
		}
	}
	return ""
}

func controlsUnlike(s scenario.Scenario, seen []Probed) string {
	if len(s.Controls) == 0 {
		return "the scenario has no control"
	}
	if len(seen) != len(s.Controls) {
		return fmt.Sprintf("%d of %d controls were probed", len(seen), len(s.Controls))
	}
	for i, c := range s.Controls {
		if why := probeUnlike(fmt.Sprintf("control %q", c.Name), c, c.Expectation, seen[i]); why != "" {
			return why
		}
	}
	return ""
}

// probeUnlike compares a probe that was made with the one that is wanted. One that was not made is never as wanted.
func probeUnlike(what string, asked scenario.Probe, wanted scenario.Expectation, seen Probed) string {
	switch {
	case seen.Probe.Name != asked.Name:
		return fmt.Sprintf("%s was to be %q, not %q", what, asked.Name, seen.Probe.Name)
	case seen.Probe != asked:
		return what + " is not the scenario's, though it has its name"
	case seen.Wanted != wanted:
		return fmt.Sprintf("%s was to be judged by %q, not by %q", what, wanted, seen.Wanted)
	case seen.Seen.Outcome == "":
		return what + " was not made"
	}
	return ""
}

// evidenceUnlike compares the evidence that is wanted with what was looked at.
func evidenceUnlike(whose string, wanted []evidence.Spec, found []evidence.Finding) string {
	if len(wanted) == 0 {
		return whose + " evidence is to be nothing"
	}
	if len(found) != len(wanted) {
		return fmt.Sprintf("%d of %d pieces of %s evidence were taken", len(found), len(wanted), whose)
	}
	for i, w := range wanted {
		got := found[i].Spec
		if got.Name != w.Name {
			return fmt.Sprintf("evidence %q was taken where %q is wanted", got.Name, w.Name)
		}
		if !got.Answers(w) {
			return fmt.Sprintf("evidence %q is not the scenario's, though it has its name", w.Name)
		}
	}
	return ""
}

// matrixUnlike compares a matrix that was asked with the one that is wanted, cell by cell. A phase that was not asked
// says so itself.
func matrixUnlike(m *scenario.Matrix, asked []Table) string {
	phases := m.Phases()
	if len(asked) != len(phases) {
		return fmt.Sprintf("%d of %d phases of the matrix have a result", len(asked), len(phases))
	}
	for i, t := range asked {
		switch {
		case t.Phase != phases[i]:
			return fmt.Sprintf("the matrix was asked %q where %q is wanted", t.Phase, phases[i])
		case t.Cells == nil:
			continue
		case len(t.Cells) != len(m.From):
			return fmt.Sprintf("%d of %d rows of the matrix were asked", len(t.Cells), len(m.From))
		}
		for row, cells := range t.Cells {
			if len(cells) != len(m.To) {
				return fmt.Sprintf("%d of %d cells of row %q were asked", len(cells), len(m.To), m.From[row].Name)
			}
			for column, c := range cells {
				asked := Probed{Probe: c.Probe, Seen: c.Seen}
				if why := probeUnlike("a cell of the matrix", m.Probe(row, column), scenario.Expectation{}, asked); why != "" {
					return why
				}
			}
		}
	}
	return ""
}
