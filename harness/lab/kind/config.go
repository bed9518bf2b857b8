package kind

import (
	"encoding/json"
	"fmt"
	"slices"

	"golang.org/x/mod/semver"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"

	"github.com/faultline-lab/faultline/harness/topology"
)

// DefaultImage is the name of the node image of a release of Kubernetes, as kind publishes it.
func DefaultImage(version string) string { return "kindest/node:" + version }

// skipProxy is kubeadm's phase that installs kube-proxy.
const skipProxy = "addon/kube-proxy"

// config is what kind makes the cluster from.
func (c *clusterPlan) config(name, image, version string, cgroup1 bool) (*v1alpha4.Cluster, error) {
	out := &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Name:     name,
		Networking: v1alpha4.Networking{
			IPFamily: v1alpha4.IPv4Family, DisableDefaultCNI: true,
			PodSubnet: "10.244.0.0/16", ServiceSubnet: "10.96.0.0/16", KubeProxyMode: "none",
		},
	}
	for i := range c.members {
		role := v1alpha4.WorkerRole
		if i == 0 {
			role = v1alpha4.ControlPlaneRole
		}
		out.Nodes = append(out.Nodes, v1alpha4.Node{Role: role, Image: image})
	}
	if c.proxy != nil {
		out.Networking.ServiceSubnet = c.proxy.ServiceCIDR
		if c.proxy.ClusterCIDR != "" {
			out.Networking.PodSubnet = c.proxy.ClusterCIDR
		}
	}
	// CoreDNS needs a network that the plan does not have; names are resolved before a probe is asked. kube-proxy comes with
	// the lab: see startProxies.
	patches := []map[string]any{{"kind": "InitConfiguration", "skipPhases": []string{"preflight", "addon/coredns", skipProxy}}}
	if cgroup1 && semver.Compare(version, "v1.31.0") >= 0 {
		// From v1.35 on kubelet refuses cgroup v1 unless it is told otherwise (KEP-5573).
		patches = append(patches, map[string]any{"kind": "KubeletConfiguration", "failCgroupV1": false})
	}
	for _, p := range patches {
		text, err := json.Marshal(p) // JSON is YAML
		if err != nil {
			return nil, fmt.Errorf("encode kubeadm's configuration: %w", err)
		}
		out.KubeadmConfigPatches = append(out.KubeadmConfigPatches, string(text))
	}
	return out, nil
}

// nodeNames are the names that kind gives the members, in their order.
func (c *clusterPlan) nodeNames(cluster string) map[string]string {
	names := map[string]string{}
	for i, m := range c.members {
		switch i {
		case 0:
			names[m] = cluster + "-control-plane"
		case 1:
			names[m] = cluster + "-worker"
		default:
			names[m] = fmt.Sprintf("%s-worker%d", cluster, i)
		}
	}
	return names
}

// knows tells whether a node of the plan is a member.
func (c *clusterPlan) knows(node string) bool { return slices.Contains(c.members, node) }

// release is the version for kind's configuration of a plan without kube-proxy too.
func (c *clusterPlan) release() string {
	if c.proxy != nil {
		return c.proxy.Version
	}
	return topology.DefaultKubeProxy
}
