package e2e

import (
	"context"
	"encoding/json"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// linkOf is an interface as ip shows it.
type linkOf struct {
	Address  string // MAC
	MTU      int
	LinkInfo struct {
		Kind string `json:"info_kind"`
		Data struct {
			Mode string
		} `json:"info_data"`
	}
	AddrInfo []struct {
		Family, Local string
		PrefixLen     int
	} `json:"addr_info"`
}

// inPod runs a command in the network of a Pod, from its node.
func inPod(ctx context.Context, node, pod string, command string) string {
	GinkgoHelper()
	return docker(ctx, "exec", node, "sh", "-c", `nsenter --net="$(cat /run/faultline/pods/`+pod+`)" `+command)
}

// shownLink is the interface of a Pod.
func shownLink(ctx context.Context, node, pod, name string) linkOf {
	GinkgoHelper()
	var links []linkOf
	Expect(json.Unmarshal([]byte(inPod(ctx, node, pod, "ip -json -details address show dev "+name)), &links)).To(Succeed())
	Expect(links).To(HaveLen(1))
	return links[0]
}

// attached is what libcni keeps of an interface that a plugin has made: what it was asked, base64, and its answer.
type attached struct {
	IfName, NetNS string
	Config        []byte
	Result        struct {
		Interfaces []struct{ Name, Mac, Sandbox string }
		IPs        []struct{ Address string }
		Routes     []struct{ Dst, GW string }
	}
}

var _ = Describe("Pods on kind", Serial, Ordered, Label("lifecycle", "kind"), func() {
	var cluster string

	// attachments are those of a node, by the Pod's address.
	attachments := func(ctx context.Context, node string) map[string]attached {
		GinkgoHelper()
		all := map[string]attached{}
		out := docker(ctx, "exec", node, "sh", "-c", "for f in /run/faultline/cni/results/*; do [ ! -e $f ] || { cat $f; echo; }; done")
		for line := range strings.Lines(out) {
			var a attached
			Expect(json.Unmarshal([]byte(line), &a)).To(Succeed())
			Expect(a.Result.IPs).To(HaveLen(1))
			all[a.Result.IPs[0].Address] = a
		}
		return all
	}
	kubectl := func(ctx context.Context, args ...string) string {
		GinkgoHelper()
		return docker(ctx, append([]string{"exec", cluster + "-control-plane", "kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"}, args...)...)
	}

	BeforeAll(func(ctx SpecContext) {
		dir := GinkgoT().TempDir()
		args := append([]string{"run", "macvlan-calico", "--variant", "kube-proxy", "--fix", "be-liberal-flag", "--keep", "--report", dir}, kindArgs()...)
		r := faultline(ctx, dir, args...)
		if name := keptName.FindStringSubmatch(r.stdout); name != nil {
			cluster = name[1]
			DeferCleanup(func(ctx SpecContext) {
				Expect(faultline(ctx, dir, "down", cluster).code).To(Equal(asExpected))
			}, NodeTimeout(clusterTimeout))
		}
		if r.code == unsupported {
			Skip(r.stdout)
		}
		Expect(r.code).To(Equal(asExpected))
		Expect(cluster).NotTo(BeEmpty(), "nothing says that a cluster is kept")
	}, NodeTimeout(clusterTimeout))

	It("get their macvlan interfaces from the plugin macvlan", func(ctx SpecContext) {
		for _, tt := range []struct{ node, pod, link, address, gateway string }{
			{"-control-plane", "pod3b", "eth0", "10.7.200.12/16", "10.7.0.1"},
			{"-worker", "pod2", "net1", "10.7.200.1/16", ""},
			{"-worker2", "pod3", "eth0", "10.7.200.2/16", "10.7.0.1"},
			{"-worker2", "pod2b", "net1", "10.7.200.11/16", ""},
		} {
			By(tt.pod)
			made, ok := attachments(ctx, cluster+tt.node)[tt.address]
			Expect(ok).To(BeTrue(), "no plugin has made the interface with "+tt.address)
			Expect(string(made.Config)).To(And(ContainSubstring(`"type":"macvlan"`), ContainSubstring(`"master":"eth0"`)))
			Expect(made.Result.Interfaces).To(HaveLen(1))
			Expect(made.Result.Interfaces[0].Name).To(Equal(tt.link))
			if tt.gateway != "" {
				Expect(made.Result.Routes).To(HaveLen(1))
				Expect(inPod(ctx, cluster+tt.node, tt.pod, "ip route show default")).To(Equal("default via " + tt.gateway + " dev " + tt.link))
			}
			// The interface that is there is the one that the plugin has made: its MAC address is the kernel's choice.
			there := shownLink(ctx, cluster+tt.node, tt.pod, tt.link)
			Expect(there.Address).To(Equal(made.Result.Interfaces[0].Mac))
			Expect(there.LinkInfo.Kind).To(Equal("macvlan"))
			Expect(there.LinkInfo.Data.Mode).To(Equal("bridge"))
		}
	}, SpecTimeout(clusterTimeout))

	It("have the addresses that Kubernetes knows", func(ctx SpecContext) {
		Expect(kubectl(ctx, "get", "pods", "pod1", "pod2", "pod3", "--output=jsonpath={.items[*].status.podIP}")).
			To(Equal("10.233.100.1 10.233.100.66 10.7.200.2"))
	}, SpecTimeout(clusterTimeout))

	It("lose their macvlan interfaces by the plugin macvlan", func(ctx SpecContext) {
		node := cluster + "-worker2"
		Expect(attachments(ctx, node)).To(HaveLen(2))
		kubectl(ctx, "delete", "pod", "pod3", "--wait=true")
		Expect(attachments(ctx, node)).To(And(HaveLen(1), HaveKey("10.7.200.11/16")))
	}, SpecTimeout(clusterTimeout))
})
