package kernel

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// source is one entry of an apt sources list: a repository in which .deb packages lie.
type source struct {
	uris, suites, components []string
	signedBy                 string // a path, fingerprints or a whole key; empty: the keys of trusted.gpg.d
	disabled                 bool
}

// readSources reads the one-line file list and all entries of the directory parts, as apt does: *.list and *.sources.
func readSources(list, parts string) ([]source, error) {
	files := []string{list}
	entries, err := os.ReadDir(parts)
	if err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("read apt sources: %w", err)
	}
	for _, e := range entries {
		files = append(files, filepath.Join(parts, e.Name()))
	}
	var all []source
	for _, f := range files {
		ext := filepath.Ext(f)
		if ext != ".list" && ext != ".sources" {
			continue
		}
		text, err := os.ReadFile(f)
		switch {
		case os.IsNotExist(err), os.IsPermission(err):
			continue // entries with passwords in them are closed to others; another entry may do
		case err != nil:
			return nil, fmt.Errorf("read apt sources: %w", err)
		case ext == ".list":
			all = append(all, parseList(string(text))...)
		default:
			all = append(all, parseDeb822(string(text))...)
		}
	}
	return all, nil
}

// parseList reads the one-line format: deb [options] URI suite component... (sources.list(5)).
func parseList(text string) []source {
	var all []source
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || strings.TrimLeft(rest, " \t[") == rest {
			continue // deb-src, or no entry at all
		}
		rest = strings.TrimSpace(rest)
		var s source
		if options, after, ok := strings.Cut(strings.TrimPrefix(rest, "["), "]"); ok && strings.HasPrefix(rest, "[") {
			for _, o := range strings.Fields(options) {
				if v, ok := strings.CutPrefix(strings.ToLower(o), "signed-by="); ok {
					s.signedBy = o[len(o)-len(v):]
				}
			}
			rest = after
		}
		f := strings.Fields(rest)
		if len(f) < 2 {
			continue
		}
		s.uris, s.suites, s.components = f[:1], f[1:2], f[2:]
		all = append(all, s)
	}
	return all
}

// parseDeb822 reads stanzas of fields, as in /etc/apt/sources.list.d/debian.sources (sources.list(5)).
func parseDeb822(text string) []source {
	var all []source
	fields, last := map[string]string{}, ""
	flush := func() {
		if slices.Contains(strings.Fields(fields["types"]), "deb") {
			all = append(all, source{
				uris:       strings.Fields(fields["uris"]),
				suites:     strings.Fields(fields["suites"]),
				components: strings.Fields(fields["components"]),
				signedBy:   strings.TrimSpace(fields["signed-by"]),
				disabled:   slices.Contains([]string{"no", "false", "0", "off", "without", "disable"}, strings.ToLower(strings.TrimSpace(fields["enabled"]))),
			})
		}
		fields, last = map[string]string{}, ""
	}
	for _, line := range strings.Split(text, "\n") {
		switch name, value, ok := strings.Cut(line, ":"); {
		case strings.HasPrefix(line, "#"):
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == ' ' || line[0] == '\t':
			fields[last] += "\n" + line
		case ok:
			last = strings.ToLower(name)
			fields[last] = value
		}
	}
	flush()
	return all
}

// archive is one of the two repositories that Debian's kernels come from.
type archive string

const (
	mainArchive     archive = "debian"
	securityArchive archive = "debian-security"
)

// find returns the machine's own entry for archive a: enabled ones first, one that says which key signs it before one
// that does not. A disabled entry will do: it lets a machine of another distribution name a mirror without using it.
func find(all []source, a archive) (source, bool) {
	var fit []source
	for _, s := range all {
		if s.isDebian(a) {
			fit = append(fit, s)
		}
	}
	sort.SliceStable(fit, func(i, j int) bool {
		if fit[i].disabled != fit[j].disabled {
			return !fit[i].disabled
		}
		return fit[i].signedBy != "" && fit[j].signedBy == ""
	})
	if len(fit) == 0 {
		return source{}, false
	}
	return fit[0], true
}

// isDebian tells Debian's own archives, under whatever mirror's address, from the many others that name their suites
// after Debian's releases: by the key that signs them, or else by the name that all mirrors keep at the path's end.
func (s source) isDebian(a archive) bool {
	if !slices.Contains(s.components, "main") || !slices.ContainsFunc(s.uris, usable) {
		return false
	}
	security := slices.ContainsFunc(s.suites, func(suite string) bool {
		return strings.HasSuffix(suite, "-security") || strings.HasSuffix(suite, "/updates")
	})
	if security != (a == securityArchive) {
		return false
	}
	named := slices.ContainsFunc(s.uris, func(u string) bool { return path.Base(strings.TrimRight(u, "/")) == string(a) })
	return named || strings.Contains(s.signedBy, "debian-archive")
}

func usable(uri string) bool { return !strings.HasPrefix(uri, "cdrom:") }

// entry prints s in deb822 format with other suites, for the component that kernels are in.
func (s source) entry(suites ...string) string {
	var uris []string
	for _, u := range s.uris {
		if usable(u) {
			uris = append(uris, u)
		}
	}
	text := "Types: deb\nURIs: " + strings.Join(uris, " ") + "\nSuites: " + strings.Join(suites, " ") + "\nComponents: main\n"
	if s.signedBy != "" {
		text += "Signed-By: " + s.signedBy + "\n"
	}
	return text
}
