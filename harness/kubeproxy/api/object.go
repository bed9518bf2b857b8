package api

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/faultline-lab/faultline/harness/plan"
)

// The objects of the Kubernetes API, as far as kube-proxy reads them. They are written by hand instead of imported
// from k8s.io/api, because the binary that has this package in it is also the probe client: k8s.io/api registers its
// types when a program starts, and every probe would pay for that.

const namespace = "default"

type typeMeta struct {
	Kind       string `json:"kind"`
	APIVersion string `json:"apiVersion"`
}

type objectMeta struct {
	Name            string            `json:"name,omitempty"`
	Namespace       string            `json:"namespace,omitempty"`
	UID             string            `json:"uid,omitempty"`
	ResourceVersion string            `json:"resourceVersion"`
	Labels          map[string]string `json:"labels,omitempty"`
	Annotations     map[string]string `json:"annotations,omitempty"`
}

type node struct {
	typeMeta
	Metadata objectMeta `json:"metadata"`
	Status   struct {
		Addresses []nodeAddress `json:"addresses"`
	} `json:"status"`
}

type nodeAddress struct {
	Type    string `json:"type"`
	Address string `json:"address"`
}

type service struct {
	typeMeta
	Metadata objectMeta  `json:"metadata"`
	Spec     serviceSpec `json:"spec"`
}

type serviceSpec struct {
	Type                  string        `json:"type"`
	ClusterIP             netip.Addr    `json:"clusterIP"`
	ClusterIPs            []netip.Addr  `json:"clusterIPs"`
	IPFamilies            []string      `json:"ipFamilies"`
	IPFamilyPolicy        string        `json:"ipFamilyPolicy"`
	SessionAffinity       string        `json:"sessionAffinity"`
	InternalTrafficPolicy string        `json:"internalTrafficPolicy"`
	ExternalTrafficPolicy string        `json:"externalTrafficPolicy,omitempty"`
	Ports                 []servicePort `json:"ports"`
}

type servicePort struct {
	Name       string `json:"name,omitempty"`
	Protocol   string `json:"protocol"`
	Port       uint16 `json:"port"`
	TargetPort uint16 `json:"targetPort"`
	NodePort   uint16 `json:"nodePort,omitempty"`
}

type endpointSlice struct {
	typeMeta
	Metadata    objectMeta     `json:"metadata"`
	AddressType string         `json:"addressType"`
	Endpoints   []endpoint     `json:"endpoints"`
	Ports       []endpointPort `json:"ports"`
}

type endpoint struct {
	Addresses  []netip.Addr       `json:"addresses"`
	Conditions endpointConditions `json:"conditions"`
	NodeName   string             `json:"nodeName,omitempty"`
	TargetRef  *objectReference   `json:"targetRef,omitempty"`
}

type endpointConditions struct {
	Ready       bool `json:"ready"`
	Serving     bool `json:"serving"`
	Terminating bool `json:"terminating"`
}

type objectReference struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

type endpointPort struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port"`
}

type serviceCIDR struct {
	typeMeta
	Metadata objectMeta `json:"metadata"`
	Spec     struct {
		CIDRs []netip.Prefix `json:"cidrs"`
	} `json:"spec"`
}

// object is one object of the store, ready to be sent.
type object struct {
	name, namespace string
	labels          map[string]string
	clusterIP       string // of a Service, for the field selector spec.clusterIP
	version         uint64
	json            json.RawMessage
	build           builder // makes the same object of another version
}

// builder makes an object of one kind for the version at which it enters the store.
type builder func(version uint64) object

func buildNode(n plan.ClusterNode) builder {
	// kube-proxy lower-cases the name of its node before it looks it up.
	name := strings.ToLower(n.Name)
	return func(version uint64) object {
		v := node{typeMeta: nodes.typeMeta(), Metadata: meta(name, "", "node", version)}
		v.Metadata.Labels = map[string]string{"kubernetes.io/hostname": name}
		for _, a := range n.Addresses {
			v.Status.Addresses = append(v.Status.Addresses, nodeAddress{Type: "InternalIP", Address: a.String()})
		}
		v.Status.Addresses = append(v.Status.Addresses, nodeAddress{Type: "Hostname", Address: name})
		return seal(v.Metadata, version, v)
	}
}

