package netns

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// failing cannot be carried out.
var failing = plan.LoadRuleset{Node: "host", Tool: "nft", Text: "add table ip ok\nadd rule ip nowhere chain counter\n"}

// daemon leaves a process that has left its group.
const daemon = "setsid --fork sleep 1000 >/dev/null 2>&1"

// twinsMain runs in a sandbox. It builds everything with a failure after each step, and once without, and prints what was
// left then, a line each.
func twinsMain() error {
	if err := furnish(); err != nil {
		return err
	}
	go reapOrphans(context.Background())
	before, err := footprint()
	if err != nil {
		return err
	}
	steps := everything().Steps
	for i := 3; i <= len(steps); i++ { // failing needs the node
		twin := &plan.Plan{Steps: append(slices.Clone(steps[:i]), failing)}
		r := &Inner{}
		if _, err := r.Up(context.Background(), twin); err == nil {
			return fmt.Errorf("step %d: the failing step did not fail", i)
		}
		if err := sameAs(before); err != nil {
			return fmt.Errorf("a failure after step %d (%T) leaves %w", i, steps[i-1], err)
		}
	}
	r := &Inner{}
	l, err := r.Up(context.Background(), everything())
	if err != nil {
		return err
	}
	n, err := l.Node("pod")
	if err != nil {
		return err
	}
	if err := endsGroup(l.(*innerLab), n.(*node)); err != nil {
		return err
	}
	if _, err := lab.Run(context.Background(), n, "sh", "-c", daemon); err != nil {
		return err
	}
	if err := sameAs(before); err == nil {
		return errors.New("the check of what is left sees nothing of a lab that is up")
	}
	if err := errors.Join(r.Close(), l.Close()); err != nil { // one of them has nothing to do
		return err
	}
	if err := sameAs(before); err != nil {
		return fmt.Errorf("close leaves %w", err)
	}
	if _, err := lab.Run(context.Background(), n, "true"); err == nil {
		return errors.New("a node of a closed lab still runs commands")
	}
	fmt.Println("clean")
	return nil
}

// endsGroup ends a process that has a child, while it runs and after it has ended.
func endsGroup(l *innerLab, n *node) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	p, err := n.start(context.Background(), &lab.Cmd{Args: []string{"sh", "-c", "sleep 1000 & exec sleep 1000"}})
	if err != nil {
		return err
	}
	for range 2 {
		if err := l.procs.endGroup(ctx, p); err != nil {
			return err
		}
		if err := unix.Kill(-p.cmd.Process.Pid, 0); !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("the group is not gone: %w", err)
		}
	}
	return nil
}

// footprint is what a process holds of the kernel: processes, descriptors, namespaces of its threads, mounts.
func footprint() (string, error) {
	var parts []string
	for _, pattern := range []string{"/proc/[0-9]*", "/proc/self/fd/*", "/proc/self/task/*/ns/net", "/proc/self/task/*/ns/mnt"} {
		names, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		var found []string
		for _, name := range names {
			if link, err := os.Readlink(name); err == nil && !strings.Contains(link, "/proc/") {
				name = link
			}
			found = append(found, name)
		}
		slices.Sort(found)
		if strings.Contains(pattern, "/ns/") {
			found = slices.Compact(found)
		}
		parts = append(parts, strings.Join(found, " "))
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	return strings.Join(parts, "\n") + "\n" + string(mounts), err
}

// sameAs waits a while for the footprint to be want again: threads end after what they did has returned.
func sameAs(want string) error {
	var got string
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); <-time.After(time.Millisecond) {
		var err error
		if got, err = footprint(); err != nil || got == want {
			return err
		}
	}
	return fmt.Errorf("\n%s\nwhere there was\n%s", got, want)
}

func TestNothingIsLeftOfAFailureAtAnyStep(t *testing.T) {
	sandboxes(t)
	needs(t, "nft", "iptables-nft-restore", "iptables-legacy-restore")
	cmd := exec.CommandContext(deadline(t), "/proc/self/exe", "twins")
	cmd.SysProcAttr = sandboxAttributes(os.Getuid(), os.Getgid())
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "clean\n") {
		t.Errorf("%v: %s", err, out)
	}
}

var zombie = regexp.MustCompile(`(?m)^State:\tZ`)

