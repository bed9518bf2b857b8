package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const key = "/usr/share/keyrings/debian-archive-keyring.gpg"

func TestParseList(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []source
	}{
		{"nothing", "# deb http://a/debian bookworm main\n\n", nil},
		{"sources are not packages", "deb-src http://a/debian bookworm main\n", nil},
		{"a plain line", "deb http://a/debian bookworm main contrib # ours\n",
			[]source{{uris: []string{"http://a/debian"}, suites: []string{"bookworm"}, components: []string{"main", "contrib"}}}},
		{"options", "deb\t[ arch=amd64 Signed-By=" + key + " ] http://a/debian bookworm main",
			[]source{{uris: []string{"http://a/debian"}, suites: []string{"bookworm"}, components: []string{"main"}, signedBy: key}}},
		{"options that touch", "deb [trusted=yes] http://a/debian bookworm main",
			[]source{{uris: []string{"http://a/debian"}, suites: []string{"bookworm"}, components: []string{"main"}}}},
		{"a line cut short", "deb http://a/debian\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if d := cmp.Diff(c.want, parseList(c.text), cmp.AllowUnexported(source{})); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestParseDeb822(t *testing.T) {
	text := `# the distribution
Types: deb deb-src
URIs: http://a/debian https://b/debian
# a comment in a stanza
Suites: bookworm
 bookworm-updates
Components: main
Signed-By: ` + key + `

Types: deb-src
URIs: http://a/debian
Suites: bookworm
Components: main


Enabled: No
types: deb
uris: http://a/debian-security
suites: bookworm-security
components: main`
	want := []source{
		{uris: []string{"http://a/debian", "https://b/debian"}, suites: []string{"bookworm", "bookworm-updates"}, components: []string{"main"}, signedBy: key},
		{uris: []string{"http://a/debian-security"}, suites: []string{"bookworm-security"}, components: []string{"main"}, disabled: true},
	}
	if d := cmp.Diff(want, parseDeb822(text), cmp.AllowUnexported(source{})); d != "" {
		t.Error(d)
	}
}

func TestFind(t *testing.T) {
	list := func(lines ...string) []source { return parseList(strings.Join(lines, "\n")) }
	for _, c := range []struct {
		name    string
		all     []source
		archive archive
		want    string // URI; empty: none
	}{
		{"the mirror, whatever its address", list("deb http://mirror.example/pub/debian/ trixie main"), mainArchive, "http://mirror.example/pub/debian/"},
		{"a mirror under another path, by its key", list("deb [signed-by=" + key + "] http://proxy.example/remote bookworm main"), mainArchive, "http://proxy.example/remote"},
		{"security is another archive", list("deb http://a/debian-security bookworm-security main"), mainArchive, ""},
		{"security", list("deb http://a/debian bookworm main", "deb http://a/debian-security bookworm-security main"), securityArchive, "http://a/debian-security"},
		{"security as it was named once", list("deb http://a/debian-security buster/updates main"), securityArchive, "http://a/debian-security"},
		{"a stranger with a suite of Debian's name", list("deb http://a/apt bookworm main", "deb http://b/linux/debian bookworm stable"), mainArchive, ""},
		{"a disc", list("deb cdrom:[Debian]/ bookworm main"), mainArchive, ""},
		{"signed before unsigned", list("deb http://a/debian bookworm main", "deb [signed-by="+key+"] http://b/debian bookworm main"), mainArchive, "http://b/debian"},
		{"disabled when there is no other", append([]source{{uris: []string{"http://off/debian"}, components: []string{"main"}, signedBy: key, disabled: true}},
			list("deb http://a/debian bookworm main")...), mainArchive, "http://a/debian"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ""
			if s, ok := find(c.all, c.archive); ok {
				got = s.uris[0]
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestEntries(t *testing.T) {
	signed := filepath.Join(t.TempDir(), "debian-archive-keyring.gpg")
	if err := os.WriteFile(signed, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	both := parseList("deb [signed-by=" + signed + "] http://a/debian sid main\ndeb http://a/debian-security sid-security main")
	d := &distribution{name: "x", suites: []string{"bookworm"}, security: []string{"bookworm-security"}}
	got, err := entries(both, d)
	want := "Types: deb\nURIs: http://a/debian\nSuites: bookworm\nComponents: main\nSigned-By: " + signed + "\n\n" +
		"Types: deb\nURIs: http://a/debian-security\nSuites: bookworm-security\nComponents: main\n"
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if got, err := entries(both[:1], d); err != nil || strings.Contains(got, "security") {
		t.Errorf("a machine without security's archive: %q, %v", got, err)
	}
	for _, c := range []struct {
		name string
		all  []source
		d    *distribution
		want string
	}{
		{"no mirror at all", nil, d, "the archive debian in apt's sources"},
		{"a kernel that only security has", both[:1], &distribution{security: []string{"bullseye-security"}}, "the archive debian-security in apt's sources"},
		{"a key that is not there", parseList("deb [signed-by=/nowhere/debian-archive.gpg] http://a/debian sid main"), d, "the key /nowhere/debian-archive.gpg that signs Debian's archives"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := entries(c.all, c.d)
			var missing *MissingError
			if !errors.As(err, &missing) || missing.What != c.want || !strings.Contains(missing.Do, "apt-get install debian-archive-keyring") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAptOutput(t *testing.T) {
	record := "Package: linux-image-cloud-amd64\nVersion: 7.3.4-1~bpo13+1\nDepends: dracut | initramfs-tools (>= 0.120), linux-base-7.3.4+deb13-cloud-amd64 (= 7.3.4-1~bpo13+1)\n"
	want := debian{version: "7.3.4-1~bpo13+1", depends: []string{"dracut", "linux-base-7.3.4+deb13-cloud-amd64"}}
	if d := cmp.Diff(want, parseRecord(record), cmp.AllowUnexported(debian{})); d != "" {
		t.Error(d)
	}
	files, size := parseURIs([]byte("'http://a/x%2bb.deb' x+b.deb 1025208 SHA256:e08b\nother\n'http://a/y.deb' y.deb 10 SHA256:0\n"))
	if d := cmp.Diff([]string{"x+b.deb", "y.deb"}, files); d != "" || size != 1025218 {
		t.Error(d, size)
	}
	if d := cmp.Diff(map[string]string{"list": "/etc/apt/sources.list", "parts": "/etc/apt/sources.list.d/"},
		parseShell("list='/etc/apt/sources.list'\nparts='/etc/apt/sources.list.d/'\n")); d != "" {
		t.Error(d)
	}
}

func TestOffline(t *testing.T) {
	a := &apt{dir: "/cache/kernels/debian-12.partial/apt"}
	for said, want := range map[string]string{
		"E: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  Temporary failure resolving 'deb.debian.org'": "http://deb.debian.org cannot be reached, where kernel debian-12 comes from: " +
			"check the network and apt's proxy (apt-config dump Acquire). It is needed once: copy /cache/kernels/debian-12 from another machine; or use --kernel host or --kernel FILE",
		"E: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  404  Not Found": "<nil>",
	} {
		if got := fmt.Sprint(a.offline(said)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
