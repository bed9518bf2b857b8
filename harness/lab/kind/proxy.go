package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/yaml"

	"github.com/faultline-lab/faultline/harness/kubeproxy"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

const (
	proxySelector = "k8s-app=kube-proxy"
	// syncEvery is how often kube-proxy's metrics are read: they cannot be subscribed to.
	syncEvery = 200 * time.Millisecond
)

// waitInSync returns once kube-proxy of every member has written its rules once and the kernel has services.
func (c *cluster) waitInSync(ctx context.Context, services []plan.Service) error {
	if c.plan.proxy == nil {
		return nil
	}
	return c.inSync(ctx, c.plan.members, services)
}

func (c *cluster) inSync(ctx context.Context, members []string, services []plan.Service) error {
	all := append([]plan.Service{c.apiService()}, services...)
	g, ctx := errgroup.WithContext(ctx)
	for _, m := range members {
		g.Go(func() error {
			n, err := c.site.base.Node(m)
			if err != nil {
				return err
			}
			if err := synced(ctx, n); err != nil {
				return err
			}
			return kubeproxy.WaitInSync(ctx, kernel{n}, c.plan.proxy.Mode, all)
		})
	}
	return g.Wait()
}

// apiService is the Service that every cluster has: the first address of the Service CIDR leads to the control plane.
func (c *cluster) apiService() plan.Service {
	s := plan.Service{Name: "kubernetes", Ports: []plan.ServicePort{{Name: "https", Port: 443, TargetPort: 6443, Protocol: "TCP"}}}
	if cidr, err := netip.ParsePrefix(c.plan.proxy.ServiceCIDR); err == nil {
		s.ClusterIP = cidr.Masked().Addr().Next()
	}
	s.Backends = []plan.Backend{{Name: "kubernetes", Address: c.addresses[c.plan.members[0]]}}
	return s
}

// lastSync is when kube-proxy wrote its rules last, 0 before it has.
const lastSync = "kubeproxy_sync_proxy_rules_last_timestamp_seconds"

// synced returns once the kube-proxy that runs in n has written its rules: those in the kernel may be of one before it.
func synced(ctx context.Context, n lab.Node) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(syncEvery)
	defer tick.Stop()
	for {
		text, err := metrics(ctx, n)
		if err == nil && hasSynced(text) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: kube-proxy has not written its rules: %w", n.Name(), errors.Join(ctx.Err(), err))
		case <-tick.C:
		}
	}
}

