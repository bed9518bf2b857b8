package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faultline-lab/faultline/harness/internal/cache"
)

// debian is a package, as the index has it.
type debian struct {
	name     string
	filename string // below the mirror
	sha256   string
	size     int // in bytes
}

// parseIndex reads an index of packages (deb822). Each needs a name, a file and its checksum.
func parseIndex(text string) ([]debian, error) {
	var all []debian
	for i, stanza := range strings.Split(strings.TrimSpace(text), "\n\n") {
		var p debian
		for _, line := range strings.Split(stanza, "\n") {
			field, value, _ := strings.Cut(line, ": ")
			switch field {
			case "Package":
				p.name = value
			case "Filename":
				p.filename = value
			case "SHA256":
				p.sha256 = value
			case "Size":
				var err error
				if p.size, err = strconv.Atoi(value); err != nil {
					return nil, fmt.Errorf("index of packages: entry %d: size: %w", i+1, err)
				}
			}
		}
		if p.name == "" || !filepath.IsLocal(p.filename) || len(p.sha256) != 64 || p.size == 0 {
			return nil, fmt.Errorf("index of packages: entry %d: want Package, Filename, SHA256 and Size", i+1)
		}
		all = append(all, p)
	}
	return all, nil
}

const (
	fetchesAtOnce = 4
	progressEvery = 10 * time.Second
	// A mirror that says nothing for that long is a mirror that is not there.
	silence = time.Minute
)

// fetch sees that all packages lie in the directory dir, each checked, and returns their paths.
func (w *work) fetch(ctx context.Context, all []debian, dir string) (map[string]string, error) {
	paths, total, got := map[string]string{}, 0, make(chan int, len(all))
	g, fetching := errgroup.WithContext(ctx)
	g.SetLimit(fetchesAtOnce)
	for _, p := range all {
		paths[p.name] = filepath.Join(dir, path.Base(p.filename))
		total += p.size
	}
	stop := w.count(len(all), total, got)
	defer stop()
	for _, p := range all {
		g.Go(func() error {
			have, err := cache.Has(paths[p.name])
			if err == nil && !have {
				err = cache.Place(paths[p.name], func(work string) (string, error) {
					file := filepath.Join(work, "package")
					return file, p.fetch(fetching, w.mirror, file)
				})
			}
			if err == nil {
				got <- p.size
			}
			return err
		})
	}
	err := g.Wait()
	if ctx.Err() != nil {
		err = fmt.Errorf("fetch packages: %w", context.Cause(ctx))
	}
	return paths, err
}

// count tells every now and then how many packages are here, until the returned function is called.
func (w *work) count(packages, bytes int, got <-chan int) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		here, size := 0, 0
		for {
			select {
			case n := <-got:
				here, size = here+1, size+n
			case <-tick.C:
				w.say(fmt.Sprintf("%s: %d of %d packages here, %d of %d MB", stageBase, here, packages, size/1_000_000, bytes/1_000_000))
			case <-done:
				return
			}
		}
	}()
	return func() { close(done); <-ended }
}

// fetch writes the package to a file. What is not exactly what the index has is an error.
func (p debian) fetch(ctx context.Context, mirror, file string) (err error) {
	url := strings.TrimRight(mirror, "/") + "/" + p.filename
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(silence, func() { cancel(fmt.Errorf("nothing came for %v", silence)) })
	defer quiet.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fmt.Errorf("mirror %s: %w", mirror, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return unsupported(fmt.Sprintf("a Debian mirror that can be reached: %v", err), "check the network, or name another with --mirror")
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return unsupported(fmt.Sprintf("a Debian mirror with %s: it says %s", url, answer.Status),
			"name one that has it with --mirror: Debian's snapshot archive keeps all that ever was")
	}
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, sum), &heard{answer.Body, quiet})
	if err != nil {
		return fmt.Errorf("fetch %s: %w", url, errors.Join(err, context.Cause(ctx)))
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != p.sha256 {
		return fmt.Errorf("fetch %s: got %d bytes with SHA256 %s, want %d bytes with %s: something on the way changes files", url, n, got, p.size, p.sha256)
	}
	return nil
}

// heard is a reader that winds up a timer whenever something comes.
type heard struct {
	io.Reader
	timer *time.Timer
}

func (h *heard) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if n > 0 {
		h.timer.Reset(silence)
	}
	return n, err
}
