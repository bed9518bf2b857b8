package kind

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/faultline-lab/faultline/harness/lab"
)

// podImage is an image with one file, faultline, for the Pods: an archive as `docker save` writes it.
type podImage struct {
	name    string // with the digest of the binary in its tag
	archive []byte
	program []byte
}

// newPodImage makes the image of the binary at path.
func newPodImage(path string) (*podImage, error) {
	binary, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the binary for pods: %w", err)
	}
	layer, err := tarball(file{program[1:], 0o755, binary})
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(layer)
	config, err := json.Marshal(object{
		"architecture": runtime.GOARCH, "os": "linux",
		"config": object{"Entrypoint": []string{program}},
		"rootfs": object{"type": "layers", "diff_ids": []string{"sha256:" + hex.EncodeToString(sum[:])}},
	})
	if err != nil {
		return nil, err
	}
	image := &podImage{program: binary, name: "faultline.local/pod:" + hex.EncodeToString(sum[:6])}
	index, err := json.Marshal([]object{{"Config": "config.json", "RepoTags": []string{image.name}, "Layers": []string{"layer.tar"}}})
	if err != nil {
		return nil, err
	}
	image.archive, err = tarball(file{"config.json", 0o644, config}, file{"layer.tar", 0o644, layer}, file{"manifest.json", 0o644, index})
	return image, err
}

type file struct {
	name string
	mode int64
	data []byte
}

// tarball is the same for the same files: neither times nor owners of this machine are in it.
func tarball(files ...file) ([]byte, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), Typeflag: tar.TypeReg}); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.name, err)
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, fmt.Errorf("write %s: %w", f.name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// checkStatic refuses a binary that needs a loader: the Pods' image has none.
func checkStatic(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return static(f, path)
}

func static(r io.ReaderAt, path string) error {
	e, err := elf.NewFile(r)
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_INTERP {
			return &lab.UnsupportedError{Runtime: "kind", Missing: []lab.Missing{{
				What: "a statically linked faultline for the pods (" + path + " needs a loader)", Do: "build it with CGO_ENABLED=0, as `make build` does",
			}}}
		}
	}
	return nil
}