// metrics are those of the kube-proxy that runs in n.
func metrics(ctx context.Context, n lab.Node) (string, error) {
	// The node image has no need of an HTTP client, but of bash.
	out, err := lab.Run(ctx, n, "bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/10249 && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && cat <&3`)
	return string(out), err
}

func hasSynced(metrics string) bool {
	for line := range strings.SplitSeq(metrics, "\n") {
		if name, value, ok := strings.Cut(line, " "); ok && strings.HasPrefix(name, lastSync) && !strings.Contains(name, `"IPv6"`) {
			at, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err == nil && at > 0 {
				return true
			}
		}
	}
	return false
}

// kernel is a member as package kubeproxy reads its kernel.
type kernel struct{ lab.Node }

// Run runs a command to its end.
func (k kernel) Run(ctx context.Context, args ...string) ([]byte, error) {
	return lab.Run(ctx, k.Node, args...)
}

// ReadFile reads a file as a process in the node sees it.
func (k kernel) ReadFile(name string) ([]byte, error) {
	out, err := lab.Run(context.Background(), k.Node, "cat", name)
	if err != nil && strings.Contains(err.Error(), "No such file or directory") {
		return nil, fmt.Errorf("read %s: %w", name, fs.ErrNotExist)
	}
	return out, err
}

// restart restarts kube-proxy on members as one does in Kubernetes: its Pods are deleted, and the DaemonSet makes new ones.
func (c *cluster) restart(ctx context.Context, members []string) error {
	var on []string
	for _, m := range members {
		on = append(on, c.nodes[m])
	}
	old, err := c.proxies(ctx)
	if err != nil {
		return err
	}
	args := []string{"delete", "pod", "--namespace=kube-system", "--wait=true"}
	for _, p := range old {
		if slices.Contains(on, p.Spec.NodeName) {
			args = append(args, p.Metadata.Name)
		}
	}
	if _, err := c.kubectl(ctx, nil, args...); err != nil {
		return fmt.Errorf("restart kube-proxy: %w", err)
	}
	if err := c.watch(ctx, "kube-system", proxySelector, c.everywhere); err != nil {
		return fmt.Errorf("restart kube-proxy: %w", err)
	}
	return c.inSync(ctx, members, c.plan.services)
}

// proxies are the Pods of kube-proxy.
func (c *cluster) proxies(ctx context.Context) ([]podState, error) {
	out, err := c.kubectl(ctx, nil, "get", "pods", "--namespace=kube-system", "--selector="+proxySelector, "--output=json")
	if err != nil {
		return nil, fmt.Errorf("find kube-proxy's pods: %w", err)
	}
	var list struct {
		Items []podState `json:"items"`
	}
	return list.Items, json.Unmarshal(out, &list)
}

// stopProxies ends every kube-proxy and returns once none is left: the DaemonSet is for nodes that there are not.
func (c *cluster) stopProxies(ctx context.Context) error {
	installed, err := c.hasProxies(ctx)
	if err != nil || !installed {
		return err
	}
	if err := c.selectNodes(ctx, `"nowhere"`); err != nil {
		return err
	}
	_, err = c.kubectl(ctx, nil, "delete", "pod", "--namespace=kube-system", "--selector="+proxySelector, "--wait=true")
	if err != nil {
		return fmt.Errorf("stop kube-proxy: %w", err)
	}
	return nil
}

// hasProxies tells whether kube-proxy was installed.
func (c *cluster) hasProxies(ctx context.Context) (bool, error) {
	out, err := c.kubectl(ctx, nil, "get", "daemonset", "kube-proxy", "--namespace=kube-system", "--ignore-not-found", "--output=name")
	if err != nil {
		return false, fmt.Errorf("look for kube-proxy: %w", err)
	}
	return len(out) > 0, nil
}

// startProxies starts kube-proxy on every member with the plan's configuration, and returns once all run. It comes after the
// wiring, as in every runtime: kube-proxy reads sysctls when it starts.
func (c *cluster) startProxies(ctx context.Context) error {
	if c.plan.proxy == nil {
		return nil
	}
	installed, err := c.hasProxies(ctx)
	switch {
	case err != nil:
	case installed:
		if err = c.configure(ctx); err == nil {
			err = c.selectNodes(ctx, "null")
		}
	default:
		err = c.install(ctx)
		if err == nil && c.plan.proxy.ClusterCIDR == "" { // kubeadm has put the Pods' subnet there
			if err = c.configure(ctx); err == nil {
				_, err = c.kubectl(ctx, nil, "delete", "pod", "--namespace=kube-system", "--selector="+proxySelector, "--wait=true")
			}
		}
	}
	if err != nil {
		return err
	}
	return c.watch(ctx, "kube-system", proxySelector, c.everywhere)
}

// install has kubeadm install kube-proxy, as it does when it makes a cluster.
func (c *cluster) install(ctx context.Context) error {
	config, err := proxyConfig(c.plan.proxy, c.plan.addresses)
	if err != nil {
		return err
	}
	config["kind"], config["apiVersion"] = "KubeProxyConfiguration", "kubeproxy.config.k8s.io/v1alpha1"
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	const script = `{ grep -v ` + skipProxy + ` /kind/kubeadm.conf; echo ---; cat; } > /kind/kubeadm-proxy.conf && kubeadm init phase addon kube-proxy --config=/kind/kubeadm-proxy.conf`
	_, err = c.site.engine.Feed(ctx, bytes.NewReader(text), "exec", "--interactive", c.nodes[c.plan.members[0]], "sh", "-c", script)
	if err != nil {
		return fmt.Errorf("install kube-proxy: %w", err)
	}
	return nil
}

// selectNodes sets where the DaemonSet runs: a label's value as JSON, null for everywhere.
func (c *cluster) selectNodes(ctx context.Context, value string) error {
	patch := `{"spec": {"template": {"spec": {"nodeSelector": {"faultline.io/stopped": ` + value + `}}}}}`
	if _, err := c.kubectl(ctx, nil, "patch", "daemonset", "kube-proxy", "--namespace=kube-system", "--patch", patch); err != nil {
		return fmt.Errorf("say where kube-proxy runs: %w", err)
	}
	return nil
}

// configure writes what the plan says into kube-proxy's ConfigMap.
func (c *cluster) configure(ctx context.Context) error {
	out, err := c.kubectl(ctx, nil, "get", "configmap", "kube-proxy", "--namespace=kube-system", "--output=json")
	if err != nil {
		return fmt.Errorf("read kube-proxy's configuration: %w", err)
	}
	var m struct {
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(out, &m); err != nil {
		return fmt.Errorf("read kube-proxy's configuration: %w", err)
	}
	config := map[string]any{}
	if err := yaml.Unmarshal([]byte(m.Data["config.conf"]), &config); err != nil {
		return fmt.Errorf("read kube-proxy's configuration: %w", err)
	}
	wanted, err := proxyConfig(c.plan.proxy, c.plan.addresses)
	if err != nil {
		return err
	}
	merge(config, wanted)
	text, err := yaml.Marshal(config)
	if err != nil {
		return err
	}
	patch, err := json.Marshal(object{"data": object{"config.conf": string(text)}})
	if err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, nil, "patch", "configmap", "kube-proxy", "--namespace=kube-system", "--patch", string(patch)); err != nil {
		return fmt.Errorf("configure kube-proxy: %w", err)
	}
	return nil
}

// apply makes services and their endpoints, or changes them.
func (c *cluster) apply(ctx context.Context, services ...plan.Service) error {
	if len(services) == 0 {
		return nil
	}
	objects, err := c.plan.serviceObjects(c.name, services...)
	if err != nil {
		return err
	}
	text, err := manifest(objects)
	if err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, text, "apply", "--server-side", "--force-conflicts", "--field-manager=faultline", "--filename=-"); err != nil {
		return fmt.Errorf("apply services: %w", err)
	}
	return nil
}

// sorted are the keys of m.
func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
