// Package testns gives the tests of a package a kernel to themselves: the test binary starts itself again as root of user
// and network namespaces of its own, for real drops, routes and rules without root and without a trace on the machine.
//
// In: a package's TestMain. Out: its exit code. Only tests import it.
package testns

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inside is Args[0] of the test binary's second self.
const inside = "tests-in-namespaces"

// missing says why the tests that need namespaces cannot run; empty when they can.
var missing = "the test binary was not started through testns.Run"

// Run runs the tests in namespaces of their own, after setUp there, or outside where that is not possible: those that
// call Need are skipped then. tools are the programs that they call. It returns the exit code.
func Run(m *testing.M, tools []string, setUp func() error) int {
	if os.Args[0] != inside {
		return again(m)
	}
	if missing = lacks(tools); missing != "" {
		fmt.Fprintln(os.Stderr, "tests that need namespaces are SKIPPED:", missing)
		return m.Run()
	}
	if err := setUp(); err != nil {
		fmt.Fprintf(os.Stderr, "set up the namespace: %v\n", err)
		return 1
	}
	return m.Run()
}

// Need skips t where there are no namespaces.
func Need(t *testing.T) {
	t.Helper()
	if missing != "" {
		t.Skip("SKIPPED: " + missing)
	}
}

func again(m *testing.M) int {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = inside
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER,
		// Unshared, because that is after the mappings: files such as /proc/net/ip_tables_names belong to whoever is
		// root of the namespace at the moment when it is made.
		Unshareflags: syscall.CLONE_NEWNET,
		UidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings:  []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		Pdeathsig:    syscall.SIGKILL,
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	missing = fmt.Sprintf("no user and network namespaces here: %v", err)
	fmt.Fprintln(os.Stderr, "tests that need namespaces are SKIPPED:", missing)
	return m.Run()
}

// lacks says what of the tools and the rights that the tests need is not here.
func lacks(tools []string) string {
	for _, tool := range append([]string{"ip"}, tools...) {
		if _, err := exec.LookPath(tool); err != nil {
			return err.Error()
		}
	}
	// AppArmor lets the namespaces be made and takes the rights over them away.
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Sprintf("no rights over namespaces of one's own: %s", strings.TrimSpace(string(out)))
	}
	return ""
}
