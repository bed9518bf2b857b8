package api

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/plan"
)

var addr = netip.MustParseAddr

func web(backends ...string) plan.Service {
	s := plan.Service{
		Name: "web", ClusterIP: addr("10.96.0.10"), NodePort: true,
		Ports: []plan.ServicePort{{Port: 80, TargetPort: 8080, NodePort: 30080}, {Name: "dns", Port: 53, Protocol: "UDP"}},
	}
	for _, b := range backends {
		s.Backends = append(s.Backends, plan.Backend{Name: "pod-" + b, Address: addr(b), Node: "Cloud"})
	}
	return s
}

func six() plan.Service {
	return plan.Service{
		Name: "six", ClusterIP: addr("fd00:96::10"), Ports: []plan.ServicePort{{Port: 443}},
		Backends: []plan.Backend{{Name: "pod-6", Address: addr("fd00:244::2")}},
	}
}

func newServer(t *testing.T) (*Store, string) {
	t.Helper()
	s := New([]plan.ClusterNode{
		{Name: "Cloud", Addresses: []netip.Addr{addr("192.168.0.1"), addr("fd00::1")}},
		{Name: "edge", Addresses: []netip.Addr{addr("192.168.1.1")}},
	}, []plan.Service{web("10.244.0.2"), six()})
	server := httptest.NewServer(s.Handler())
	t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	return s, server.URL
}

func get(t *testing.T, address string) (int, string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, strings.TrimSpace(string(b))
}

func TestObjectsAsKubeProxyReadsThem(t *testing.T) {
	_, server := newServer(t)
	for path, want := range map[string]string{
		"/api/v1/nodes/cloud": `{"kind":"Node","apiVersion":"v1","metadata":{"name":"cloud","uid":"node-cloud","resourceVersion":"1",` +
			`"labels":{"kubernetes.io/hostname":"cloud"}},"status":{"addresses":[{"type":"InternalIP","address":"192.168.0.1"},` +
			`{"type":"InternalIP","address":"fd00::1"},{"type":"Hostname","address":"cloud"}]}}`,
		"/api/v1/services?fieldSelector=metadata.name%3Dweb": `{"kind":"ServiceList","apiVersion":"v1","metadata":{"resourceVersion":"6"},"items":[` +
			`{"kind":"Service","apiVersion":"v1","metadata":{"name":"web","namespace":"default","uid":"service-web","resourceVersion":"4"},` +
			`"spec":{"type":"NodePort","clusterIP":"10.96.0.10","clusterIPs":["10.96.0.10"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack",` +
			`"sessionAffinity":"None","internalTrafficPolicy":"Cluster","externalTrafficPolicy":"Cluster","ports":[` +
			`{"name":"p80-tcp","protocol":"TCP","port":80,"targetPort":8080,"nodePort":30080},` +
			`{"name":"dns","protocol":"UDP","port":53,"targetPort":53}]}}]}`,
		"/apis/discovery.k8s.io/v1/endpointslices?labelSelector=kubernetes.io/service-name%3Dweb": `{"kind":"EndpointSliceList",` +
			`"apiVersion":"discovery.k8s.io/v1","metadata":{"resourceVersion":"6"},"items":[{"kind":"EndpointSlice",` +
			`"apiVersion":"discovery.k8s.io/v1","metadata":{"name":"web-ipv4","namespace":"default","uid":"endpointslice-web-ipv4",` +
			`"resourceVersion":"3","labels":{"endpointslice.kubernetes.io/managed-by":"faultline","kubernetes.io/service-name":"web"}},` +
			`"addressType":"IPv4","endpoints":[{"addresses":["10.244.0.2"],"conditions":{"ready":true,"serving":true,"terminating":false},` +
			`"nodeName":"cloud","targetRef":{"kind":"Pod","namespace":"default","name":"pod-10.244.0.2"}}],` +
			`"ports":[{"name":"p80-tcp","protocol":"TCP","port":8080},{"name":"dns","protocol":"UDP","port":53}]}]}`,
	} {
		code, got := get(t, server+path)
		if diff := cmp.Diff(want, got); diff != "" || code != 200 {
			t.Errorf("%s: code %d (-want +got):\n%s", path, code, diff)
		}
	}
}

func TestSelectors(t *testing.T) {
	_, server := newServer(t)
	const slices, services, nodes = "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/services", "/api/v1/nodes"
	for _, row := range []struct{ path, labels, fields, want string }{
		{nodes, "", "metadata.name=cloud", "cloud"},
		{nodes, "", "metadata.name!=cloud", "edge"},
		{nodes, "", "", "cloud edge"},
		{services, "!service.kubernetes.io/headless,!service.kubernetes.io/service-proxy-name", "", "six web"},
		{services, "!service.kubernetes.io/service-proxy-name", "spec.clusterIP!=None", "six web"},
		{services, "", "spec.clusterIP=fd00:96::10", "six"},
		{slices, "kubernetes.io/service-name", "", "six-ipv6 web-ipv4"},
		{slices, "!kubernetes.io/service-name", "", ""},
		{slices, "kubernetes.io/service-name==six", "", "six-ipv6"},
		{slices, "kubernetes.io/service-name!=six", "", "web-ipv4"},
	} {
		query := url.Values{"labelSelector": {row.labels}, "fieldSelector": {row.fields}}
		_, body := get(t, server+row.path+"?"+query.Encode())
		var list struct {
			Items []struct{ Metadata objectMeta }
		}
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, i := range list.Items {
			names = append(names, i.Metadata.Name)
		}
		if got := strings.Join(names, " "); got != row.want {
			t.Errorf("%s labels %q fields %q: %q, want %q", row.path, row.labels, row.fields, got, row.want)
		}
	}
}

