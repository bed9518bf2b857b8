package kubeproxy

import (
	"context"
	"fmt"

	"github.com/faultline-lab/faultline/harness/plan"
)

// CanUnsync reports whether Unsync knows what kube-proxy in mode writes last.
func CanUnsync(mode string) bool { return mode == ModeIPTables }

// Unsync takes out of the kernel of n what kube-proxy in mode writes last, so that WaitInSync waits for the next kube-proxy
// of the same mode and version and does not find what the one before it has written. Everything else stays, as it does
// when kube-proxy is restarted on a cluster. No kube-proxy may run.
//
// In iptables mode that is the chain KUBE-SERVICES in the nat table, which may be gone already. The first sync of a kube-proxy writes all of its
// chains anew, with one iptables-restore, and the nat table is the last that is committed (see checkIPTables).
func Unsync(ctx context.Context, n Node, mode string, services []plan.Service) error {
	if !CanUnsync(mode) {
		return fmt.Errorf("%s: what kube-proxy writes last in %s mode is not known", n.Name(), mode)
	}
	for _, f := range families(services) {
		save, err := n.Run(ctx, f.tool("iptables-save"), "-t", "nat")
		if err != nil {
			return err
		}
		if len(parseRules(string(save))["nat"]["KUBE-SERVICES"]) == 0 {
			continue
		}
		if _, err := n.Run(ctx, f.tool("iptables"), "-w", "-t", "nat", "-F", "KUBE-SERVICES"); err != nil {
			return err
		}
	}
	return nil
}
