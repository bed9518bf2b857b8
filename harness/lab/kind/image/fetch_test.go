package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/faultline-lab/faultline/harness/lab"
)

func pack(name, text string) debian {
	sum := sha256.Sum256([]byte(text))
	return debian{name: name, filename: "pool/" + name + ".deb", sha256: hex.EncodeToString(sum[:]), size: len(text)}
}

// left returns the names of what is in a directory.
func left(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

func TestFetch(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = w.Write([]byte(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/debian/pool/"), ".deb")))
	}))
	defer server.Close()
	w, dir := testWork(t), t.TempDir()
	w.mirror = server.URL + "/debian/"
	all := []debian{pack("a", "a"), pack("b", "b")}
	for range 2 { // the second time all of it is there
		paths, err := w.fetch(t.Context(), all, dir)
		if err != nil {
			t.Fatal(err)
		}
		for name, path := range paths {
			if text, err := os.ReadFile(path); string(text) != name || err != nil {
				t.Errorf("%s: %q, %v", name, text, err)
			}
		}
	}
	if n := asked.Load(); n != 2 || left(t, dir) != "a.deb b.deb" {
		t.Errorf("asked %d times, want 2; there is %s", n, left(t, dir))
	}
}

func TestFetchThatFails(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "gone"):
			w.WriteHeader(http.StatusNotFound)
		case strings.Contains(r.URL.Path, "cut"):
			w.Header().Set("Content-Length", "1000")
		}
		_, _ = w.Write([]byte("other"))
	}))
	defer server.Close()
	closed := httptest.NewServer(nil)
	closed.Close()
	for _, row := range []struct {
		name, mirror, want string
		unsupported        bool
	}{
		{"changed", server.URL, ": something on the way changes files", false},
		{"cut", server.URL, "unexpected EOF", false},
		{"gone", server.URL, "/pool/gone.deb: it says 404 Not Found: name one that has it with --mirror", true},
		{"unreachable", closed.URL, "connection refused: check the network, or name another with --mirror", true},
	} {
		w, dir := testWork(t), t.TempDir()
		w.mirror = row.mirror
		_, err := w.fetch(t.Context(), []debian{pack(row.name, "text")}, dir)
		if err == nil || !strings.Contains(err.Error(), row.want) || errors.Is(err, lab.ErrUnsupported) != row.unsupported {
			t.Errorf("%s: error %v, want %s", row.name, err, row.want)
		}
		if s := left(t, dir); s != "" {
			t.Errorf("%s: left %s", row.name, s)
		}
	}
}

func TestFetchThatIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		cancel()
		<-ctx.Done()
	}))
	defer server.Close()
	w, dir := testWork(t), t.TempDir()
	w.mirror = server.URL
	_, err := w.fetch(ctx, []debian{pack("a", "a")}, dir)
	if !errors.Is(err, context.Canceled) || errors.Is(err, lab.ErrUnsupported) || left(t, dir) != "" {
		t.Errorf("error %v, left %q", err, left(t, dir))
	}
}

func TestMirror(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a_1.deb")
	if err := os.WriteFile(file, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	const index = "Package: a\n\n"
	if err := writeMirror(filepath.Join(dir, "mirror"), "Package: a\n", []debian{pack("a", "a")}, map[string]string{"a": file}); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(index))
	for name, want := range map[string]string{
		"pool/a.deb": "a", "dists/bookworm/main/binary-amd64/Packages": index,
		"dists/bookworm/Release": "Suite: bookworm\nCodename: bookworm\nArchitectures: amd64\nComponents: main\nSHA256:\n " +
			hex.EncodeToString(sum[:]) + " 12 main/binary-amd64/Packages\n",
	} {
		if got, err := os.ReadFile(filepath.Join(dir, "mirror", name)); string(got) != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
}
