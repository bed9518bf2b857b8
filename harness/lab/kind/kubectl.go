package kind

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-lab/faultline/harness/internal/tail"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// kubectl runs kubectl in the control plane's node.
func (c *cluster) kubectl(ctx context.Context, in []byte, args ...string) ([]byte, error) {
	var input io.Reader
	if in != nil {
		input = strings.NewReader(string(in))
	}
	return c.site.engine.Feed(ctx, input, c.kubectlArgs(args)...)
}

// execArgs is how many of kubectlArgs are docker's: exec, a flag and the node.
const execArgs = 3

func (c *cluster) kubectlArgs(args []string) []string {
	return append([]string{"exec", "--interactive", c.nodes[c.plan.members[0]], "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"}, args...)
}

// podState is a Pod as far as a lab looks at it.
type podState struct {
	Metadata struct {
		Name              string            `json:"name"`
		UID               string            `json:"uid"`
		Labels            map[string]string `json:"labels"`
		DeletionTimestamp string            `json:"deletionTimestamp"`
	} `json:"metadata"`
	Spec struct {
		NodeName string `json:"nodeName"`
	} `json:"spec"`
	Status struct {
		Phase             string `json:"phase"`
		PodIP             string `json:"podIP"`
		Message           string `json:"message"`
		ContainerStatuses []struct {
			Ready        bool `json:"ready"`
			RestartCount int  `json:"restartCount"`
			State        struct {
				Waiting *struct {
					Reason  string `json:"reason"`
					Message string `json:"message"`
				} `json:"waiting"`
			} `json:"state"`
		} `json:"containerStatuses"`
	} `json:"status"`
}

// running tells whether the Pod runs: kubelet's word for every container of it.
func (p *podState) running() bool {
	for _, s := range p.Status.ContainerStatuses {
		if !s.Ready {
			return false
		}
	}
	return p.Status.Phase == "Running" && p.Metadata.DeletionTimestamp == "" && len(p.Status.ContainerStatuses) > 0
}

// hopeless says what keeps the Pod from ever running, if that is known.
func (p *podState) hopeless() string {
	for _, s := range p.Status.ContainerStatuses {
		w := s.State.Waiting
		if w == nil {
			continue
		}
		switch w.Reason {
		case "ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError":
			return w.Reason + ": " + w.Message
		case "CrashLoopBackOff":
			if s.RestartCount >= 3 {
				return fmt.Sprintf("it ended %d times: %s", s.RestartCount, w.Message)
			}
		}
	}
	if p.Status.Phase == "Failed" {
		return "it failed: " + p.Status.Message
	}
	return ""
}

// describe says how far the Pod is.
func (p *podState) describe() string {
	s := p.Metadata.Name + " is " + p.Status.Phase
	for _, c := range p.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil {
			s += ", " + w.Reason
		}
	}
	return s
}

// watch follows the Pods of a namespace with a label until enough says so; it gets all that there are, by name. On the
// deadline the error says what was seen last.
func (c *cluster) watch(ctx context.Context, namespace, selector string, enough func(map[string]*podState) bool) error {
	limit := left(ctx)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// What docker exec has started goes on when docker is killed: timeout ends it.
	args := c.kubectlArgs([]string{"get", "pods", "--namespace=" + namespace, "--selector=" + selector, "--watch", "--output-watch-events", "--output=json"})
	args = slices.Insert(args, execArgs, "timeout", fmt.Sprintf("%.0f", limit.Seconds()+1))
	r, w := io.Pipe()
	cmd := c.site.engine.Cmd(ctx, args...)
	said := tail.Buffer{Limit: 4 << 10}
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = w, &said, time.Second
	go func() { _ = w.CloseWithError(engine.Run(cmd)) }()
	defer func() { _ = r.Close() }()
	events := json.NewDecoder(r)
	pods := map[string]*podState{}
	for {
		var e struct {
			Type   string   `json:"type"`
			Object podState `json:"object"`
		}
		if err := events.Decode(&e); err != nil {
			if errors.Is(err, io.EOF) {
				err = errors.New("kubectl ended")
			}
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return fmt.Errorf("wait for pods: %w: %s%s", err, seen(pods), strings.TrimSpace(said.String()))
		}
		name := e.Object.Metadata.Name
		switch old := pods[name]; {
		case e.Type != "DELETED":
			pods[name] = &e.Object
		case old != nil && old.Metadata.UID == e.Object.Metadata.UID:
			delete(pods, name)
		}
		if why := e.Object.hopeless(); why != "" && e.Type != "DELETED" {
			return fmt.Errorf("pod %s: %s", name, why)
		}
		if enough(pods) {
			return nil
		}
	}
}