// usersOf returns the processes that run in a user namespace. What has ended and waits for the machine's init to notice
// does not count.
func usersOf(namespace string) []string {
	names, _ := filepath.Glob("/proc/[0-9]*")
	var users []string
	for _, name := range names {
		link, err := os.Readlink(name + "/ns/user")
		if err != nil || link != namespace {
			continue
		}
		if status, err := os.ReadFile(name + "/status"); err == nil && !zombie.Match(status) {
			args, _ := os.ReadFile(name + "/cmdline")
			where, _ := os.ReadFile(name + "/wchan")
			users = append(users, fmt.Sprintf("%s %q in %s", filepath.Base(name), args, where))
		}
	}
	return users
}

func TestNothingIsLeftAtTheEndOfFaultline(t *testing.T) {
	sandboxes(t)
	tests := []struct {
		name   string
		signal syscall.Signal
	}{
		{"by SIGKILL", syscall.SIGKILL},
		{"by SIGTERM without a handler", syscall.SIGTERM},
		{"after Close", syscall.SIGINT},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(deadline(t), "/proc/self/exe", "hold")
			cmd.Stderr = os.Stderr
			stdout, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "up\n" {
				t.Fatalf("%q, %v", line, err)
			}
			namespace := sandboxOf(t, cmd.Process.Pid)
			if got := len(usersOf(namespace)); got != 3 {
				t.Fatalf("%d processes in the sandbox, want 3: %q", got, usersOf(namespace))
			}
			if err := cmd.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if left := gone(namespace); len(left) > 0 {
				t.Errorf("left in the sandbox: %q", left)
			}
		})
	}
}

// gone waits a while for a user namespace to have no process and returns those that it still has. When none is left, no
// descriptor and no mount namespace is either, and with them go the network namespaces.
func gone(namespace string) []string {
	end := time.Now().Add(killLimit)
	for {
		left := usersOf(namespace)
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
		<-time.After(time.Millisecond)
	}
}

var parent = regexp.MustCompile(`(?m)^PPid:\t(\d+)$`)

// sandboxOf returns the user namespace of the child of pid.
func sandboxOf(t *testing.T, pid int) string {
	t.Helper()
	names, _ := filepath.Glob("/proc/[0-9]*")
	for _, name := range names {
		status, err := os.ReadFile(name + "/status")
		if m := parent.FindSubmatch(status); err == nil && m != nil && string(m[1]) == strconv.Itoa(pid) {
			namespace, err := os.Readlink(name + "/ns/user")
			if err != nil {
				t.Fatal(err)
			}
			return namespace
		}
	}
	t.Fatalf("process %d has no child", pid)
	return ""
}

// TestNothingIsLeftOfAKillAtAnyMoment kills at moments from before the sandbox to after the lab. All that was started
// carries a mark in its environment.
func TestNothingIsLeftOfAKillAtAnyMoment(t *testing.T) {
	sandboxes(t)
	const moments = 20
	reached := 0
	for i := range moments {
		mark := fmt.Sprintf("FAULTLINE_TEST_MARK=%d.%d", os.Getpid(), i)
		cmd := exec.CommandContext(deadline(t), "/proc/self/exe", "hold")
		cmd.Env = append(cmd.Environ(), mark)
		out := newOutput(nil)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Duration(i) * 4 * time.Millisecond)
		reached = max(reached, len(marked(mark)))
		cmd.Process.Kill()
		_ = cmd.Wait()
		for end := time.Now().Add(killLimit); len(marked(mark)) > 0; <-time.After(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("killed after %d ms: left are %q", i*4, marked(mark))
			}
		}
	}
	if reached < 2 {
		t.Errorf("no sandbox was ever there to be left")
	}
}

// marked returns the processes with a mark in their environment.
func marked(mark string) []string {
	names, _ := filepath.Glob("/proc/[0-9]*")
	var found []string
	for _, name := range names {
		if env, err := os.ReadFile(name + "/environ"); err == nil && slices.Contains(strings.Split(string(env), "\x00"), mark) {
			args, _ := os.ReadFile(name + "/cmdline")
			found = append(found, fmt.Sprintf("%s %q", filepath.Base(name), args))
		}
	}
	return found
}
