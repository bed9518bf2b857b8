// Package archive writes what container engines and containerd read: tar streams of files, and archives of images.
//
// In: files and images, as values. Out: a stream, the same bytes for the same input: no time and no user of this machine gets
// into it.
package archive

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"time"
)

// File is a file of an image or of a node, root's: its content is that of the file at From, or else Data.
type File struct {
	Name string // without a slash in front
	Mode int64
	From string
	Data []byte
}

// Layer is one layer of an image: what write writes is a tar stream, the same each time.
type Layer struct{ write func(io.Writer) error }

// Of is a layer of files, with the directories that they are in.
func Of(files ...File) Layer {
	return Layer{func(w io.Writer) error { return WriteFiles(w, files...) }}
}

// Tar is a layer that lies in a file.
func Tar(name string) Layer {
	return Layer{func(w io.Writer) error { return copyFile(w, name) }}
}

func copyFile(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// WriteFiles writes a tar stream of files, each directory before what is in it.
func WriteFiles(w io.Writer, files ...File) error {
	t := tar.NewWriter(w)
	made := map[string]bool{".": true}
	for _, f := range files {
		if err := writeDirs(t, path.Dir(f.Name), made); err != nil {
			return err
		}
		if err := f.write(t); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return t.Close()
}

func writeDirs(t *tar.Writer, dir string, made map[string]bool) error {
	if made[dir] {
		return nil
	}
	if err := writeDirs(t, path.Dir(dir), made); err != nil {
		return err
	}
	made[dir] = true
	return t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: time.Unix(0, 0)})
}

func (f File) write(t *tar.Writer) error {
	h := &tar.Header{Typeflag: tar.TypeReg, Name: f.Name, Mode: f.Mode, ModTime: time.Unix(0, 0), Size: int64(len(f.Data))}
	if f.From == "" {
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		_, err := t.Write(f.Data)
		return err
	}
	info, err := os.Stat(f.From)
	if err != nil {
		return err
	}
	h.Size = info.Size()
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	return copyFile(t, f.From)
}

// Image is an image for this machine's architecture.
type Image struct {
	Name       string // with its tag
	Entrypoint []string
	Layers     []Layer // the lowest first
}

// The parts of an image's configuration that containerd reads (OCI image specification, config.md).
type (
	ociConfig struct {
		Architecture string    `json:"architecture"`
		OS           string    `json:"os"`
		Config       ociRun    `json:"config"`
		RootFS       ociRootFS `json:"rootfs"`
	}
	ociRun struct {
		Env        []string `json:"Env"`
		Entrypoint []string `json:"Entrypoint,omitempty"`
	}
	ociRootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	}
	manifestEntry struct {
		Config   string
		RepoTags []string
		Layers   []string
	}
)

// Write writes images in one archive, as `docker save` does. Each layer is written twice, the first time to see
// what it is called and how long it is.
func Write(w io.Writer, images ...Image) error {
	t := tar.NewWriter(w)
	var manifest []manifestEntry
	for _, c := range images {
		entry := manifestEntry{RepoTags: []string{c.Name}}
		config := ociConfig{Architecture: runtime.GOARCH, OS: "linux", RootFS: ociRootFS{Type: "layers"}, Config: ociRun{
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, Entrypoint: c.Entrypoint,
		}}
		for _, l := range c.Layers {
			id, err := writeLayer(t, l)
			if err != nil {
				return fmt.Errorf("image %s: %w", c.Name, err)
			}
			entry.Layers = append(entry.Layers, id+".tar")
			config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, "sha256:"+id)
		}
		text, err := json.Marshal(config)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		entry.Config = hex.EncodeToString(sum[:]) + ".json"
		if err := (File{Name: entry.Config, Mode: 0o644, Data: text}).write(t); err != nil {
			return err
		}
		manifest = append(manifest, entry)
	}
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	if err := (File{Name: "manifest.json", Mode: 0o644, Data: text}).write(t); err != nil {
		return err
	}
	return t.Close()
}

// writeLayer writes a layer as a file of the archive and returns its digest.
func writeLayer(t *tar.Writer, l Layer) (id string, err error) {
	sum, size := sha256.New(), &counter{}
	if err := l.write(io.MultiWriter(sum, size)); err != nil {
		return "", err
	}
	id = hex.EncodeToString(sum.Sum(nil))
	h := &tar.Header{Typeflag: tar.TypeReg, Name: id + ".tar", Mode: 0o644, ModTime: time.Unix(0, 0), Size: size.n}
	if err := t.WriteHeader(h); err != nil {
		return "", err
	}
	return id, l.write(t)
}

type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