func TestWhatIsNotServed(t *testing.T) {
	_, server := newServer(t)
	for _, row := range []struct {
		path, message string
		code          int
	}{
		{"/api/v1/pods", "GET /api/v1/pods is not served here", 404},
		{"/api/v1/nodes/none", `nodes "none" not found`, 404},
		{"/api/v1/nodes?labelSelector=a+in+(b)", `selector "a in (b)" is not supported`, 400},
		{"/api/v1/nodes?fieldSelector=spec.x%3D1", `field selector "spec.x=1" is not supported`, 400},
		{"/api/v1/nodes?watch=1&resourceVersion=x", `resourceVersion "x" is not a number`, 400},
		{"/api/v1/nodes?watch=1&timeoutSeconds=x", `timeoutSeconds "x" is not a number`, 400},
	} {
		code, body := get(t, server+row.path)
		var status struct{ Kind, Message string }
		if err := json.Unmarshal([]byte(body), &status); err != nil || status.Kind != "Status" {
			t.Errorf("%s: %s, %v, want a Status", row.path, body, err)
		}
		if code != row.code || status.Message != row.message {
			t.Errorf("%s: %d %q, want %d %q", row.path, code, status.Message, row.code, row.message)
		}
	}
}

func TestEventsAreAcceptedAndDropped(t *testing.T) {
	_, server := newServer(t)
	r, err := http.Post(server+"/apis/events.k8s.io/v1/namespaces/default/events", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	var e typeMeta
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil || r.StatusCode != 201 || e != (typeMeta{"Event", "events.k8s.io/v1"}) {
		t.Errorf("%d %v %v, want 201 and an Event", r.StatusCode, e, err)
	}
}

// watch starts a watch and returns the events that come, as "TYPE name@version".
func watch(t *testing.T, address string) <-chan string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	events := make(chan string, 100)
	go func() {
		defer close(events)
		defer r.Body.Close()
		for lines := bufio.NewScanner(r.Body); lines.Scan(); {
			var e struct {
				Type   string
				Object struct{ Metadata objectMeta }
			}
			if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
				events <- err.Error()
				return
			}
			m := e.Object.Metadata
			text := e.Type + " " + m.Name + "@" + m.ResourceVersion
			if m.Annotations["k8s.io/initial-events-end"] == "true" {
				text += " end of initial events"
			}
			events <- text
		}
	}()
	return events
}

func wantEvents(t *testing.T, events <-chan string, want ...string) {
	t.Helper()
	for _, w := range want {
		select {
		case got, ok := <-events:
			if !ok || got != w {
				t.Fatalf("event %q (stream open: %v), want %q", got, ok, w)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("no event, want %q", w)
		}
	}
	select {
	case got, ok := <-events:
		if ok {
			t.Fatalf("event %q, want none", got)
		}
	default:
	}
}

func TestWatches(t *testing.T) {
	const slices = "/apis/discovery.k8s.io/v1/endpointslices"
	for _, row := range []struct {
		name, query string
		initial     []string
	}{
		{"from a list's version", "resourceVersion=6", nil},
		{"without a version", "", []string{"ADDED six-ipv6@5", "ADDED web-ipv4@3"}},
		{
			"with initial events", "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true",
			[]string{"ADDED six-ipv6@5", "ADDED web-ipv4@3", "BOOKMARK @6 end of initial events"},
		},
		{"from an earlier version", "resourceVersion=4", []string{"ADDED six-ipv6@5"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			store, server := newServer(t)
			events := watch(t, server+slices+"?watch=true&labelSelector=%21service.kubernetes.io%2Fheadless&"+row.query)
			wantEvents(t, events, row.initial...)
			store.SetService(web("10.244.0.2", "10.244.1.2"))
			wantEvents(t, events, "MODIFIED web-ipv4@7")
			moved := web()
			moved.ClusterIP = addr("fd00:96::11")
			store.SetService(moved)
			wantEvents(t, events, "ADDED web-ipv6@9", "DELETED web-ipv4@10")
		})
	}
}

func TestServiceCIDRs(t *testing.T) {
	store, server := newServer(t)
	events := watch(t, server+"/apis/networking.k8s.io/v1/servicecidrs?watch=true&sendInitialEvents=true")
	wantEvents(t, events, "BOOKMARK @6 end of initial events")
	store.SetServiceCIDRs(netip.MustParsePrefix("10.96.0.0/12"))
	wantEvents(t, events, "ADDED kubernetes@7")
}

func TestWatchEndsAtItsTimeout(t *testing.T) {
	_, server := newServer(t)
	events := watch(t, server+"/api/v1/nodes?watch=true&resourceVersion=6&timeoutSeconds=1")
	select {
	case e, ok := <-events:
		if ok {
			t.Errorf("event %q, want the end of the stream", e)
		}
	case <-time.After(5 * time.Second):
		t.Error("the watch did not end")
	}
}
