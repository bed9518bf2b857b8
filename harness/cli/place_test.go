package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/faultline-lab/faultline/harness"
	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/scenario"
)

func TestAGuestIsKeptForItsScenario(t *testing.T) {
	p := &places{app: &app{cache: t.TempDir()}, shared: func(string) {}}
	open := func(name string) (*guests, func()) {
		rt, done := p.open(&harness.Trial{Scenario: &scenario.Scenario{Name: name}}, place{runtime: "vm"})
		return rt.(*guests), done
	}
	first, firstDone := open("a")
	second, secondDone := open("a")
	if first == second {
		t.Error("two trials at once share guests")
	}
	firstDone()
	if third, _ := open("a"); third != first {
		t.Error("a guest that is free is not taken")
	}
	secondDone()
	if other, _ := open("b"); other == second || len(p.free) > 0 {
		t.Error("the guest of another scenario is kept")
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

// What a guest says is the trial's that has it; what is said while the kernel is looked for, all wait for.
func TestWhoHearsOfAGuest(t *testing.T) {
	var heard []string
	hear := func(who string) func(string) { return func(line string) { heard = append(heard, who+" "+line) } }
	g := &guests{places: &places{shared: hear("all")}}
	g.tell(hear("first"))
	g.setChecking(true)
	g.say("fetches")
	g.setChecking(false)
	g.say("boots")
	g.tell(hear("second"))
	g.say("builds")
	if got, want := strings.Join(heard, ", "), "first fetches, all fetches, first boots, second builds"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A trial that waits for another one says so at once; of what it waits for, all hear.
func TestWaitingIsTold(t *testing.T) {
	heard := make(chan string, 9)
	hear := func(who string) func(string) { return func(line string) { heard <- who + " " + line } }
	p := &places{app: &app{cache: t.TempDir()}, shared: hear("all")}
	p.clusters.progress = hear("first")
	p.makes("base: not there yet, making it")
	p.proxies.Lock()
	p.clusters.turn.Lock()
	var waiting sync.WaitGroup
	waiting.Go(func() { _, _ = p.kubeProxy(hear("second"))(t.Context(), "none") })
	for _, want := range []string{"first base: not there yet, making it", "all base: not there yet, making it",
		"second kube-proxy none: another trial gets a kube-proxy, waiting for that"} {
		if got := <-heard; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	waiting.Go(func() {
		_, done := p.cluster(&harness.Trial{Scenario: &scenario.Scenario{}, Tell: func(e harness.Event) { heard <- e.Text }})
		done()
	})
	if got, want := <-heard, "another trial has the clusters, waiting for that"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	p.proxies.Unlock()
	p.clusters.turn.Unlock()
	waiting.Wait()
}

func TestChoose(t *testing.T) {
	for _, row := range []struct {
		name     string
		runtimes []string
		flags    placeFlags
		want     place
	}{
		{"the only one", []string{"vm"}, placeFlags{runtime: "auto"}, place{"vm", "runtime vm: the scenario names no other"}},
		{"a kernel", []string{"netns", "vm"}, placeFlags{runtime: "auto", kernel: "debian-11"}, place{"vm", "runtime vm: a kernel was asked for"}},
		{"as asked", []string{"netns", "vm"}, placeFlags{runtime: "netns"}, place{runtime: "netns"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := &places{app: &app{}, flags: row.flags}
			if got := p.choose(t.Context(), &harness.Trial{Scenario: &scenario.Scenario{Runtimes: row.runtimes}}); got != row.want {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// What a runtime cannot say because it was interrupted is nothing that this kernel lacks.
func TestChooseInterrupted(t *testing.T) {
	all, err := readExperiments("../../e2e/testdata/hairpin/scenario.yaml")
	if err != nil {
		t.Fatal(err)
	}
	trial := &harness.Trial{Scenario: all[0].scenario, Topology: all[0].parseTopology}
	if _, err := trial.Prepare(); err != nil {
		t.Fatal(err)
	}
	p := &places{app: &app{cache: t.TempDir()}, flags: placeFlags{runtime: "auto"}, shared: func(string) {}}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	if got := p.choose(ctx, trial); got != (place{runtime: "netns"}) {
		t.Errorf("got %+v", got)
	}
	if err := p.close(); err != nil {
		t.Error(err)
	}
}

// A machine that cannot reach where modules come from lacks something; the lab is not broken.
func TestNoKubeProxyWithoutNetwork(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte("#!/bin/sh\necho 'dial tcp: lookup x: no such host' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":/usr/bin:/bin")
	p := &places{app: &app{cache: t.TempDir()}, shared: func(string) {}}
	_, err := p.kubeProxy(func(string) {})(t.Context(), "v1.30.99")
	if !errors.Is(err, lab.ErrUnsupported) || !strings.Contains(fmt.Sprint(err), "may be copied from another machine\ndial tcp") {
		t.Errorf("error %v", err)
	}
}
