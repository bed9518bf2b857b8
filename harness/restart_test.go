package harness_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/topology"
	"github.com/faultline-lab/faultline/harness/verdict"
)

var (
	half  = cmd("first", "first", "unfirst")
	other = cmd("second", "second", "unmend")
	whole = "  - {name: whole, together: [first, second]}\n"
)

func TestTogether(t *testing.T) {
	const shown = "up 1, 1 control, 1 fault"
	const alone = ", 1 first, 1 control, 1 fault, 1 unfirst, 1 control, 1 fault" +
		", 1 second, 1 control, 1 fault, 1 unmend, 1 control, 1 fault"
	const joined = ", 1 first, 1 second, 1 control, 1 fault, 1 unmend, 1 unfirst, 1 control, 1 fault, close 1"
	for _, row := range []struct {
		name         string
		fixes, inert string
		only         []string
		want, trace  string
		code         int
	}{
		{"after its parts were shown to be inert", whole, half + other, nil,
			"Reproduced; whole Fixed; first Inert; second Inert", shown + alone + joined, 0},
		{"asked for by itself brings its parts along", whole + good, half + other, []string{"whole"},
			"Reproduced; whole Fixed; good NotTried; first Inert; second Inert", shown + alone + joined, 0},
		{"a part that helps alone", "  - {name: whole, together: [idle, second]}\n", idle + cmd("second", "mend", "unmend"), nil,
			"Reproduced; whole Fixed; idle Inert; second Helped",
			shown + ", 1 nothing, 1 control, 1 fault, 1 nothing, 1 control, 1 fault" +
				", 1 mend, 1 control, 1 fault, 1 unmend, 1 control, 1 fault" +
				", 1 nothing, 1 mend, 1 control, 1 fault, 1 unmend, 1 nothing, 1 control, 1 fault, close 1", 1},
		{"parts that do not mend together either", "  - {name: whole, together: [idle, first]}\n", idle + half, nil,
			"Reproduced; whole NotFixed; idle Inert; first Inert",
			shown + ", 1 nothing, 1 control, 1 fault, 1 nothing, 1 control, 1 fault, 1 first, 1 control, 1 fault, 1 unfirst, 1 control, 1 fault" +
				", 1 nothing, 1 first, 1 control, 1 fault, 1 unfirst, 1 nothing, 1 control, 1 fault, close 1", 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			x, rt := trialOf(t, row.fixes, row.inert)
			x.Only = row.only
			out, err := x.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			check(t, out, rt, row.want, row.trace, row.code)
		})
	}
}

func check(t *testing.T, out verdict.Trial, rt *fakeRuntime, want, trace string, code int) {
	t.Helper()
	if diff := cmp.Diff(want, told(out)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(strings.Split(trace, ", "), rt.trace); diff != "" {
		t.Error(diff)
	}
	if got := out.ExitCode(); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
}

// proxied is pair with kube-proxy on both nodes.
var proxied = strings.ReplaceAll(pair, "role: host", "role: host, kubeProxy: {}")

func withProxies(x *harness.Trial) {
	x.Topology = func(set map[string]string) (*topology.Topology, error) {
		return topology.Parse("pair.yaml", []byte(proxied), set)
	}
}

func TestAFixForANewerKubeProxy(t *testing.T) {
	x, rt := trialOf(t, good+"  - {name: new, needs: {kubeProxy: 1.31}, set: {kubeProxy.mode: nftables}}\n", idle)
	withProxies(x)
	x.Set = map[string]string{"kubeProxy.version": "v1.29.6"}
	out, err := x.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check(t, out, rt, "Reproduced; good Fixed; new Unsupported; idle Inert",
		"up 1, 1 control, 1 fault, 1 mend, 1 control, 1 fault, 1 unmend, 1 control, 1 fault, 1 nothing, 1 control, 1 fault, 1 nothing, 1 control, 1 fault, close 1", 0)
}

func TestRestart(t *testing.T) {
	const shown = "up 1, 1 control, 1 fault"
	const restart = "  - name: restart\n    run: [{on: a, restart: kube-proxy}, {on: b, restart: kube-proxy}]\n    noUndo: all is as it was\n"
	const good = "  - name: good\n    run: [{on: a, cmd: [mend]}, {on: b, restart: kube-proxy}]\n    undo: [{on: b, restart: kube-proxy}, {on: a, cmd: [unmend]}]\n"
	t.Run("side by side, and the lab is as it was", func(t *testing.T) {
		x, rt := trialOf(t, good, restart+idle)
		withProxies(x)
		out, err := x.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check(t, out, rt, "Reproduced; good Fixed; restart Inert; idle Inert",
			shown+", 1 mend, 1 restart b, 1 control, 1 fault, 1 restart b, 1 unmend, 1 control, 1 fault, 1 restart a+b, 1 control, 1 fault"+
				", 1 nothing, 1 control, 1 fault, 1 nothing, 1 control, 1 fault, close 1", 0)
	})
	t.Run("a restart that fails", func(t *testing.T) {
		x, rt := trialOf(t, good, restart)
		withProxies(x)
		x.Only = []string{"restart"}
		rt.applyErr = errors.New("kube-proxy died")
		out, err := x.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		check(t, out, rt, "Reproduced; good NotTried; restart BrokenLab", shown+", 1 restart a+b, close 1", 4)
		if got, want := out.Inert[0].Judgement.Why, "restart: kube-proxy died"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
	t.Run("where none runs", func(t *testing.T) {
		x, _ := trialOf(t, good, restart)
		_, err := x.Prepare()
		if want := `node "b" of topology pair runs no kube-proxy`; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	})
}