// left is the time until the deadline of ctx, or a long one where it has none.
func left(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return time.Until(deadline)
	}
	return 10 * time.Minute
}

func seen(pods map[string]*podState) string {
	if len(pods) == 0 {
		return "there are none; "
	}
	var b strings.Builder
	for _, name := range sorted(pods) {
		b.WriteString(pods[name].describe() + "; ")
	}
	return b.String()
}

// waitReady returns once every node is ready and Pods can be made.
func (c *cluster) waitReady(ctx context.Context) error {
	deadline, _ := ctx.Deadline()
	timeout := fmt.Sprintf("--timeout=%.0fs", time.Until(deadline).Seconds())
	out, err := c.kubectl(ctx, nil, "wait", "--for=condition=Ready", "nodes", "--all", timeout)
	if err != nil {
		return fmt.Errorf("wait for the nodes: %w", err)
	}
	if ready := strings.Count(string(out), "condition met"); ready != len(c.plan.members) {
		return fmt.Errorf("wait for the nodes: %d of %d have joined", ready, len(c.plan.members))
	}
	// Pods are refused before it is there, and the controller that makes it may be late.
	account, err := manifest([]object{{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": "default", "namespace": "default"}}})
	if err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, account, "apply", "--server-side", "--filename=-"); err != nil {
		return fmt.Errorf("make the service account: %w", err)
	}
	return nil
}

// everywhere tells whether one Pod runs on each member, and no other is there.
func (c *cluster) everywhere(pods map[string]*podState) bool {
	on := map[string]bool{}
	for _, p := range pods {
		if !p.running() {
			return false
		}
		on[p.Spec.NodeName] = true
	}
	return len(on) == len(c.plan.members) && len(pods) == len(on)
}

// startPods makes the lab's Pods and returns once all run.
func (c *cluster) startPods(ctx context.Context) error {
	if len(c.plan.pods) == 0 {
		return nil
	}
	text, err := manifest(c.plan.podObjects(c.name, c.site.pods.name))
	if err != nil {
		return err
	}
	if _, err := c.kubectl(ctx, text, "create", "--filename=-"); err != nil {
		return fmt.Errorf("create pods: %w", err)
	}
	return c.watch(ctx, "default", managedLabel, func(pods map[string]*podState) bool {
		for _, p := range pods {
			if !p.running() {
				return false
			}
		}
		return len(pods) == len(c.plan.pods)
	})
}

// listens follows the log of a Pod, which is its argument, after kubectl's own. It prints the log up to the line by which a
// server says that it listens, or to the end of the container. kubectl, which would go on following, is ended by its group: that
// timeout makes, and by itself it may not know its child yet.
const listens = `exec {log}< <(exec timeout "$@" 2>&1)
sed --unbuffered '/^ready$/q' <&"$log"
kill -- "-$!" 2>/dev/null || true`

// waitServers returns once every server listens: it says so on its standard output. A server that has ended will not.
func (c *cluster) waitServers(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, p := range c.plan.pods {
		if len(p.tcp)+len(p.udp) == 0 {
			continue
		}
		g.Go(func() error {
			args := c.kubectlArgs([]string{"logs", "--follow", p.name})
			args = slices.Insert(args, execArgs, "bash", "-c", listens, "bash", fmt.Sprintf("%.0f", left(ctx).Seconds()+1))
			out, err := c.site.engine.Output(ctx, args...)
			if err != nil {
				return fmt.Errorf("wait for the servers of pod %s: %w", p.name, err)
			}
			if said := strings.TrimSpace(string(out)); !strings.HasSuffix("\n"+said, "\nready") {
				return fmt.Errorf("wait for the servers of pod %s: their log ends before they listen: %s", p.name, cmp.Or(lastLines(said, 15), "without a word"))
			}
			return nil
		})
	}
	return g.Wait()
}
