package netns

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/agent"
	"github.com/faultline-lab/faultline/harness/internal/feature"
	"github.com/faultline-lab/faultline/harness/lab"
)

// wireFD is the descriptor of a sandbox's end of the wire.
const wireFD = 3

// hello is the sandbox's first line on the wire, before the agent takes it over: whether it could furnish itself.
type hello struct {
	Missing []lab.Missing `json:"missing,omitempty"` // what this machine does not allow
	Error   string        `json:"error,omitempty"`   // anything else that went wrong
}

// SandboxMain is the main function of `faultline sandbox BINDIR`, which Runtime starts as pid 1 of new namespaces. It
// gives itself a private /run, /proc and /sys, and serves the agent on the wire until that ends; the kernel then ends
// everything that was started in the sandbox.
func SandboxMain(args []string) error {
	if len(args) != 1 {
		return errors.New("sandbox: want one argument, the directory of the kube-proxy binaries")
	}
	if os.Getpid() != 1 {
		return errors.New("sandbox: this command is started by faultline itself, in namespaces of its own")
	}
	unix.CloseOnExec(wireFD)
	if err := unix.SetNonblock(wireFD, true); err != nil {
		return fmt.Errorf("sandbox: open wire: %w", err)
	}
	wire := os.NewFile(wireFD, "wire")
	furnished := furnish()
	if err := json.NewEncoder(wire).Encode(newHello(furnished)); err != nil || furnished != nil {
		return errors.Join(furnished, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go reapOrphans(ctx)
	return agent.Serve(ctx, wire, func(progress func(string)) lab.Runtime {
		return &Inner{BinDir: args[0], Progress: progress}
	})
}

// furnish gives the sandbox file systems of its own, so that the tools' lock files do not touch the machine's and
// nothing in it sees the machine's processes and interfaces.
func furnish() error {
	// The tools are in the administrator's directories, which the PATH of other users often lacks.
	if err := os.Setenv("PATH", os.ExpandEnv("${PATH}:/usr/local/sbin:/usr/sbin:/sbin")); err != nil {
		return fmt.Errorf("extend PATH: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return lacksCapabilities(fmt.Errorf("make mounts private: %w", err))
	}
	// /proc/PID of this process is read all over, package ns included: without a /proc of the new pid namespace it
	// would be another process.
	if err := mountFresh("proc", "/proc"); err != nil {
		return unsupported(err, "a fresh /proc, which this container forbids because its own is covered in parts",
			"run it outside of the container, start the container with `--security-opt systempaths=unconfined`, or run with --runtime vm")
	}
	if err := guardSysctls(); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mount /run: %w", err)
	}
	// Not essential: the nodes get a /sys each, and do without where the kernel refuses.
	_ = mountFresh("sysfs", "/sys")
	return nil
}

// guardSysctls makes /proc/sys read-only but for /proc/sys/net. The kernel asks for the user of the machine, not for
// capabilities, where a sysctl is not per namespace (test_perm in fs/proc/proc_sysctl.c): started by root, a sandbox
// could change the machine. What /proc/sys/net shows in a namespace belongs to it, or is read-only.
func guardSysctls() error {
	const net, all = "/proc/sys/net", "/proc/sys"
	for _, path := range []string{all, net} {
		if err := unix.Mount(path, path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("bind %s: %w", path, err)
		}
	}
	// The flags of the /proc that this is part of stay: taking them away is not allowed in a user namespace.
	if err := unix.Mount("", all, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", all, err)
	}
	return nil
}

// lacksCapabilities explains the error of the first thing that takes a capability.
func lacksCapabilities(err error) error {
	return unsupported(err, "capabilities in a new user namespace: "+err.Error(), feature.UserNamespaces)
}

// unsupported is err as something that this machine does not allow, if that is what it says.
func unsupported(err error, what, do string) error {
	if !errors.Is(err, unix.EPERM) && !errors.Is(err, unix.EACCES) {
		return err
	}
	return &lab.UnsupportedError{Runtime: "netns", Missing: []lab.Missing{{What: what, Do: do}}}
}

func newHello(err error) hello {
	var missing *lab.UnsupportedError
	switch {
	case err == nil:
		return hello{}
	case errors.As(err, &missing):
		return hello{Missing: missing.Missing}
	}
	return hello{Error: err.Error()}
}

// err is the error that the sandbox told about.
func (h hello) err() error {
	switch {
	case len(h.Missing) > 0:
		return &lab.UnsupportedError{Runtime: "netns", Missing: h.Missing}
	case h.Error != "":
		return errors.New(h.Error)
	}
	return nil
}

// readHello reads the first line and no byte more: what follows is the agent's.
func readHello(wire net.Conn) error {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(wire, b); err != nil {
			return fmt.Errorf("the sandbox did not come up: %w", err)
		}
		if b[0] == '\n' {
			break
		}
		line = append(line, b[0])
	}
	var h hello
	if err := json.Unmarshal(line, &h); err != nil {
		return fmt.Errorf("read the sandbox's first line: %w", err)
	}
	return h.err()
}
