package api

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Handler serves the store. A watch lasts until its client goes, its timeout passes, or the server is closed.
func (s *Store) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, r := range []resource{nodes, services, endpointSlices, serviceCIDRs} {
		mux.HandleFunc("GET "+r.path, func(w http.ResponseWriter, q *http.Request) { s.serveCollection(w, q, r) })
	}
	mux.HandleFunc("GET "+nodes.path+"/{name}", s.serveNode)
	// kube-proxy tells of its start. The answer only has to be an Event.
	for _, path := range []string{"/apis/events.k8s.io/v1/namespaces/{namespace}/events", "/api/v1/namespaces/{namespace}/events"} {
		mux.HandleFunc("POST "+path, dropEvent)
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, q *http.Request) {
		writeStatus(w, http.StatusNotFound, "NotFound", q.Method+" "+q.URL.Path+" is not served here")
	})
	return mux
}

func (s *Store) serveNode(w http.ResponseWriter, q *http.Request) {
	name := q.PathValue("name")
	found, _ := s.list(nodes, selector{{field: true, key: "metadata.name", value: name, op: "="}})
	if len(found) == 0 {
		writeStatus(w, http.StatusNotFound, "NotFound", `nodes "`+name+`" not found`)
		return
	}
	writeJSON(w, http.StatusOK, found[0].json)
}

func dropEvent(w http.ResponseWriter, q *http.Request) {
	_, _ = io.Copy(io.Discard, q.Body)
	apiVersion := "v1"
	if strings.HasPrefix(q.URL.Path, "/apis/") {
		apiVersion = "events.k8s.io/v1"
	}
	writeJSON(w, http.StatusCreated, struct {
		typeMeta
		Metadata objectMeta `json:"metadata"`
	}{typeMeta{"Event", apiVersion}, objectMeta{Name: "dropped", Namespace: q.PathValue("namespace")}})
}

// serveCollection answers a list or a watch.
func (s *Store) serveCollection(w http.ResponseWriter, q *http.Request, r resource) {
	query := q.URL.Query()
	sel, err := parseSelector(query.Get("labelSelector"), query.Get("fieldSelector"))
	if err != nil {
		writeStatus(w, http.StatusBadRequest, "BadRequest", err.Error())
		return
	}
	if isTrue(query.Get("watch")) {
		s.serveWatch(w, q, r, sel)
		return
	}
	// All at once, whatever the limit asked for: a list without a continue token is complete.
	found, version := s.list(r, sel)
	items := make([]json.RawMessage, len(found))
	for i, o := range found {
		items[i] = o.json
	}
	writeJSON(w, http.StatusOK, struct {
		typeMeta
		Metadata objectMeta        `json:"metadata"`
		Items    []json.RawMessage `json:"items"`
	}{typeMeta{r.kind + "List", r.apiVersion}, objectMeta{ResourceVersion: strconv.FormatUint(version, 10)}, items})
}

// serveWatch streams changes. A watch without a version, or with version 0, begins with an event for each object there
// is; with sendInitialEvents so does any watch, and a bookmark marks the end of those events (KEP-3157).
func (s *Store) serveWatch(w http.ResponseWriter, q *http.Request, r resource, sel selector) {
	query := q.URL.Query()
	var version uint64
	var err error
	if v := query.Get("resourceVersion"); v != "" {
		if version, err = strconv.ParseUint(v, 10, 64); err != nil {
			writeStatus(w, http.StatusBadRequest, "BadRequest", "resourceVersion "+strconv.Quote(v)+" is not a number")
			return
		}
	}
	var timeout <-chan time.Time
	if v := query.Get("timeoutSeconds"); v != "" {
		seconds, err := strconv.ParseUint(v, 10, 31)
		if err != nil {
			writeStatus(w, http.StatusBadRequest, "BadRequest", "timeoutSeconds "+strconv.Quote(v)+" is not a number")
			return
		}
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		timeout = timer.C
	}

	stream := &stream{w: w, flush: http.NewResponseController(w).Flush}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	initial := isTrue(query.Get("sendInitialEvents"))
	if initial || version == 0 {
		var found []object
		found, version = s.list(r, sel)
		for _, o := range found {
			stream.send(added, o.json)
		}
	}
	if initial {
		stream.send(bookmark, bookmarkOf(r, version))
	}
	for stream.end() == nil {
		events, upTo, more := s.since(r, version, sel)
		for _, e := range events {
			stream.send(e.what, e.object.json)
		}
		if version = upTo; len(events) > 0 {
			continue // which flushes
		}
		select {
		case <-more:
		case <-timeout:
			return
		case <-q.Context().Done():
			return
		}
	}
}

func bookmarkOf(r resource, version uint64) json.RawMessage {
	return mustJSON(struct {
		typeMeta
		Metadata objectMeta `json:"metadata"`
	}{r.typeMeta(), objectMeta{
		ResourceVersion: strconv.FormatUint(version, 10),
		Annotations:     map[string]string{"k8s.io/initial-events-end": "true"},
	}})
}

// stream writes watch events and remembers the first error.
type stream struct {
	w     io.Writer
	flush func() error
	err   error
}

func (s *stream) send(what eventType, object json.RawMessage) {
	if s.err == nil {
		s.err = json.NewEncoder(s.w).Encode(struct {
			Type   eventType       `json:"type"`
			Object json.RawMessage `json:"object"`
		}{what, object})
	}
}

// end ends a batch of events: they are on their way to the client, or the error says that it is gone.
func (s *stream) end() error {
	if s.err == nil {
		s.err = s.flush()
	}
	return s.err
}

func isTrue(s string) bool {
	b, _ := strconv.ParseBool(s)
	return b
}

func writeStatus(w http.ResponseWriter, code int, reason, message string) {
	writeJSON(w, code, struct {
		typeMeta
		Status  string `json:"status"`
		Message string `json:"message"`
		Reason  string `json:"reason"`
		Code    int    `json:"code"`
	}{typeMeta{"Status", "v1"}, "Failure", message, reason, code})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// An error means that the client is gone.
	_ = json.NewEncoder(w).Encode(v)
}
