package kubeproxy

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/faultline-lab/faultline/harness/plan"
)

// Node is the node that a kube-proxy runs on, as far as its kernel state can be read there.
type Node interface {
	// Name is the node's name, as in plan.Backend.
	Name() string
	// Run runs a command in the node to its end and returns its standard output.
	Run(ctx context.Context, args ...string) ([]byte, error)
	// ReadFile reads a file as a process in the node's network namespace sees it. For a file below /proc/net a caller
	// that only switched a thread's namespace has to read /proc/thread-self/net: /proc/net is that of the process. The
	// error for a file that the kernel does not have wraps fs.ErrNotExist.
	ReadFile(name string) ([]byte, error)
}

const (
	// pollEvery is how often the kernel is asked. nf_tables, IPVS and ipset cannot be subscribed to as one.
	pollEvery = 100 * time.Millisecond
	// syncLimit bounds a wait whose context has no deadline. Nothing but the limit tells a kube-proxy that stands still
	// from one that is slow: without KVM, on a machine with other work, three in IPVS mode took over two minutes.
	syncLimit = 5 * time.Minute
)

// check looks at the kernel once and says in words what it lacks for services, or has too much.
type check func(ctx context.Context, n Node, services []plan.Service) (missing []string, err error)

var checks = map[string]check{
	ModeIPTables: checkIPTables,
	ModeIPVS:     checkIPVS,
	ModeNFTables: checkNFTables,
}

// WaitInSync returns nil once the kernel of n has all that kube-proxy writes in mode for services: every Service port
// with exactly its backends, refusal where there are none, and the rules that lead there and that masquerade. A packet
// sent after that meets a complete ruleset.
//
// It waits until ctx ends, five minutes if ctx has no deadline. The error is then a *NotInSyncError.
func WaitInSync(ctx context.Context, n Node, mode string, services []plan.Service) error {
	look, ok := checks[mode]
	if !ok {
		return fmt.Errorf("%s: kube-proxy has no mode %q", n.Name(), mode)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, syncLimit)
		defer cancel()
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	last := &NotInSyncError{Node: n.Name(), Mode: mode}
	for first := true; ; first = false {
		began := time.Now()
		missing, err := look(ctx, n, services)
		if err == nil && len(missing) == 0 {
			return nil
		}
		if errors.Is(err, exec.ErrNotFound) {
			return fmt.Errorf("%s: look for kube-proxy's rules: %w", n.Name(), err)
		}
		if first || ctx.Err() == nil { // later, err may only say that the look was cut short
			last.Missing, last.Err = missing, err
		}
		// Where a look takes long, so does kube-proxy: leave it half of the time.
		tick.Reset(max(pollEvery, time.Since(began)))
		select {
		case <-ctx.Done():
			last.cause = ctx.Err()
			last.Found = found(ctx, n)
			return last
		case <-tick.C:
		}
	}
}

// NotInSyncError says what the kernel lacked when it was looked at last. It wraps the end of the context.
type NotInSyncError struct {
	Node, Mode string
	Missing    []string // one fact each
	Err        error    // why the kernel could not be looked at; nil if it could
	Found      string   // the mode that the kernel shows; empty for none
	cause      error
}

func (e *NotInSyncError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: kube-proxy is not in sync in %s mode: %v", e.Node, e.Mode, e.cause)
	if e.Found != "" && e.Found != e.Mode {
		fmt.Fprintf(&b, "; the kernel has the rules of %s mode", e.Found)
	}
	for _, m := range e.Missing {
		b.WriteString("\n  - " + m)
	}
	if e.Err != nil {
		fmt.Fprintf(&b, "\n  - %v", e.Err)
	}
	return b.String()
}

func (e *NotInSyncError) Unwrap() error { return e.cause }

// found is Mode for an error message: it has little time of its own, and no answer is an answer.
func found(ctx context.Context, n Node) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	mode, err := Mode(ctx, n)
	if err != nil {
		return ""
	}
	return mode
}

// Mode returns the mode whose rules the kernel of n has, empty if it has none of kube-proxy. With rules of several, left
// behind by a kube-proxy that ran before, it is the one that packets meet first: nftables or iptables rules before
// IPVS, which only sees what is still for a local address.
func Mode(ctx context.Context, n Node) (string, error) {
	if t, err := n.Run(ctx, "nft", "list", "table", "ip", "kube-proxy"); err == nil && len(parseNFTable(string(t)).chains["services"]) > 0 {
		return ModeNFTables, nil
	}
	save, err := n.Run(ctx, "iptables-save")
	if err != nil {
		return "", err
	}
	switch chains := parseRules(string(save))["nat"]; {
	case len(missingIn(ruleset{"nat": chains}, jump{"nat", "KUBE-SERVICES", "KUBE-NODEPORTS"})) == 0:
		return ModeIPTables, nil
	case len(missingIn(ruleset{"nat": chains}, jump{"nat", "KUBE-SERVICES", "KUBE-NODE-PORT"})) == 0:
		return ModeIPVS, nil
	}
	return "", nil
}
