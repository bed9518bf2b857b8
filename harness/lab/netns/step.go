package netns

import (
	"context"
	"fmt"

	"github.com/faultline-lab/faultline/harness/plan"
)

// step carries out one step. An error names the node and what could not be done there.
func (l *innerLab) step(ctx context.Context, s plan.Step) error {
	switch s := s.(type) {
	case plan.AddNode:
		return l.addNode(s)
	case plan.AddVeth:
		return l.addVeth(s)
	case plan.AddMacvlan:
		return l.addMacvlan(s)
	case plan.AddBridge:
		return on(l, s.Node, s, (*node).addBridge)
	case plan.AddVLAN:
		return on(l, s.Node, s, (*node).addVLAN)
	case plan.AddDummy:
		return on(l, s.Node, s, (*node).addDummy)
	case plan.AddVXLAN:
		return on(l, s.Node, s, (*node).addVXLAN)
	case plan.AddIPIP:
		return on(l, s.Node, s, (*node).addIPIP)
	case plan.SetMTU:
		return on(l, s.Node, s, (*node).setMTU)
	case plan.SetMAC:
		return on(l, s.Node, s, (*node).setMAC)
	case plan.SetMaster:
		return on(l, s.Node, s, (*node).setMaster)
	case plan.SetHairpin:
		return on(l, s.Node, s, (*node).setHairpin)
	case plan.AddBridgeVLAN:
		return on(l, s.Node, s, (*node).addBridgeVLAN)
	case plan.DelBridgeVLAN:
		return on(l, s.Node, s, (*node).delBridgeVLAN)
	case plan.SetUp:
		return on(l, s.Node, s, (*node).setUp)
	case plan.AddAddress:
		return on(l, s.Node, s, (*node).addAddress)
	case plan.AddRoute:
		return on(l, s.Node, s, (*node).addRoute)
	case plan.AddRule:
		return on(l, s.Node, s, (*node).addRule)
	case plan.AddNeighbour:
		return on(l, s.Node, s, (*node).addNeighbour)
	case plan.AddXfrmState:
		return on(l, s.Node, s, (*node).addXfrmState)
	case plan.AddXfrmPolicy:
		return on(l, s.Node, s, (*node).addXfrmPolicy)
	}
	return l.stepOfProcess(ctx, s)
}

// stepOfProcess carries out one of the steps that start a program and wait for it.
func (l *innerLab) stepOfProcess(ctx context.Context, s plan.Step) error {
	switch s := s.(type) {
	case plan.LoadRuleset:
		return on(l, s.Node, s, func(n *node, s plan.LoadRuleset) error { return n.loadRuleset(ctx, s) })
	case plan.Serve:
		return on(l, s.Node, s, func(n *node, s plan.Serve) error { return n.serve(ctx, s) })
	case plan.StartProcess:
		return on(l, s.Node, s, func(n *node, s plan.StartProcess) error { return n.startProcess(ctx, s) })
	case plan.ServeAPI:
		return l.serveAPI(s)
	case plan.SetService:
		return l.setService(ctx, s)
	case plan.StartKubeProxy:
		return on(l, s.Node, s, func(n *node, s plan.StartKubeProxy) error { return n.startKubeProxy(ctx, s) })
	}
	return fmt.Errorf("unknown step %T", s)
}

// on does a step's work on the node that it names.
func on[S any](l *innerLab, name string, s S, do func(*node, S) error) error {
	n, err := l.node(name)
	if err != nil {
		return err
	}
	if err := do(n, s); err != nil {
		return fmt.Errorf("node %s: %w", name, err)
	}
	return nil
}
