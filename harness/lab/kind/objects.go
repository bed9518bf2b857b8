package kind

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/kubeproxy/api"
	"github.com/faultline-lab/faultline/harness/plan"
)

const (
	// nodeLabel tells what node of the plan a Pod or a Node is.
	nodeLabel = "faultline.io/node"
	// managedLabel is on all objects that are a lab's.
	managedLabel = "faultline.io/lab"
	// program is where this binary is: in the Pods' image and in the containers beside the cluster.
	program = "/faultline"
	// PodCommand is the command of a Pod, or of a container, without servers: it waits for its end.
	PodCommand = "hold"
)

type object = map[string]any

// podObjects are the Pods of a cluster, put on their nodes by name: the scheduler and taints have no say.
func (c *clusterPlan) podObjects(cluster, image string) []object {
	nodes := c.nodeNames(cluster)
	var list []object
	for _, p := range c.pods {
		list = append(list, object{
			"apiVersion": "v1", "kind": "Pod",
			"metadata": object{"name": p.name, "namespace": "default", "labels": object{nodeLabel: p.name, managedLabel: "yes"}},
			"spec": object{
				"nodeName":                      nodes[p.on],
				"hostNetwork":                   p.host,
				"automountServiceAccountToken":  false,
				"enableServiceLinks":            false,
				"terminationGracePeriodSeconds": 1,
				"dnsPolicy":                     "Default",
				"tolerations":                   []object{{"operator": "Exists"}},
				"containers": []object{{
					"name": "server", "image": image, "imagePullPolicy": "Never", "command": append([]string{program}, p.command()...),
				}},
			},
		})
	}
	return list
}

// command is what the node's container runs, without the program.
func (p *pod) command() []string {
	if len(p.tcp)+len(p.udp) == 0 {
		return []string{PodCommand}
	}
	args := []string{"serve", p.node}
	for _, l := range []struct {
		flag  string
		ports []uint16
	}{{"--tcp", p.tcp}, {"--udp", p.udp}} {
		if len(l.ports) > 0 {
			args = append(args, l.flag, portList(l.ports))
		}
	}
	return args
}

func portList(ports []uint16) string {
	words := make([]string, len(ports))
	for i, p := range ports {
		words[i] = strconv.Itoa(int(p))
	}
	return strings.Join(words, ",")
}

// serviceObjects are Services and their EndpointSlices, on the cluster's names of nodes.
func (c *clusterPlan) serviceObjects(cluster string, services ...plan.Service) ([]object, error) {
	nodes := c.nodeNames(cluster)
	var list []object
	for _, s := range services {
		backends := make([]plan.Backend, len(s.Backends))
		for i, b := range s.Backends {
			b.Node = nodes[b.Node]
			backends[i] = b
		}
		s.Backends = backends
		objects, err := api.Objects(s)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", s.Name, err)
		}
		for _, o := range objects {
			m := o["metadata"].(object)
			labels, _ := m["labels"].(object)
			if labels == nil {
				labels = object{}
			}
			labels[managedLabel] = "yes"
			m["labels"] = labels
			list = append(list, o)
		}
	}
	return list, nil
}

// manifest is objects as kubectl reads them.
func manifest(objects []object) ([]byte, error) {
	return json.Marshal(object{"apiVersion": "v1", "kind": "List", "items": objects})
}
