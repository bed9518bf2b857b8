package kind

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/faultline-lab/faultline/harness/agent"
	"github.com/faultline-lab/faultline/harness/internal/tail"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/lab/kind/archive"
	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// AgentCommand is the argument by which this binary runs AgentMain.
const AgentCommand = "kind-agent"

// AgentMain is the main function of the agent's container: it serves the runtime that newRuntime makes on its standard
// input and output, until the other end is closed.
func AgentMain(newRuntime func(progress func(string)) lab.Runtime) error {
	if err := unix.SetNonblock(0, true); err != nil {
		return fmt.Errorf("open wire: %w", err)
	}
	wire := &pipes{in: os.NewFile(0, "wire"), out: os.Stdout}
	return agent.Serve(context.Background(), wire, newRuntime)
}

// pipes are the two pipes of a wire.
type pipes struct {
	in  io.ReadCloser
	out io.WriteCloser
}

func (p *pipes) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p *pipes) Write(b []byte) (int, error) { return p.out.Write(b) }
func (p *pipes) Close() error                { return errors.Join(p.in.Close(), p.out.Close()) }

// agentContainer is the container with the agent, seen from outside.
type agentContainer struct {
	client *agent.Client
	name   string
	close  func() error
}

// startAgent starts the agent of a site. It shares the daemon's pid namespace, where it finds the namespaces of nodes and
// pods, and has the tools of the node image.
func startAgent(ctx context.Context, s *site) (*agentContainer, error) {
	return launchAgent(ctx, s.engine, s.name, s.image, s.name+"-agent", s.pods.program, s.tell)
}

func launchAgent(ctx context.Context, e *engine.Engine, site, image, name string, binary []byte, tell func(string)) (_ *agentContainer, err error) {
	files, err := tarball(archive.File{Name: program[1:], Mode: 0o755, Data: binary})
	if err != nil {
		return nil, err
	}
	create := labelled([]string{"create", "--name", name, "--rm", "--interactive", "--privileged", "--pid=host", "--network=none",
		"--entrypoint", program, image, AgentCommand}, site)
	if _, err := e.Output(ctx, create...); err != nil {
		return nil, fmt.Errorf("create the agent: %w", err)
	}
	if _, err := e.Feed(ctx, strings.NewReader(string(files)), "cp", "-", name+":/"); err != nil {
		return nil, fmt.Errorf("copy the agent: %w", err)
	}
	c := e.Cmd(context.Background(), "start", "--attach", "--interactive", name)
	said := tail.Buffer{Limit: 4 << 10}
	c.Stderr = &said
	wire, far, err := wireOf(c)
	if err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() {
		ended <- engine.Run(c)
		far.Close() // who reads sees the end
	}()
	client, err := agent.Dial(ctx, wire, agent.Options{Progress: tell})
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		end := <-ended // its last words are complete then
		return nil, fmt.Errorf("start the agent: %w: %s", errors.Join(err, end), strings.TrimSpace(said.String()))
	}
	return &agentContainer{client: client, name: name, close: sync.OnceValue(client.Close)}, nil
}

// wireOf is the standard input and output of a command that will be started, and the output's far end, to be closed once
// the command has ended.
func wireOf(c *exec.Cmd) (wire *pipes, far *os.File, err error) {
	in, err := c.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	c.Stdout = w
	return &pipes{in: r, out: in}, w, nil
}

// ignoreLost is err, unless it says that the agent has gone: what it held has gone with it.
func ignoreLost(err error) error {
	if errors.Is(err, agent.ErrLost) {
		return nil
	}
	return err
}
