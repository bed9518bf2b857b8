package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

var equalPlans = cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})

// largePlan does not fit in one SSH packet.
func largePlan() *plan.Plan {
	p := &plan.Plan{Topology: "large"}
	for i := range 3000 {
		node := fmt.Sprintf("node-%d", i)
		p.Steps = append(p.Steps, plan.AddNode{Node: node}, plan.AddAddress{
			End:     plan.End{Node: node, Interface: "eth0"},
			Address: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}), 24),
		})
	}
	return p
}

func TestALabFromUpToClose(t *testing.T) {
	noLeaks(t)
	r := &fakeRuntime{}
	r.up = func(_ context.Context, p *plan.Plan) error {
		r.progress("begin " + p.Topology)
		r.progress("end " + p.Topology)
		return nil
	}
	var lines []string // without a lock: the race detector sees a line that comes after its Up
	w := dial(t, r, Options{Progress: func(line string) { lines = append(lines, line) }})
	want := largePlan()
	l, err := w.Up(t.Context(), want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"begin large", "end large"}, lines); diff != "" {
		t.Errorf("progress:\n%s", diff)
	}
	if diff := cmp.Diff([]*plan.Plan{want}, r.plans, equalPlans); diff != "" {
		t.Errorf("plan at the far end:\n%s", diff)
	}
	if n, err := l.Node("server"); err != nil || n.Name() != "server" {
		t.Errorf("Node(server) = %v, %v", n, err)
	}
	if _, err := l.Node("sever"); err == nil || err.Error() != `no node "sever"; there are client, server` {
		t.Errorf("Node(sever): %v", err)
	}
	step := plan.SetMTU{End: plan.End{Node: "client", Interface: "eth0"}, MTU: 1400}
	if err := l.Apply(t.Context(), step); err != nil {
		t.Errorf("Apply: %v", err)
	}
	if diff := cmp.Diff([]plan.Step{step}, r.labs[0].applied); diff != "" {
		t.Errorf("step at the far end:\n%s", diff)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if r.labs[0].life.Err() == nil {
		t.Error("the lab is open at the far end")
	}
	if err := l.Apply(t.Context(), step); err == nil || err.Error() != "the lab is closed" {
		t.Errorf("Apply after Close: %v", err)
	}
}

func TestCloseOfTheClientClosesEverything(t *testing.T) {
	noLeaks(t)
	r := &fakeRuntime{}
	w := dial(t, r, Options{})
	building := make(chan struct{})
	first, err := w.Up(t.Context(), &plan.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	undone := false
	r.up = func(ctx context.Context, _ *plan.Plan) error {
		close(building)
		<-ctx.Done()
		<-time.After(50 * time.Millisecond)
		undone = true
		return ctx.Err()
	}
	up := make(chan error, 1)
	go func() {
		_, err := w.Up(context.Background(), &plan.Plan{})
		up <- err
	}()
	await(t, "Up at the far end", building)
	for range 2 {
		if err := w.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if left := r.left(); left != "" || !undone {
		t.Errorf("left at the far end: %s; half a lab undone: %v", left, undone)
	}
	if err := await(t, "Up", up); !errors.Is(err, context.Canceled) && !errors.Is(err, ErrLost) {
		t.Errorf("Up: %v", err)
	}
	if err := await(t, "Serve", w.served); err != nil {
		t.Errorf("Serve: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Errorf("Close of a lab after the client's: %v", err)
	}
	_, err = w.Up(t.Context(), &plan.Plan{})
	if !errors.Is(err, ErrLost) || err.Error() != "connection to the agent lost: closed" {
		t.Errorf("Up after Close: %v", err)
	}
}

func TestErrorsOfTheFarEnd(t *testing.T) {
	noLeaks(t)
	lacks := &lab.UnsupportedError{Runtime: "netns", Missing: []lab.Missing{
		{What: "ip_vs in the kernel", Do: "use --runtime vm"}, {What: "nft"},
	}}
	rows := []struct {
		name    string
		err     error
		same    bool // the very type comes back
		is, not []error
	}{
		{name: "plain", err: errors.New("add veth: operation not permitted"), not: []error{lab.ErrUnsupported, context.Canceled, ErrLost}},
		{name: "unsupported, listed", err: lacks, same: true, is: []error{lab.ErrUnsupported}},
		{name: "unsupported, listed and wrapped", err: fmt.Errorf("check: %w", lacks), is: []error{lab.ErrUnsupported}},
		{name: "unsupported, unlisted", err: fmt.Errorf("no KVM: %w", lab.ErrUnsupported), is: []error{lab.ErrUnsupported}},
		{name: "cancelled there", err: fmt.Errorf("up: %w", context.Canceled), is: []error{context.Canceled}},
		{name: "a limit there", err: context.DeadlineExceeded, same: true, is: []error{context.DeadlineExceeded}, not: []error{context.Canceled}},
		{name: "exit code", err: fmt.Errorf("run nft: %w", &lab.ExitError{Code: 3, Stderr: "syntax"}), not: []error{context.Canceled}},
		{name: "two at once", err: errors.Join(lacks, context.Canceled), is: []error{lab.ErrUnsupported, context.Canceled}},
	}
	r := &fakeRuntime{}
	w := dial(t, r, Options{})
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			want := lab.Facts{Runtime: "vm", Kernel: "6.12.1", Accelerator: "tcg", Detail: "KVM hangs"}
			r.check = func(context.Context, *plan.Plan) (lab.Facts, error) { return want, row.err }
			facts, err := w.Check(t.Context(), &plan.Plan{})
			if facts != want {
				t.Errorf("facts %+v", facts)
			}
			if err == nil || err.Error() != row.err.Error() {
				t.Fatalf("error %v, want %v", err, row.err)
			}
			for _, target := range row.is {
				if !errors.Is(err, target) {
					t.Errorf("is not %v", target)
				}
			}
			for _, target := range row.not {
				if errors.Is(err, target) {
					t.Errorf("is %v", target)
				}
			}
			if _, far := err.(*farError); far == row.same { //nolint:errorlint // the outermost type is what is asked
				t.Errorf("type %T", err)
			}
			compareAs[*lab.UnsupportedError](t, row.err, err)
			compareAs[*lab.ExitError](t, row.err, err)
		})
	}
}

