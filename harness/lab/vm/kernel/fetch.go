package kernel

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// apt runs apt with the machine's own configuration (proxies, passwords, keys) but with lists, status and sources of
// its own below dir, so that it neither needs root nor changes what the machine's apt knows.
type apt struct {
	dir      string // absolute
	progress func(string)
}

// metaPackage depends on the newest kernel for virtual machines. It has no drivers for real hardware: 25 MB, not 100.
const metaPackage = "linux-image-cloud-amd64"

// noMirror is what to do about a machine whose apt has no Debian archive.
const noMirror = "add a Debian mirror to /etc/apt/sources.list.d, \"Enabled: no\" will do, with Signed-By: " +
	"/usr/share/keyrings/debian-archive-keyring.gpg (apt-get install debian-archive-keyring); or use --kernel host or --kernel FILE"

// fetch unpacks the packages of d's newest kernel into root and returns their version, which apt has verified. When
// that version is the one that the caller has, nothing is unpacked.
func (a *apt) fetch(ctx context.Context, d *distribution, root, have string) (version string, err error) {
	for _, program := range []string{"apt-get", "dpkg-deb"} {
		if _, err := exec.LookPath(program); err != nil {
			return "", &MissingError{program + ", to fetch Debian's kernels", "use --kernel host or --kernel FILE"}
		}
	}
	if err := a.configure(ctx, d); err != nil {
		return "", err
	}
	a.progress("looking up the newest kernel " + d.name)
	if err := a.update(ctx); err != nil {
		return "", err
	}
	packages, version, err := a.resolve(ctx)
	if err != nil || version == have {
		return version, err
	}
	uris, err := a.run(ctx, "apt-get", slices.Concat([]string{"download", "--print-uris"}, packages)...)
	if err != nil {
		return "", err
	}
	files, size := parseURIs(uris)
	if len(files) == 0 {
		return "", fmt.Errorf("apt names no file for %s", strings.Join(packages, " "))
	}
	a.progress(fmt.Sprintf("fetching kernel %s %s (%d MB)", d.name, version, (size+500_000)/1_000_000))
	if _, err := a.run(ctx, "apt-get", slices.Concat([]string{"-qq", "download"}, packages)...); err != nil {
		return "", err
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	for _, f := range files {
		if _, err := a.run(ctx, "dpkg-deb", "-x", f, root); err != nil {
			return "", err
		}
	}
	return version, nil
}

// configure writes the sources list and the configuration that run uses.
func (a *apt) configure(ctx context.Context, d *distribution) error {
	out, err := exec.CommandContext(ctx, "apt-config", "shell", "list", "Dir::Etc::sourcelist/f", "parts", "Dir::Etc::sourceparts/d").Output()
	if err != nil {
		return fmt.Errorf("read apt configuration: %w", err)
	}
	dirs := parseShell(string(out))
	all, err := readSources(dirs["list"], dirs["parts"])
	if err != nil {
		return err
	}
	sources, err := entries(all, d)
	if err != nil {
		return err
	}
	for _, sub := range []string{"lists/partial", "cache/archives/partial", "empty"} {
		if err := os.MkdirAll(filepath.Join(a.dir, sub), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{"debian.sources": sources, "apt.conf": a.config(), "status": ""} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// config is read after the machine's own configuration and overrides it.
func (a *apt) config() string {
	in := func(name string) string { return strconv.Quote(filepath.Join(a.dir, name)) }
	return `Dir::State ` + in("") + `;
Dir::State::lists ` + in("lists") + `;
Dir::State::status ` + in("status") + `;
Dir::Cache ` + in("cache") + `;
Dir::Etc::sourcelist ` + in("debian.sources") + `;
Dir::Etc::sourceparts ` + in("empty") + `;
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts ` + in("empty") + `;
APT::Architecture "amd64";
#clear APT::Architectures;
APT::Architectures { "amd64"; };
// The user _apt cannot write into a directory of the caller's, and only root may become _apt.
APT::Sandbox::User "";
// Hooks are about the machine's own lists, and the lists here need nothing but packages.
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::DEP-11-icons;
#clear Acquire::IndexTargets::deb::DEP-11-icons-small;
#clear Acquire::IndexTargets::deb::DEP-11-icons-hidpi;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large;
#clear Acquire::IndexTargets::deb::DEP-11-icons-large-hidpi;
Acquire::Languages "none";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
APT::Update::Error-Mode "any";
`
}

// entries returns the sources list for d: the machine's own mirrors with d's suites.
func entries(all []source, d *distribution) (string, error) {
	var stanzas []string
	for _, want := range []struct {
		archive archive
		suites  []string
	}{{mainArchive, d.suites}, {securityArchive, d.security}} {
		if len(want.suites) == 0 {
			continue
		}
		s, ok := find(all, want.archive)
		if !ok {
			if want.archive == securityArchive && len(d.suites) > 0 {
				continue // point releases carry security's kernels too, only later
			}
			return "", &MissingError{fmt.Sprintf("the archive %s in apt's sources", want.archive), noMirror}
		}
		if key := s.signedBy; strings.HasPrefix(key, "/") && !strings.ContainsAny(key, " ,\n") {
			if _, err := os.Stat(key); err != nil {
				return "", &MissingError{"the key " + key + " that signs Debian's archives", "apt-get install debian-archive-keyring"}
			}
		}
		stanzas = append(stanzas, s.entry(want.suites...))
	}
	return strings.Join(stanzas, "\n"), nil
}

func (a *apt) update(ctx context.Context) error {
	_, err := a.run(ctx, "apt-get", "-qq", "update")
	if err != nil && (strings.Contains(err.Error(), "NO_PUBKEY") || strings.Contains(err.Error(), "is not signed")) {
		return errors.Join(&MissingError{"a key that apt accepts for this release of Debian", "apt-get install debian-archive-keyring, newest version"}, err)
	}
	return err
}

// resolve returns the packages that make up the newest kernel. Until 7.0 that is one, linux-image-RELEASE; since then
// linux-image-RELEASE is empty and depends on linux-binary-, linux-modules- and linux-base-RELEASE.
func (a *apt) resolve(ctx context.Context) (packages []string, version string, err error) {
	meta, err := a.show(ctx, metaPackage)
	if err != nil {
		return nil, "", err
	}
	i := slices.IndexFunc(meta.depends, func(p string) bool { return strings.HasPrefix(p, "linux-image-") })
	if i < 0 {
		return nil, "", fmt.Errorf("package %s depends on no linux-image: %s", metaPackage, strings.Join(meta.depends, ", "))
	}
	image := meta.depends[i]
	release := strings.TrimPrefix(image, "linux-image-")
	pkg, err := a.show(ctx, image)
	if err != nil {
		return nil, "", err
	}
	packages = []string{image}
	for _, p := range pkg.depends {
		if strings.HasPrefix(p, "linux-") && strings.HasSuffix(p, "-"+release) {
			packages = append(packages, p)
		}
	}
	return packages, pkg.version, nil
}

// debian is what a package's record says.
type debian struct {
	version string
	depends []string // names; of alternatives the first
}

func (a *apt) show(ctx context.Context, name string) (debian, error) {
	out, err := a.run(ctx, "apt-cache", "show", "--no-all-versions", name)
	if err != nil {
		return debian{}, err
	}
	p := parseRecord(string(out))
	if p.version == "" {
		return debian{}, fmt.Errorf("apt knows no package %s", name)
	}
	return p, nil
}

func parseRecord(text string) debian {
	var p debian
	for _, line := range strings.Split(text, "\n") {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "Version":
			p.version = strings.TrimSpace(value)
		case "Depends":
			for _, d := range strings.Split(value, ",") {
				if f := strings.Fields(d); len(f) > 0 {
					p.depends = append(p.depends, f[0])
				}
			}
		}
	}
	return p
}

// parseURIs reads what --print-uris prints, 'URI' file size hash, and returns the files and their size in bytes.
func parseURIs(out []byte) (files []string, size int) {
	for _, line := range strings.Split(string(out), "\n") {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasPrefix(f[0], "'") {
			continue
		}
		n, err := strconv.Atoi(f[2])
		if err != nil {
			continue
		}
		files, size = append(files, f[1]), size+n
	}
	return files, size
}

// parseShell reads the assignments that apt-config shell prints: name='value'.
func parseShell(out string) map[string]string {
	values := map[string]string{}
	for _, line := range strings.Split(out, "\n") {
		if name, value, ok := strings.Cut(line, "="); ok {
			values[name] = strings.Trim(value, "'")
		}
	}
	return values
}

// run runs a program in a's directory and returns its output; the error carries what it wrote to standard error. The
// program dies with this process, so that no other fetch finds it still writing; the signal for that comes when the
// thread that started it ends (prctl(2), PR_SET_PDEATHSIG).
func (a *apt) run(ctx context.Context, program string, args ...string) ([]byte, error) {
	if strings.HasPrefix(program, "apt") {
		args = append([]string{"-c", filepath.Join(a.dir, "apt.conf")}, args...)
	}
	var out, errOut bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Dir, c.Stdout, c.Stderr = a.dir, &out, &errOut
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("%s: %w", program, context.Cause(ctx))
		}
		said := strings.TrimSpace(errOut.String())
		return nil, errors.Join(a.offline(said), fmt.Errorf("%s: %w: %s", strings.Join(append([]string{program}, args...), " "), err, said))
	}
	return out.Bytes(), nil
}

// The wordings of apt for a network that does not lead to the archive.
var saysOffline = regexp.MustCompile(`Temporary failure resolving|Could not resolve|[Cc]ould not connect|Unable to connect|Cannot initiate the connection|Network is unreachable`)

// offline is what apt, which said that, cannot reach, or nil.
func (a *apt) offline(said string) error {
	if !saysOffline.MatchString(said) {
		return nil
	}
	kernel := strings.TrimSuffix(filepath.Dir(a.dir), partialSuffix)
	return &MissingError{
		cmp.Or(regexp.MustCompile(`https?://[^/ ]+`).FindString(said), "Debian's archive") + " cannot be reached, where kernel " + filepath.Base(kernel) + " comes from",
		"check the network and apt's proxy (apt-config dump Acquire). It is needed once: copy " + kernel + " from another machine; or use --kernel host or --kernel FILE",
	}
}
