package netns

import (
	"context"
	"errors"
	"fmt"

	"github.com/containernetworking/plugins/pkg/ns"
	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"

	"github.com/faultline-lab/faultline/harness/internal/feature"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// Check tries everything that p needs, each in a scratch namespace. Whether sysctls that are not per namespace may be
// changed depends on whose kernel this is: Runtime, and not Inner, says no to them.
func (r *Inner) Check(ctx context.Context, p *plan.Plan) (lab.Facts, error) {
	f, err := facts()
	if err != nil {
		return f, err
	}
	probes := []func(feature.Place) error{feature.Capabilities}
	for _, need := range p.Needs() {
		if need != plan.NeedGlobalSysctl {
			probes = append(probes, func(at feature.Place) error { return feature.Probe(ctx, at, need) })
		}
	}
	unsupported := &lab.UnsupportedError{Runtime: f.Runtime}
	var unclear []error
	for _, probe := range probes {
		err := r.inScratch(probe)
		if missing, ok := feature.Missing(err); ok {
			unsupported.Missing = append(unsupported.Missing, missing)
		} else if err != nil {
			unclear = append(unclear, err)
		}
	}
	switch {
	case len(unsupported.Missing) > 0: // whatever the unclear ones are
		return f, unsupported
	case len(unclear) > 0:
		return f, fmt.Errorf("could not tell what this kernel can do: %w", errors.Join(unclear...))
	}
	return f, nil
}

// inScratch gives probe a namespace that goes with it.
func (r *Inner) inScratch(probe func(feature.Place) error) (err error) {
	l := newInnerLab(r)
	defer func() { err = errors.Join(err, l.Close()) }()
	if err := l.addNode(plan.AddNode{Node: "scratch"}); err != nil {
		return err
	}
	n, err := l.node("scratch")
	if err != nil {
		return err
	}
	return probe(scratch{n})
}

// scratch is a node as package feature uses one.
type scratch struct{ *node }

var _ feature.Place = scratch{}

// Handle returns a handle in the namespace.
func (s scratch) Handle(families ...int) (*netlink.Handle, error) {
	return netlink.NewHandleAt(vnetns.NsHandle(s.fd()), families...)
}

// Do calls f on a thread in the namespace.
func (s scratch) Do(f func() error) error {
	return s.ns.Do(func(ns.NetNS) error { return f() })
}
