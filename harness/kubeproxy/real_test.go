package kubeproxy

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/faultline-lab/faultline/harness/internal/cache"
	"github.com/faultline-lab/faultline/harness/kubeproxy/api"
	"github.com/faultline-lab/faultline/harness/plan"
)

// sandbox makes this test binary run the inner half of TestRealKubeProxy.
var sandbox = flag.String("sandbox", "", "mode, version and path of the kube-proxy to run in this process's namespaces")

// TestRealKubeProxy runs the real kube-proxy in namespaces of its own, as any user, and takes a backend away.
func TestRealKubeProxy(t *testing.T) {
	for _, version := range []string{pinned, "v1.29.6"} {
		binary := cachedBinary(t, version)
		for _, mode := range []string{ModeIPTables, ModeNFTables} {
			t.Run(version+" "+mode, func(t *testing.T) {
				if binary == "" {
					t.Skipf("SKIPPED: kube-proxy %s is not in the user's cache; Builder puts it there", version)
				}
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
				defer cancel()
				cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestInsideSandbox$", "-test.v",
					"-sandbox="+mode+" "+version+" "+binary)
				cmd.SysProcAttr = &syscall.SysProcAttr{
					Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
					UidMappings: []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}},
					GidMappings: []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}},
				}
				out, err := cmd.CombinedOutput()
				if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) {
					t.Skipf("SKIPPED: no user namespaces here: %v", err)
				}
				t.Logf("%s", out)
				if err != nil || !bytes.Contains(out, []byte("--- PASS: TestInsideSandbox")) {
					t.Errorf("in the sandbox: %v", err)
				}
			})
		}
	}
}

func cachedBinary(t *testing.T, version string) string {
	dir, err := os.UserCacheDir()
	if err != nil {
		t.Log(err)
		return ""
	}
	path := filepath.Join(dir, "faultline", "kube-proxy", FileName(version))
	if have, err := cache.Has(path); !have || err != nil {
		return ""
	}
	return path
}

// here is the Node of the network namespace that this process is in.
type here struct{}

func (here) Name() string                         { return "cloud" }
func (here) ReadFile(name string) ([]byte, error) { return os.ReadFile(name) }
func (here) Run(ctx context.Context, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w: %s", plan.Shell(args...), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}

func TestInsideSandbox(t *testing.T) {
	how := strings.SplitN(*sandbox, " ", 3)
	if len(how) != 3 {
		t.Skip("the inner half of TestRealKubeProxy")
	}
	mode, version, binary := how[0], how[1], how[2]
	setUpSandbox(t)

	store := api.New([]plan.ClusterNode{{Name: "cloud", Addresses: []netip.Addr{addr("192.168.0.1"), addr("fd00::1")}}}, labServices(1))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: store.Handler()}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })

	if mode, err := Mode(t.Context(), here{}); mode != "" || err != nil {
		t.Errorf("before: mode %q, %v, want none", mode, err)
	}
	var log bytes.Buffer
	step := plan.StartKubeProxy{Node: "cloud", Address: addr("192.168.0.1"), Version: version, Mode: mode, ClusterCIDR: "10.244.0.0/16"}
	var cmd *exec.Cmd
	start := func() {
		t.Helper()
		cmd = exec.Command(binary, Args(step, "http://"+listener.Addr().String())...)
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	}
	start()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("kube-proxy:\n%s", &log)
		}
	})

	inSync := func(what string, services []plan.Service) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		started := time.Now()
		if err := WaitInSync(ctx, here{}, mode, services); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		t.Logf("%s: %v", what, time.Since(started))
	}
	notInSync := func(what, want string, services []plan.Service) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		err := WaitInSync(ctx, here{}, mode, services)
		var e *NotInSyncError
		if !errors.As(err, &e) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", what, err, want)
		}
	}
	inSync("start", labServices(1))
	if got, err := Mode(t.Context(), here{}); got != mode || err != nil {
		t.Errorf("mode %q, %v, want %q", got, err, mode)
	}
	notInSync("before a backend is added", "tcp 10.96.0.10:80 does not lead to 10.244.1.2:8080", labServices(2))
	store.SetService(labServices(2)[0])
	inSync("a backend is added", labServices(2))
	notInSync("before a backend is removed", "tcp 10.96.0.10:80 still leads to 10.244.1.2:8080", labServices(1))
	store.SetService(labServices(1)[0])
	inSync("a backend is removed", labServices(1))
	if CanUnsync(mode) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		// What the next one does not write again shows that it has not written yet.
		if _, err := (here{}).Run(t.Context(), "iptables", "-w", "-A", "KUBE-FORWARD", "-m", "comment", "--comment", "of the one before"); err != nil {
			t.Fatal(err)
		}
		if err := Unsync(t.Context(), here{}, mode, labServices(1)); err != nil {
			t.Fatal(err)
		}
		notInSync("before another is started", "tcp 10.96.0.10:80 is not there", labServices(1))
		start()
		inSync("another is started", labServices(1))
		if rules, err := (here{}).Run(t.Context(), "iptables-save", "-t", "filter"); err != nil || strings.Contains(string(rules), "of the one before") {
			t.Errorf("in sync with rules of the one before: %v\n%s", err, rules)
		}
	} else if err := Unsync(t.Context(), here{}, mode, labServices(1)); err == nil {
		t.Error("taken out of sync in a mode in which it is not known how")
	}
	none := labServices(0)[0]
	store.SetService(none)
	inSync("the last backend is removed", labServices(0))

	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if _, err := (here{}).Run(t.Context(), append([]string{binary}, CleanupArgs(version)...)...); err != nil {
		t.Errorf("clean up: %v", err)
	}
	if mode, err := Mode(t.Context(), here{}); mode != "" || err != nil {
		t.Errorf("cleaned up: mode %q, %v, want none", mode, err)
	}
}

func setUpSandbox(t *testing.T) {
	t.Helper()
	// The iptables tools lock a file in /run, and /proc must show this PID namespace.
	for _, err := range []error{
		syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""),
		syscall.Mount("tmpfs", "/run", "tmpfs", 0, ""),
		syscall.Mount("proc", "/proc", "proc", 0, ""),
	} {
		if err != nil {
			t.Fatalf("mount: %v", err)
		}
	}
	for _, line := range []string{
		"ip link set lo up",
		"ip link add eth0 type veth peer name eth1",
		"ip addr add 192.168.0.1/24 dev eth0",
		"ip addr add fd00::1/64 dev eth0 nodad",
		"ip link set eth0 up",
		"ip link set eth1 up",
	} {
		if _, err := (here{}).Run(t.Context(), strings.Fields(line)...); err != nil {
			t.Fatal(err)
		}
	}
}