func buildService(s plan.Service) builder {
	return func(version uint64) object {
		v := service{typeMeta: services.typeMeta(), Metadata: meta(s.Name, namespace, "service", version)}
		v.Spec = serviceSpec{
			Type: "ClusterIP", ClusterIP: s.ClusterIP, ClusterIPs: []netip.Addr{s.ClusterIP},
			IPFamilies: []string{family(s.ClusterIP)}, IPFamilyPolicy: "SingleStack",
			SessionAffinity: "None", InternalTrafficPolicy: "Cluster", Ports: []servicePort{},
		}
		if s.NodePort {
			v.Spec.Type, v.Spec.ExternalTrafficPolicy = "NodePort", "Cluster"
		}
		for _, p := range s.Ports {
			port := servicePort{Name: portName(s, p), Protocol: protocol(p), Port: p.Port, TargetPort: target(p)}
			if s.NodePort {
				port.NodePort = p.NodePort
			}
			v.Spec.Ports = append(v.Spec.Ports, port)
		}
		o := seal(v.Metadata, version, v)
		o.clusterIP = s.ClusterIP.String()
		return o
	}
}

func buildSlice(s plan.Service) builder {
	return func(version uint64) object {
		v := endpointSlice{
			typeMeta: endpointSlices.typeMeta(), Metadata: meta(sliceName(s), namespace, "endpointslice", version),
			AddressType: family(s.ClusterIP), Endpoints: []endpoint{}, Ports: []endpointPort{},
		}
		v.Metadata.Labels = map[string]string{
			serviceNameLabel:                         s.Name,
			"endpointslice.kubernetes.io/managed-by": "faultline",
		}
		for _, b := range s.Backends {
			v.Endpoints = append(v.Endpoints, endpoint{
				Addresses:  []netip.Addr{b.Address},
				Conditions: endpointConditions{Ready: true, Serving: true},
				NodeName:   strings.ToLower(b.Node),
				TargetRef:  &objectReference{Kind: "Pod", Namespace: namespace, Name: b.Name},
			})
		}
		for _, p := range s.Ports {
			v.Ports = append(v.Ports, endpointPort{Name: portName(s, p), Protocol: protocol(p), Port: target(p)})
		}
		return seal(v.Metadata, version, v)
	}
}

func buildServiceCIDR(name string, cidrs []netip.Prefix) builder {
	return func(version uint64) object {
		v := serviceCIDR{typeMeta: serviceCIDRs.typeMeta(), Metadata: meta(name, "", "servicecidr", version)}
		v.Spec.CIDRs = cidrs
		return seal(v.Metadata, version, v)
	}
}

// serviceNameLabel joins an EndpointSlice to its Service.
const serviceNameLabel = "kubernetes.io/service-name"

// sliceName names the family: the address type of a slice cannot change.
func sliceName(s plan.Service) string { return s.Name + "-" + strings.ToLower(family(s.ClusterIP)) }

func family(a netip.Addr) string {
	if a.Is4() || a.Is4In6() {
		return "IPv4"
	}
	return "IPv6"
}

func protocol(p plan.ServicePort) string { return cmp.Or(strings.ToUpper(p.Protocol), "TCP") }

func target(p plan.ServicePort) uint16 { return cmp.Or(p.TargetPort, p.Port) }

// portName joins a port of a Service to that of its EndpointSlice. Kubernetes asks for a name where there are several.
func portName(s plan.Service, p plan.ServicePort) string {
	if p.Name != "" || len(s.Ports) == 1 {
		return p.Name
	}
	return fmt.Sprintf("p%d-%s", p.Port, strings.ToLower(protocol(p)))
}

func meta(name, namespace, kind string, version uint64) objectMeta {
	return objectMeta{
		Name: name, Namespace: namespace, UID: kind + "-" + name,
		ResourceVersion: strconv.FormatUint(version, 10),
	}
}

func seal(m objectMeta, version uint64, v any) object {
	return object{name: m.Name, namespace: m.Namespace, labels: m.Labels, version: version, json: mustJSON(v)}
}

// mustJSON encodes values of this package's own types, which always can be encoded.
func mustJSON(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("api: encode %T: %v", v, err))
	}
	return b
}
