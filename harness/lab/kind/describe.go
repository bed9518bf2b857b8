package kind

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/faultline-lab/faultline/harness/lab"
)

// describeLimit is what documents may take of a cluster that hardly answers any more.
const describeLimit = 20 * time.Second

var _ lab.Describer = (*clusterLab)(nil)

// Describe returns the versions of what runs on each node, and the objects that decide about the data path.
func (l *clusterLab) Describe(ctx context.Context) ([]lab.Document, error) {
	ctx, cancel := context.WithTimeout(ctx, describeLimit)
	defer cancel()
	var errs []error
	var nodes []nodeFacts
	var documents []lab.Document
	for i, c := range l.site.clusters {
		found, err := c.versions(ctx)
		nodes, errs = append(nodes, found...), append(errs, err)
		of := ""
		if i > 0 {
			of = c.plan.members[0] + "-"
		}
		for _, o := range c.described() {
			text, err := c.kubectl(ctx, nil, append([]string{"get", "--request-timeout=5s", "--output=yaml"}, o.get...)...)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			documents = append(documents, lab.Document{Name: of + o.name, Says: o.says, Text: string(text)})
		}
	}
	if len(nodes) > 0 {
		text, err := yaml.Marshal(nodes)
		errs = append(errs, err)
		first := lab.Document{Name: "nodes.yaml", Says: "the nodes and their versions, by their own word", Text: string(text)}
		documents = append([]lab.Document{first}, documents...)
	}
	if err := errors.Join(errs...); err != nil {
		return documents, fmt.Errorf("describe cluster %s: %w", l.site.name, err)
	}
	return documents, nil
}

// described is the error of a lab that could not be built, with its documents where its clusters are there. What its nodes
// say is in the error: see explain.
func (l *clusterLab) described(ctx context.Context, err error) error {
	if l.site == nil || ctx.Err() != nil {
		return err
	}
	documents, _ := l.Describe(ctx) // what cannot be had, of a lab that is broken, is no news
	return &lab.DescribedError{Err: err, Documents: documents}
}

// described is an object or a list of them, as kubectl gets it.
type described struct {
	name, says string
	get        []string
}

func (c *cluster) described() []described {
	list := []described{
		{"services.yaml", "the Services", []string{"services", "--all-namespaces"}},
		{"endpointslices.yaml", "the EndpointSlices", []string{"endpointslices", "--all-namespaces"}},
	}
	if c.plan.proxy != nil {
		proxy := described{"kube-proxy.yaml", "kube-proxy's ConfigMap", []string{"configmap", "kube-proxy", "--namespace=kube-system"}}
		list = append([]described{proxy}, list...)
	}
	return list
}

// nodeFacts is a node in nodes.yaml.
type nodeFacts struct {
	Node             string `json:"node"`
	Container        string `json:"container"`
	Kubelet          string `json:"kubelet"`
	KubeProxy        string `json:"kubeProxy,omitempty"` // empty where it does not run
	ContainerRuntime string `json:"containerRuntime"`
	OS               string `json:"os"`
	Kernel           string `json:"kernel"`
}

// versions are the facts of all nodes of the cluster: kubelet's word, and of kube-proxy that of the process that runs. With an
// error they are what could be found out.
func (c *cluster) versions(ctx context.Context) ([]nodeFacts, error) {
	out, err := c.kubectl(ctx, nil, "get", "nodes", "--request-timeout=5s", "--output=json")
	if err != nil {
		return nil, err
	}
	nodes, err := parseNodes(out, c.plan.members, c.nodes)
	errs := []error{err}
	for i := range nodes {
		if c.plan.proxy == nil || c.site.base == nil {
			continue
		}
		n, err := c.site.base.Node(nodes[i].Node)
		if err == nil {
			var text string
			if text, err = metrics(ctx, n); err == nil {
				nodes[i].KubeProxy = builtAs(text)
			}
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("ask kube-proxy of node %s for its version: %w", nodes[i].Node, err))
		}
	}
	return nodes, errors.Join(errs...)
}

// parseNodes are the facts of members, in their order, in a list of Nodes, whose names are those of the containers.
func parseNodes(list []byte, members []string, containers map[string]string) ([]nodeFacts, error) {
	var l struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				NodeInfo struct{ KubeletVersion, ContainerRuntimeVersion, OSImage, KernelVersion string }
			}
		}
	}
	if err := json.Unmarshal(list, &l); err != nil {
		return nil, fmt.Errorf("read the nodes: %w", err)
	}
	var facts []nodeFacts
	for _, m := range members {
		for _, item := range l.Items {
			if i := item.Status.NodeInfo; item.Metadata.Name == containers[m] {
				facts = append(facts, nodeFacts{
					Node: m, Container: item.Metadata.Name, Kubelet: i.KubeletVersion, ContainerRuntime: i.ContainerRuntimeVersion,
					OS: i.OSImage, Kernel: i.KernelVersion,
				})
			}
		}
	}
	return facts, nil
}

// builtAs is the version that metrics of a component of Kubernetes name; empty if they name none.
func builtAs(metrics string) string {
	for line := range strings.SplitSeq(metrics, "\n") {
		if !strings.HasPrefix(line, "kubernetes_build_info{") {
			continue
		}
		if _, rest, ok := strings.Cut(line, `git_version="`); ok {
			version, _, _ := strings.Cut(rest, `"`)
			return version
		}
	}
	return ""
}
