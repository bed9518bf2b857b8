package harness

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/probe"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// slack is how long a probe's process may take on top of the probe's own timeout, starting it under emulation
// included, before the harness gives it up as an error.
const slack = 30 * time.Second

// patience is how long a command or a restart of a fix may take: under emulation, on a machine with other work, a restart of
// kube-proxy takes minutes.
const patience = 5 * time.Minute

// wait is how long a probe waits where that outcome must not be missed. A short timeout is for waiting in vain for what was
// waited for before: an answer ends the wait, and one that is late must not be taken for none.
func wait(p scenario.Probe, heeded probe.Outcome) time.Duration {
	if heeded == probe.Delivered {
		return max(p.Timeout, probe.DefaultTimeout)
	}
	return p.Timeout
}

// ask makes a probe and takes evidence before and after it, in the nodes that specs name. The outcome that is heeded
// must not be missed for want of time. It need not be the one that is wanted: whether the fault is there, and whether an
// inert fix helps, shows by what a mended path would answer, in the time that it has under a fix.
func (b *bench) ask(ctx context.Context, p scenario.Probe, wanted scenario.Expectation, heeded probe.Outcome, specs []evidence.Spec) (verdict.Probed, []evidence.Finding, error) {
	probed := verdict.Probed{Probe: p, Wanted: wanted}
	var err error
	if probed.Sources, err = b.sources(wanted); err != nil {
		return probed, nil, err
	}
	w, err := b.watch(ctx, p, specs)
	if err != nil {
		return probed, nil, fmt.Errorf("evidence before %q: %w", p.Name, err)
	}
	defer w.close()
	if probed.Seen, err = b.probe(ctx, p, heeded); err != nil {
		return probed, nil, fmt.Errorf("probe %q: %w", p.Name, err)
	}
	met, _ := probed.Met()
	b.tell(Event{Kind: Probed, Text: p.Name, Probed: &probed, OK: met})
	findings, err := w.findings(probed.Seen)
	if err != nil {
		return probed, nil, fmt.Errorf("evidence after %q: %w", p.Name, err)
	}
	if len(findings) > 0 {
		b.tell(Event{Kind: Found, Text: p.Name, Findings: findings})
	}
	return probed, findings, nil
}

// probe runs the probe client in the node that p comes from.
func (b *bench) probe(ctx context.Context, p scenario.Probe, heeded probe.Outcome) (probe.Observation, error) {
	var o probe.Observation
	timeout := wait(p, heeded)
	to, err := b.setup.topology.Resolve(p.To)
	if err != nil {
		return o, err
	}
	request, err := json.Marshal(probe.Request{Proto: p.Proto, To: to, Timeout: timeout, Payload: p.Payload})
	if err != nil {
		return o, err
	}
	n, err := b.lab.Node(p.From)
	if err != nil {
		return o, err
	}
	ctx, cancel := context.WithTimeout(ctx, timeout+slack)
	defer cancel()
	answer, err := lab.RunInput(ctx, n, string(request), lab.Self, "probe")
	if err != nil {
		return o, err
	}
	dec := json.NewDecoder(bytes.NewReader(answer))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&o); err != nil {
		return o, fmt.Errorf("read the probe's answer %q: %w", answer, err)
	}
	return o, nil
}

// sources is what an expectation's source stands for.
func (b *bench) sources(e scenario.Expectation) ([]netip.Addr, error) {
	if e.Source == "" {
		return nil, nil
	}
	return b.setup.topology.Addresses(e.Source)
}
