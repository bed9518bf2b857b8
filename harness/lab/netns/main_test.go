package netns

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"testing"
	"time"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/probe"
)

// TestMain lets the test binary stand in for faultline: sandboxes and servers are that binary.
func TestMain(m *testing.M) {
	mains := map[string]func(args []string) error{
		"sandbox": SandboxMain,
		"serve":   func(args []string) error { return probe.ServeMain(args, os.Stdout) },
		"probe":   func([]string) error { return probe.ClientMain(os.Stdin, os.Stdout) },
		"hold":    func([]string) error { return holdMain() },
		"twins":   func([]string) error { return twinsMain() },
	}
	if len(os.Args) > 1 && mains[os.Args[1]] != nil {
		if err := mains[os.Args[1]](os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// holdMain builds a lab and keeps it until it is killed, for tests of what is left then.
func holdMain() error {
	l, err := New(Options{}).Up(context.Background(), small())
	if err != nil {
		return err
	}
	n, err := l.Node("a")
	if err != nil {
		return err
	}
	if _, err := lab.Run(context.Background(), n, "sh", "-c", daemon); err != nil {
		return err
	}
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt)
	fmt.Println("up")
	<-interrupted
	return l.Close()
}

// small is two nodes and a link, with a server.
func small() *plan.Plan {
	return &plan.Plan{Topology: "small", Steps: []plan.Step{
		plan.AddNode{Node: "a"}, plan.AddNode{Node: "b"},
		plan.AddVeth{A: end("a", "eth0"), B: end("b", "eth0")},
		plan.AddAddress{End: end("a", "eth0"), Address: prefix("10.0.0.1/24")},
		plan.AddAddress{End: end("b", "eth0"), Address: prefix("10.0.0.2/24")},
		plan.SetUp{End: end("a", "eth0")}, plan.SetUp{End: end("b", "eth0")},
		plan.Serve{Node: "b", TCP: []uint16{80}},
	}}
}

// sandboxes says loudly that a test does not run where there are no user namespaces.
func sandboxes(t testing.TB) *Runtime {
	t.Helper()
	r := New(Options{})
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	_, err := r.Check(deadline(t), &plan.Plan{})
	if err != nil {
		t.Skipf("NOT RUN: this machine carries no sandbox: %v", err)
	}
	return r
}

func up(t testing.TB, r lab.Runtime, p *plan.Plan) lab.Lab {
	t.Helper()
	l, err := r.Up(deadline(t), p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// sh runs a script in a node and returns what it wrote.
func sh(t testing.TB, l lab.Lab, node, script string) string {
	t.Helper()
	n, err := l.Node(node)
	if err != nil {
		t.Fatal(err)
	}
	out, err := lab.Run(deadline(t), n, "sh", "-c", script)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return string(out)
}

func deadline(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func needs(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("NOT RUN: %v", err)
		}
	}
}
