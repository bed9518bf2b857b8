package vm

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/plan"
)

// holdArg makes the test binary a harness that has a guest and waits to be killed.
const holdArg = "hold-a-guest"

func hold(cache, binary string) {
	r := New(Options{Cache: cache, Binary: binary, Accelerator: "tcg"})
	if _, err := r.Up(context.Background(), &plan.Plan{Topology: "one", Steps: []plan.Step{plan.AddNode{Node: "a"}}}); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.guests[0].process.Pid())
	select {}
}

func TestHarnessIsKilled(t *testing.T) {
	o := options(t)
	harness := exec.Command("/proc/self/exe", holdArg, o.Cache, o.Binary)
	out, err := harness.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := harness.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	var pid int
	if _, scan := fmt.Sscan(line, &pid); scan != nil {
		t.Fatalf("harness: %q, %v", line, err)
	}
	// A descriptor of the process waits for it, and cannot mean another one by the time.
	qemu, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		t.Fatalf("QEMU %d: %v", pid, err)
	}
	defer unix.Close(qemu)
	if command, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err != nil || !strings.Contains(string(command), "qemu-system") {
		t.Fatalf("process %d is %q, %v", pid, command, err)
	}
	if err := harness.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = harness.Wait() // killed
	gone := []unix.PollFd{{Fd: int32(qemu), Events: unix.POLLIN}}
	if n, err := unix.Poll(gone, 5000); n != 1 {
		t.Errorf("QEMU is still there 5 s after the harness was killed: %v", err)
	}
}
