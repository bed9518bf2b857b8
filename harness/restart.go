package harness

import (
	"context"
	"fmt"

	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
)

// together judges fixes that are made of inert ones.
func (t *Trial) together() kind {
	return kind{"fix", func(s scenario.Scenario, f scenario.Fix, seen verdict.FixSeen) verdict.Judgement {
		return verdict.JudgeTogether(f, verdict.JudgeFix(s, f, seen), t.out.Inert)
	}}
}

// restart carries out the restarts that actions begin with, as one: kube-proxies of several nodes wait only for
// themselves.
func (b *bench) restart(ctx context.Context, actions []scenario.Action) error {
	var steps []plan.Step
	var told []Event
	for _, a := range actions {
		if a.Restart == "" {
			break
		}
		s, ok := b.setup.kubeProxy(a.On)
		if !ok {
			return fmt.Errorf("restart %s: none runs on node %s", a.Restart, a.On)
		}
		steps = append(steps, s)
		told = append(told, Event{Kind: Ran, Text: a.On + ": restart " + a.Restart})
	}
	err := b.trial.busy(ctx, func() error {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return b.lab.Apply(ctx, steps...)
	})
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	for _, e := range told {
		b.tell(e)
	}
	return nil
}

// kubeProxy is the step that starts the node's kube-proxy.
func (s setup) kubeProxy(node string) (plan.StartKubeProxy, bool) {
	for _, step := range s.plan.Steps {
		if proxy, ok := step.(plan.StartKubeProxy); ok && proxy.Node == node {
			return proxy, true
		}
	}
	return plan.StartKubeProxy{}, false
}
