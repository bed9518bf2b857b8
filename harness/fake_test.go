package harness_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/faultline-lab/faultline/harness/evidence"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
	"github.com/faultline-lab/faultline/harness/probe"
)

// fakeRuntime makes labs in memory. What is done to them, in order, is its trace: "up 1", "1 control", "1 fault",
// "1 mend" (a command), "close 1".
type fakeRuntime struct {
	mu    sync.Mutex
	trace []string
	labs  int
	open  map[int]bool
	most  int // that were open at once
	room  int // for so many

	documents func() ([]lab.Document, error) // of each lab; nil where labs have none

	lacks    string // what the kernel does not have of the evidence
	checkErr func(*plan.Plan) error
	onUp     func(*plan.Plan)
	upErr    func(n int) error // of the nth lab
	applyErr error

	onControl func(l *fakeLab, nth int) // the nth control that is asked, over all labs; l is locked
	onCommand func(name string)
	onCell    func(l *fakeLab) error // a probe of the fault without evidence around it, as the matrix makes it; l is not locked
	controls  int
	waits     []string // "what timeout" of each probe
}

var (
	_ lab.Runtime = (*fakeRuntime)(nil)
	_ lab.Lab     = (*fakeLab)(nil)

	_ lab.Describer = describedLab{}
)

func (r *fakeRuntime) did(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.trace = append(r.trace, fmt.Sprintf(format, args...))
}

func (r *fakeRuntime) Check(_ context.Context, p *plan.Plan) (lab.Facts, error) {
	facts := lab.Facts{Runtime: "fake", Kernel: "6.1.0", Labs: r.room}
	if r.checkErr != nil {
		return facts, r.checkErr(p)
	}
	return facts, nil
}

func (r *fakeRuntime) Up(ctx context.Context, p *plan.Plan) (lab.Lab, error) {
	r.mu.Lock()
	r.labs++
	number := r.labs
	r.mu.Unlock()
	r.did("up %d", number)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.onUp != nil {
		r.onUp(p)
	}
	if r.upErr != nil {
		if err := r.upErr(number); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = map[int]bool{}
	}
	r.open[number] = true
	r.most = max(r.most, len(r.open))
	// A plan with forwarding on a has the fix in it.
	mended := slices.ContainsFunc(p.Steps, func(s plan.Step) bool {
		set, ok := s.(plan.SetSysctl)
		return ok && set.Node == "a" && set.Name == "net.ipv4.tcp_ecn" && set.Value == "1"
	})
	l := &fakeLab{runtime: r, number: number, faulty: !mended}
	if r.documents != nil {
		return describedLab{l}, nil
	}
	return l, nil
}

// describedLab is a fakeLab that has documents about itself.
type describedLab struct{ *fakeLab }

func (l describedLab) Describe(context.Context) ([]lab.Document, error) {
	l.runtime.did("%d described", l.number)
	return l.runtime.documents()
}

func (r *fakeRuntime) Close() error { return nil }

// fakeLab has a fault between a and port 81 of b, and a control on port 80.
type fakeLab struct {
	runtime *fakeRuntime
	number  int

	mu      sync.Mutex
	faulty  bool
	first   bool  // the first of the two commands that mend together was run
	down    bool  // the control fails
	silent  bool  // the fault leaves no trace in the kernel
	dead    bool  // nothing can be started any more
	stuck   bool  // evidence is not answered any more
	drops   int64 // what the evidence counts
	readers int   // evidence processes that run
}

func (l *fakeLab) Node(name string) (lab.Node, error) { return fakeNode{l, name}, nil }
func (n fakeNode) Name() string                       { return n.name }
func (p *fakeProcess) Signal(os.Signal) error         { return nil }
func (p *fakeProcess) Wait() error                    { return <-p.ended }
func exit(code int, words string) error               { return &lab.ExitError{Code: code, Stderr: words} }
func (l *fakeLab) change(f func()) error              { l.mu.Lock(); defer l.mu.Unlock(); f(); return nil }

// Apply restarts kube-proxies.
func (l *fakeLab) Apply(_ context.Context, steps ...plan.Step) error {
	var nodes []string
	for _, s := range steps {
		nodes = append(nodes, s.(plan.StartKubeProxy).Node)
	}
	l.runtime.did("%d restart %s", l.number, strings.Join(nodes, "+"))
	return l.runtime.applyErr
}