func compareAs[E error](t *testing.T, want, got error) {
	t.Helper()
	var w, g E
	errors.As(want, &w)
	errors.As(got, &g)
	if diff := cmp.Diff(w, g); diff != "" {
		t.Errorf("%T:\n%s", w, diff)
	}
}

func TestAVeryLongErrorAndALongLineDoNotEndTheConnection(t *testing.T) {
	noLeaks(t)
	long := strings.Repeat("\x01é", 300_000)
	r := &fakeRuntime{}
	var line string
	w := dial(t, r, Options{Progress: func(l string) { line = l }})
	r.check = func(context.Context, *plan.Plan) (lab.Facts, error) {
		r.progress(long)
		return lab.Facts{}, errors.New(long)
	}
	_, err := w.Check(t.Context(), &plan.Plan{})
	if err == nil || len(err.Error()) > maxText || !strings.Contains(err.Error(), " [...] ") || err.Error() != line {
		t.Fatalf("error of %d bytes, line of %d", len(fmt.Sprint(err)), len(line))
	}
	if _, err := w.node(t).Start(t.Context(), &lab.Cmd{Args: []string{"/" + long}}); err == nil || errors.Is(err, ErrLost) {
		t.Errorf("Start: %v", err)
	}
}

func TestUpIsCancelled(t *testing.T) {
	noLeaks(t)
	for _, want := range []error{context.Canceled, context.DeadlineExceeded} {
		t.Run(want.Error(), func(t *testing.T) {
			building := make(chan struct{})
			undone := false
			r := &fakeRuntime{up: func(ctx context.Context, _ *plan.Plan) error {
				close(building)
				<-ctx.Done()
				undone = true
				return fmt.Errorf("up: add veth: %w", ctx.Err())
			}}
			w := dial(t, r, Options{})
			ctx, cancel := context.WithCancel(t.Context())
			if errors.Is(want, context.DeadlineExceeded) {
				ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
			} else {
				go func() { <-building; cancel() }()
			}
			defer cancel()
			_, err := w.Up(ctx, &plan.Plan{})
			if !errors.Is(err, want) || err.Error() != "up: add veth: context canceled" || !undone {
				t.Errorf("error %v, undone %v", err, undone)
			}
		})
	}
}

func TestALabThatIsReadyInSpiteOfACancelIsClosed(t *testing.T) {
	noLeaks(t)
	r := &fakeRuntime{up: func(ctx context.Context, _ *plan.Plan) error { <-ctx.Done(); return nil }}
	w := dial(t, r, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := w.Up(ctx, &plan.Plan{}); err != context.DeadlineExceeded { //nolint:errorlint // itself
		t.Errorf("Up: %v", err)
	}
	if left := r.left(); r.built() != 1 || left != "runtime" {
		t.Errorf("%d labs built, left: %s", r.built(), left)
	}
}

func TestAPlanThatCannotBeSentLeavesNoCallOpen(t *testing.T) {
	noLeaks(t)
	w := dial(t, &fakeRuntime{}, Options{})
	_, err := w.Up(t.Context(), &plan.Plan{Steps: []plan.Step{nil}})
	if err == nil || !strings.HasPrefix(err.Error(), "encode request: ") || !strings.HasSuffix(err.Error(), "step 0: encode step: no step") {
		t.Errorf("Up: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func TestALabThatIsReadyAfterTheGraceIsClosed(t *testing.T) {
	noLeaks(t)
	stop := make(chan struct{})
	r := &fakeRuntime{up: func(context.Context, *plan.Plan) error { <-stop; return nil }}
	w := dial(t, r, Options{Grace: 50 * time.Millisecond})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	_, err := w.Up(ctx, &plan.Plan{})
	const want = "context deadline exceeded, and the agent did not confirm that it stopped within 50ms"
	if !errors.Is(err, context.DeadlineExceeded) || err.Error() != want {
		t.Errorf("Up: %v", err)
	}
	close(stop)
	if !eventually(func() bool { return r.built() == 1 && r.left() == "runtime" }) {
		t.Errorf("left: %s", r.left())
	}
	if _, err := w.Up(t.Context(), &plan.Plan{}); err != nil {
		t.Errorf("the next Up: %v", err)
	}
}

func TestApplyIsCancelled(t *testing.T) {
	noLeaks(t)
	r := &fakeRuntime{}
	w := dial(t, r, Options{})
	l, err := w.Up(t.Context(), &plan.Plan{})
	if err != nil {
		t.Fatal(err)
	}
	r.labs[0].apply = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.Apply(ctx, plan.AddNode{Node: "x"}); err != context.DeadlineExceeded { //nolint:errorlint // itself
		t.Errorf("Apply: %v", err)
	}
}
