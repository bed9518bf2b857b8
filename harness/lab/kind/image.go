package kind

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"io"
	"os"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
)

// podImage is an image with one file, faultline, for the Pods.
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
	sum := sha256.Sum256(binary)
	image := &podImage{program: binary, name: "faultline.local/pod:" + hex.EncodeToString(sum[:6])}
	var b bytes.Buffer
	layer := archive.Of(archive.File{Name: program[1:], Mode: 0o755, Data: binary})
	err = archive.Write(&b, archive.Image{Name: image.name, Entrypoint: []string{program}, Layers: []archive.Layer{layer}})
	image.archive = b.Bytes()
	return image, err
}

// tarball is files as cp takes them.
func tarball(files ...archive.File) ([]byte, error) {
	var b bytes.Buffer
	err := archive.WriteFiles(&b, files...)
	return b.Bytes(), err
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
