// Package api is as much of a Kubernetes API server as kube-proxy asks for.
//
// In: the nodes and Services of a topology, and changes of Services while kube-proxy runs. Out: an http.Handler that
// lists and watches Nodes, Services, EndpointSlices and ServiceCIDRs in JSON, as kube-proxy of v1.29 and later asks for
// them. It keeps everything in memory, forgets nothing, needs no credentials, and never changes an object by itself:
// what kube-proxy posts is accepted and dropped.
package api

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"sync"

	"github.com/faultline-lab/faultline/harness/plan"
)

// resource is a collection of objects that the API serves.
type resource struct {
	path       string // of the collection
	apiVersion string
	kind       string
}

// The resources.
var (
	nodes          = resource{"/api/v1/nodes", "v1", "Node"}
	services       = resource{"/api/v1/services", "v1", "Service"}
	endpointSlices = resource{"/apis/discovery.k8s.io/v1/endpointslices", "discovery.k8s.io/v1", "EndpointSlice"}
	serviceCIDRs   = resource{"/apis/networking.k8s.io/v1/servicecidrs", "networking.k8s.io/v1", "ServiceCIDR"}
)

func (r resource) typeMeta() typeMeta { return typeMeta{Kind: r.kind, APIVersion: r.apiVersion} }

// eventType says what happened to an object.
type eventType string

const (
	added    eventType = "ADDED"
	modified eventType = "MODIFIED"
	deleted  eventType = "DELETED"
	bookmark eventType = "BOOKMARK"
)

// event is a change of the store.
type event struct {
	resource resource
	what     eventType
	object   object
}

// Store holds the objects. It is safe for concurrent use.
type Store struct {
	mu      sync.Mutex
	version uint64 // of the last change; the resourceVersion of the API
	objects map[resource]map[string]object
	// log has every change, the one that made version v at index v-1: a lab lives for minutes and changes a few
	// times, so no watch is ever too old.
	log []event
	// changed is closed, and replaced, at every change.
	changed chan struct{}
}

// New returns a Store with the objects of a topology.
func New(clusterNodes []plan.ClusterNode, clusterServices []plan.Service) *Store {
	s := &Store{objects: map[resource]map[string]object{}, changed: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range clusterNodes {
		s.put(nodes, buildNode(n))
	}
	for _, svc := range clusterServices {
		s.putService(svc)
	}
	return s
}

// SetService adds svc, or puts it in place of the Service of that name, together with its endpoints. Watches see it at
// once.
func (s *Store) SetService(svc plan.Service) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.putService(svc)
}

// SetServiceCIDRs says where cluster IPs lie. kube-proxy of v1.33 and later drops what is sent to unused addresses
// there in nftables mode.
func (s *Store) SetServiceCIDRs(cidrs ...netip.Prefix) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.put(serviceCIDRs, buildServiceCIDR("kubernetes", cidrs))
}

func (s *Store) putService(svc plan.Service) {
	// Endpoints first: kube-proxy then never sees the Service without them.
	s.put(endpointSlices, buildSlice(svc))
	for _, o := range s.sorted(endpointSlices) {
		if o.labels[serviceNameLabel] == svc.Name && o.name != sliceName(svc) {
			s.remove(endpointSlices, o)
		}
	}
	s.put(services, buildService(svc))
}

func (s *Store) put(r resource, build builder) {
	o := build(s.version + 1)
	what := modified
	if _, have := s.objects[r][o.name]; !have {
		what = added
	}
	if s.objects[r] == nil {
		s.objects[r] = map[string]object{}
	}
	o.build = build
	s.objects[r][o.name] = o
	s.record(event{r, what, o})
}

func (s *Store) remove(r resource, o object) {
	delete(s.objects[r], o.name)
	s.record(event{r, deleted, o.build(s.version + 1)})
}

func (s *Store) record(e event) {
	s.version++
	s.log = append(s.log, e)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Store) sorted(r resource) []object {
	return slices.SortedFunc(maps.Values(s.objects[r]), func(a, b object) int { return cmp.Compare(a.name, b.name) })
}

// list returns the objects of r that sel selects, by name, and the version of the store that they are from.
func (s *Store) list(r resource, sel selector) ([]object, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(s.sorted(r), func(o object) bool { return !sel.selects(o) }), s.version
}

// since returns the changes of r after version that sel selects, the version that this brings one to, and a channel
// that is closed when there are more.
func (s *Store) since(r resource, version uint64, sel selector) ([]event, uint64, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var events []event
	for _, e := range s.log[min(version, s.version):] {
		if e.resource == r && sel.selects(e.object) {
			events = append(events, e)
		}
	}
	return events, s.version, s.changed
}
