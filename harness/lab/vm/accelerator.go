package vm

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab/vm/qemu"
)

// accelerators decides between KVM and TCG. That there is a KVM device says little: in a VM without nested
// virtualisation a guest may hang on it, or QEMU give up. So a probe boot with a short limit decides, once for
// each pair of host kernel and QEMU, and the answer is kept in the cache.
type accelerators struct {
	r *Runtime

	mu   sync.Mutex
	made *choice
}

// choice is an accelerator and, for a person, why.
type choice struct {
	Key         string           `json:"key"` // of the host for which it was made
	Accelerator qemu.Accelerator `json:"accelerator"`
	Why         string           `json:"why"`
}

// probeLimit is how long a guest may take on KVM. Where KVM works it takes one or two seconds.
const probeLimit = 10 * time.Second

const kvmDevice = "/dev/kvm"

// choose returns the accelerator for guests, and says so the first time.
func (a *accelerators) choose(ctx context.Context, on *ground) (choice, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.made != nil {
		return *a.made, nil
	}
	c, err := a.decide(ctx, on)
	if err != nil {
		return choice{}, fmt.Errorf("choose accelerator: %w", err)
	}
	a.made = &c
	a.r.options.Progress(fmt.Sprintf("accelerator %s: %s", c.Accelerator, c.Why))
	return c, nil
}

func (a *accelerators) decide(ctx context.Context, on *ground) (choice, error) {
	version, err := qemu.Version(ctx)
	if err != nil {
		return choice{}, err
	}
	tcg := func(why string) choice {
		return choice{Accelerator: qemu.TCG, Why: "QEMU " + version + ", " + why + "; emulation is slower"}
	}
	switch asked := qemu.Accelerator(a.r.options.Accelerator); asked {
	case "":
	case qemu.KVM, qemu.TCG:
		return choice{Accelerator: asked, Why: "QEMU " + version + ", asked for"}, nil
	default:
		return choice{}, fmt.Errorf("%q: want kvm or tcg", asked)
	}
	f, err := os.OpenFile(kvmDevice, os.O_RDWR, 0)
	if err != nil {
		return tcg(err.Error()), nil
	}
	f.Close()
	key, err := hostKey(version)
	if err != nil {
		return choice{}, err
	}
	file := filepath.Join(a.r.options.Cache, "accelerator.json")
	if c, ok := readChoice(file, key); ok {
		return c, nil
	}
	a.r.options.Progress(fmt.Sprintf("trying KVM for up to %v", probeLimit))
	c := choice{Accelerator: qemu.KVM, Why: "QEMU " + version + ", a guest booted on KVM"}
	g, err := a.r.start(ctx, on, qemu.KVM, fitness{}, probeLimit)
	switch {
	case ctx.Err() != nil:
		return choice{}, context.Cause(ctx)
	case err != nil && !errors.Is(err, errBoot):
		return choice{}, err
	case err != nil:
		c = tcg(fmt.Sprintf("%s is there but no guest boots on it (remove %s to try again)", kvmDevice, file))
	default:
		if err := g.Close(); err != nil {
			return choice{}, err
		}
	}
	c.Key = key
	return c, writeChoice(file, c)
}

// hostKey names what the answer depends on.
func hostKey(version string) (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("uname: %w", err)
	}
	return "Linux " + unix.ByteSliceToString(u.Release[:]) + ", QEMU " + version, nil
}

// readChoice returns what was found out for key. An unreadable file is as good as none.
func readChoice(file, key string) (choice, bool) {
	var c choice
	text, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(text, &c) != nil {
		return choice{}, false
	}
	return c, c.Key == key && (c.Accelerator == qemu.KVM || c.Accelerator == qemu.TCG)
}

// writeChoice replaces the file at once. What a killed run leaves of the partial file, the next one overwrites.
func writeChoice(file string, c choice) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	partial := file + ".partial"
	return errors.Join(os.WriteFile(partial, append(text, '\n'), 0o644), os.Rename(partial, file))
}
