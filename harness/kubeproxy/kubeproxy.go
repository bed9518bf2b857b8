// Package kubeproxy gets a real kube-proxy of a chosen version, says how to run it in a node, and tells when it is in
// sync.
//
// In: a release of Kubernetes, the topology's Services, a node whose kernel can be read. Out: the path of a binary,
// its command line, and the moment at which the Services are in the kernel. It never decides anything by time: in sync
// is what the kernel's rules say. It never starts kube-proxy itself; the runtimes do. What kube-proxy asks of an API
// server is served by the package api below.
package kubeproxy

import (
	"strings"

	"golang.org/x/mod/semver"

	"github.com/faultline-lab/faultline/harness/plan"
)

// The modes of kube-proxy.
const (
	ModeIPTables = "iptables"
	ModeIPVS     = "ipvs"
	ModeNFTables = "nftables"
)

// FileName is the name of the binary of a version, in the cache and wherever the binary is put for a lab.
func FileName(version string) string { return "kube-proxy-" + version }

// Args returns the arguments of kube-proxy, without the program itself, for the node of s. master is the URL of the
// API endpoint as the node reaches it. The flags of s come last, so that they win.
func Args(s plan.StartKubeProxy, master string) []string {
	args := []string{
		"--master=" + master,
		// The endpoint speaks JSON only. kube-proxy's own choice, protobuf, would be used for the events it posts.
		"--kube-api-content-type=application/json",
		// kube-proxy lower-cases its node's name, as the API's names are.
		"--hostname-override=" + strings.ToLower(s.Node),
		"--proxy-mode=" + s.Mode,
		// nf_conntrack_max belongs to the first network namespace: it is read-only in all others, and kube-proxy ends
		// when it cannot write it (SetSysctls in pkg/proxy/conntrack/sysctls.go). 0 leaves it as it is.
		"--conntrack-max-per-core=0",
		"--conntrack-min=0",
		"--v=2",
	}
	if s.Address.IsValid() {
		args = append(args, "--bind-address="+s.Address.String())
	}
	if s.ClusterCIDR != "" {
		args = append(args, "--cluster-cidr="+s.ClusterCIDR)
	}
	if s.Mode == ModeNFTables {
		args = append(args, nftablesGate(s.Version)...)
	}
	return append(args, s.Flags...)
}

// CleanupArgs returns the arguments that make kube-proxy of version take its rules out of the kernel and end. kube-proxy
// itself cleans up when it changes to or from nftables mode, but leaves IPVS servers and kube-ipvs0 behind when it
// changes from IPVS to iptables mode (platformCleanup in cmd/kube-proxy/app/server_linux.go).
func CleanupArgs(version string) []string {
	return append([]string{"--cleanup"}, nftablesGate(version)...)
}

// nftablesGate returns the flag without which kube-proxy of version neither has nftables mode nor cleans up after it:
// alpha in v1.29 and v1.30, on by default since v1.31 (KEP-3866).
func nftablesGate(version string) []string {
	if semver.Compare(version, "v1.29.0-alpha") > 0 && semver.Compare(version, "v1.31.0-beta") < 0 {
		return []string{"--feature-gates=NFTablesProxyMode=true"}
	}
	return nil
}
