package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	kindcluster "sigs.k8s.io/kind/pkg/cluster"
	kindexec "sigs.k8s.io/kind/pkg/exec"
	"sigs.k8s.io/kind/pkg/log"

	"github.com/faultline-lab/faultline/harness/lab/kind/engine"
)

// CreateCommand is the argument by which this binary runs CreateMain.
const CreateCommand = "kind-create"

// order is what CreateMain is told.
type order struct {
	Engine     string            `json:"engine"`
	Kubeconfig string            `json:"kubeconfig"`
	Config     *v1alpha4.Cluster `json:"config"`
}

// CreateMain is the main function of `faultline kind-create`: it has kind create the cluster that is on stdin, and writes
// what kind is doing to stdout. Whatever there is when it fails stays, for who started it to look at and to remove.
func CreateMain(stdin io.Reader, stdout io.Writer) error {
	var o order
	if err := json.NewDecoder(stdin).Decode(&o); err != nil {
		return fmt.Errorf("read what to create: %w", err)
	}
	provider := kindcluster.ProviderWithDocker()
	if o.Engine == engine.Podman {
		provider = kindcluster.ProviderWithPodman()
	}
	p := kindcluster.NewProvider(provider, kindcluster.ProviderWithLogger(logger{stdout}))
	err := p.Create(o.Config.Name,
		kindcluster.CreateWithV1Alpha4Config(o.Config), kindcluster.CreateWithKubeconfigPath(o.Kubeconfig),
		kindcluster.CreateWithRetain(true), kindcluster.CreateWithDisplayUsage(false), kindcluster.CreateWithDisplaySalutation(false),
	)
	if run := kindexec.RunErrorForError(err); run != nil {
		return fmt.Errorf("%w\n%s", err, lastLines(string(run.Output), 25))
	}
	return err
}

// create has kind create a cluster. It returns kind's word, which is that of the control plane alone.
func (s *site) create(ctx context.Context, config *v1alpha4.Cluster) error {
	input, err := json.Marshal(order{Engine: s.engine.Command, Kubeconfig: s.kubeconfig(config.Name), Config: config})
	if err != nil {
		return err
	}
	c := exec.CommandContext(ctx, "/proc/self/exe", CreateCommand)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) } // the engine's commands too
	if err := shimmed(c, s.engine, s.name, filepath.Join(s.dir, "bin")); err != nil {
		return fmt.Errorf("give kind its %s: %w", s.engine.Command, err)
	}
	var said bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(input), &lines{tell: s.tell}, &said
	err = engine.Run(c)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("kind: create cluster %s: %s", config.Name, strings.TrimPrefix(strings.TrimSpace(said.String()), "faultline: "))
	}
	return nil
}

func (s *site) kubeconfig(cluster string) string {
	if cluster == s.name {
		return filepath.Join(s.dir, "kubeconfig")
	}
	return filepath.Join(s.dir, cluster+".kubeconfig")
}

// lines gives what is written to it to tell, a line at a time.
type lines struct {
	tell func(string)
	rest []byte
}

func (l *lines) Write(b []byte) (int, error) {
	l.rest = append(l.rest, b...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(b), nil
		}
		l.tell(string(line))
		l.rest = rest
	}
}

// logger is kind's logger, on a stream. Its spinner is not for streams, its icons not for reports.
type logger struct{ w io.Writer }

var _ log.Logger = logger{}

func (l logger) Warn(m string)             { l.say(m) }
func (l logger) Warnf(f string, a ...any)  { l.say(fmt.Sprintf(f, a...)) }
func (l logger) Error(m string)            { l.say(m) }
func (l logger) Errorf(f string, a ...any) { l.say(fmt.Sprintf(f, a...)) }
func (l logger) Info(m string)             { l.say(m) }
func (l logger) Infof(f string, a ...any)  { l.say(fmt.Sprintf(f, a...)) }
func (l logger) Enabled() bool             { return true }

func (l logger) V(level log.Level) log.InfoLogger {
	if level > 0 {
		return log.NoopInfoLogger{}
	}
	return l
}

// say writes what is news, in plain letters: not that the network is ours, nor that a step has ended well.
func (l logger) say(m string) {
	m = strings.Map(func(r rune) rune {
		if r > 0x7e || r < ' ' {
			return -1
		}
		return r
	}, m)
	m = strings.TrimSpace(m)
	if m == "" || strings.Contains(m, "_NETWORK") || strings.Contains(m, "Here be dragons") {
		return
	}
	_, _ = fmt.Fprintln(l.w, "kind: "+m)
}

// HoldMain is the main function of a container without servers: it keeps a namespace until it is told to end.
func HoldMain() error {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM, syscall.SIGINT)
	<-end
	return nil
}
