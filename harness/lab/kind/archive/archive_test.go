package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness/lab/kind/archive/archivetest"
)

func temporary(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestFilesComeWithTheirDirectoriesOnce(t *testing.T) {
	files := []File{{Name: "usr/bin/a", Mode: 0o755, From: temporary(t, "A")}, {Name: "usr/bin/b", Mode: 0o755, Data: []byte("B")}, {Name: "c", Mode: 0o644}}
	got := archivetest.Contents(t, archivetest.Written(t, func(w io.Writer) error { return WriteFiles(w, files...) }))
	want := map[string]string{"usr/": "", "usr/bin/": "", "usr/bin/a": "A", "usr/bin/b": "B", "c": ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestArchive(t *testing.T) {
	tree := temporary(t, "")
	if err := os.WriteFile(tree, archivetest.Written(t, func(w io.Writer) error {
		return WriteFiles(w, File{Name: "bin/sh", Mode: 0o755, Data: []byte("shell")})
	}), 0o600); err != nil {
		t.Fatal(err)
	}
	images := []Image{
		{Name: "example.com/one:v1", Layers: []Layer{Tar(tree), Of(File{Name: "one", Mode: 0o755, Data: []byte("1")})}},
		{Name: "example.com/two:v2", Entrypoint: []string{"/two"}, Layers: []Layer{Of(File{Name: "two", Mode: 0o755, Data: []byte("2")})}},
	}
	stream := archivetest.Written(t, func(w io.Writer) error { return Write(w, images...) })
	if again := archivetest.Written(t, func(w io.Writer) error { return Write(w, images...) }); !bytes.Equal(stream, again) {
		t.Error("the same images give other bytes")
	}
	files := archivetest.Contents(t, stream)
	var manifest []manifestEntry
	if err := json.Unmarshal([]byte(files["manifest.json"]), &manifest); err != nil || len(manifest) != 2 {
		t.Fatalf("manifest %s: %v", files["manifest.json"], err)
	}
	for i, entry := range manifest {
		var config ociConfig
		if err := json.Unmarshal([]byte(files[entry.Config]), &config); err != nil {
			t.Fatal(err)
		}
		if entry.RepoTags[0] != images[i].Name || !cmp.Equal(config.Config.Entrypoint, images[i].Entrypoint) || len(entry.Layers) != len(images[i].Layers) {
			t.Errorf("image %d: %v, %v", i, entry, config)
		}
		for j, name := range entry.Layers {
			sum := sha256.Sum256([]byte(files[name]))
			if id := hex.EncodeToString(sum[:]); name != id+".tar" || config.RootFS.DiffIDs[j] != "sha256:"+id {
				t.Errorf("image %d, layer %d: %s, %s, want %s", i, j, name, config.RootFS.DiffIDs[j], id)
			}
		}
	}
	if one := archivetest.Contents(t, []byte(files[manifest[0].Layers[0]])); one["bin/sh"] != "shell" {
		t.Errorf("the lowest layer has %v", one)
	}
}

func TestArchiveOfWhatIsNotThere(t *testing.T) {
	err := Write(io.Discard, Image{Name: "x:v1", Layers: []Layer{Of(File{Name: "usr/bin/x", From: "/does/not/exist"})}})
	if want := "image x:v1: usr/bin/x: stat /does/not/exist: no such file or directory"; !errors.Is(err, fs.ErrNotExist) || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}