func (l *fakeLab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.runtime.did("close %d", l.number)
	if l.readers > 0 {
		l.runtime.did("%d readers still run", l.readers)
	}
	l.runtime.mu.Lock()
	defer l.runtime.mu.Unlock()
	delete(l.runtime.open, l.number)
	return nil
}

type fakeNode struct {
	lab  *fakeLab
	name string
}

type fakeProcess struct{ ended chan error }

func (n fakeNode) Start(ctx context.Context, c *lab.Cmd) (lab.Process, error) {
	n.lab.mu.Lock()
	dead := n.lab.dead
	n.lab.mu.Unlock()
	if dead {
		return nil, errors.New("the guest is gone")
	}
	p := &fakeProcess{ended: make(chan error, 1)}
	reader := c.Args[0] == lab.Self && c.Args[1] == "evidence"
	if reader {
		_ = n.lab.change(func() { n.lab.readers++ })
	}
	go func() {
		err := n.run(ctx, c)
		if reader {
			_ = n.lab.change(func() { n.lab.readers-- })
		}
		p.ended <- err
	}()
	return p, nil
}

// run is what a process does.
func (n fakeNode) run(ctx context.Context, c *lab.Cmd) error {
	if c.Args[0] == lab.Self {
		switch c.Args[1] {
		case "probe":
			return n.lab.probe(n.name, c.Stdin, c.Stdout)
		case "evidence":
			return n.lab.evidence(ctx, c.Stdin, c.Stdout)
		}
	}
	l := n.lab
	l.runtime.did("%d %s", l.number, strings.Join(c.Args, " "))
	if l.runtime.onCommand != nil {
		l.runtime.onCommand(c.Args[0])
	}
	switch c.Args[0] {
	case "first":
		return l.change(func() { l.first = true })
	case "unfirst":
		return l.change(func() { l.first = false })
	case "second":
		return l.change(func() { l.faulty = l.faulty && !l.first })
	case "mend":
		return l.change(func() { l.faulty = false })
	case "unmend":
		return l.change(func() { l.faulty = true })
	case "disturb":
		return l.change(func() { l.down = true })
	case "silence":
		return l.change(func() { l.silent = true })
	case "stick":
		return l.change(func() { l.stuck = true })
	case "kill":
		return l.change(func() { l.dead = true })
	case "fail":
		return exit(2, "no such thing")
	case "block", "stall":
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (l *fakeLab) probe(from string, stdin io.Reader, stdout io.Writer) error {
	var request probe.Request
	if err := json.NewDecoder(stdin).Decode(&request); err != nil {
		return err
	}
	l.mu.Lock()
	fault := request.To.Port() == 81 && l.readers == 0
	l.mu.Unlock()
	if fault && l.runtime.onCell != nil {
		if err := l.runtime.onCell(l); err != nil {
			return err
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	what, lost := "control", l.down
	if request.To.Port() == 81 {
		what, lost = "fault", l.faulty && from == "a"
	}
	l.runtime.did("%d %s", l.number, what)
	l.runtime.mu.Lock()
	l.runtime.waits = append(l.runtime.waits, fmt.Sprintf("%s %s", what, request.Timeout))
	l.runtime.mu.Unlock()
	if what == "control" {
		l.runtime.mu.Lock()
		l.runtime.controls++
		nth := l.runtime.controls
		l.runtime.mu.Unlock()
		if l.runtime.onControl != nil {
			l.runtime.onControl(l, nth)
		}
	}
	o := probe.Observation{Outcome: probe.Delivered, Peer: "b", Source: netip.MustParseAddrPort("10.0.0.1:4000")}
	if lost {
		o = probe.Observation{Outcome: probe.Timeout}
		if !l.silent {
			l.drops++
		}
	}
	return json.NewEncoder(stdout).Encode(o)
}

func (l *fakeLab) evidence(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	for in := json.NewDecoder(stdin); ; {
		var request evidence.Request
		if err := in.Decode(&request); err != nil {
			return nil
		}
		l.mu.Lock()
		if l.stuck {
			l.mu.Unlock()
			<-ctx.Done()
			return ctx.Err()
		}
		batch := evidence.Batch{Readings: make([]evidence.Reading, len(request.Specs))}
		if l.runtime.lacks != "" {
			batch = evidence.Batch{Error: l.runtime.lacks, Lacks: true}
		}
		for i := range batch.Readings {
			batch.Readings[i] = evidence.Reading{Exists: true, Count: l.drops}
		}
		l.mu.Unlock()
		if err := json.NewEncoder(stdout).Encode(batch); err != nil {
			return nil
		}
	}
}
