package e2e

import (
	"fmt"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/faultline-lab/faultline/harness/scenario"
	"github.com/faultline-lab/faultline/harness/verdict"
	"github.com/faultline-lab/faultline/scenarios"
)

// describeScenarios makes the specs of every scenario that the binary carries: one run in each runtime that it names, of
// its variants there, and a spec for each verdict that it documents. In guests it runs on the default
// kernel, and on those that kernels has for it.
func describeScenarios(kernels map[string][]string) {
	for _, name := range scenarios.List() {
		text, err := scenarios.Read(name)
		if err != nil {
			panic(err)
		}
		parsed, err := scenario.Parse("scenarios/"+name+"/scenario.yaml", text)
		if err != nil {
			panic(err)
		}
		for _, runtime := range scenario.Runtimes() {
			each := variantsFor(parsed, runtime)
			on := []string{""}
			if runtime == "vm" {
				on = append(on, kernels[name]...)
			}
			for _, kernel := range on {
				if len(each) > 0 {
					describeScenario(name, each, runtime, kernel)
				}
			}
		}
	}
}

// variantsFor is what of a scenario runs in a runtime: every variant that names it. Where some are for guests alone, they
// are what guests are wanted for, and the others are left to netns: a guest takes minutes.
func variantsFor(s *scenario.Scenario, runtime string) []*scenario.Scenario {
	var each, alone []*scenario.Scenario
	for _, v := range s.Each() {
		if slices.Contains(v.Runtimes, runtime) {
			each = append(each, v)
		}
		if slices.Equal(v.Runtimes, []string{"vm"}) {
			alone = append(alone, v)
		}
	}
	if runtime == "vm" && len(alone) > 0 {
		return alone
	}
	return each
}

// kernelsFor reads "ipvs-ipsec:debian-11,ipvs-ipsec:debian-13": kernels by scenario.
func kernelsFor(list string) (map[string][]string, error) {
	all := map[string][]string{}
	for _, item := range strings.FieldsFunc(list, func(r rune) bool { return r == ',' }) {
		name, kernel, ok := strings.Cut(item, ":")
		if !ok || !slices.Contains(scenarios.List(), name) {
			return nil, fmt.Errorf("-kernels %s: want SCENARIO:KERNEL, separated by commas", item)
		}
		all[name] = append(all[name], kernel)
	}
	return all, nil
}

// describeScenario makes the specs of a scenario in one place: of the scenario itself, or of each of its variants.
func describeScenario(name string, each []*scenario.Scenario, runtime, kernel string) {
	place, args := runtime, []string{name, "--runtime", runtime}
	if kernel != "" {
		place, args = place+" "+kernel, append(args, "--kernel", kernel)
	}
	if runtime == "kind" {
		args = append([]string{name}, kindArgs()...)
	}
	for _, s := range each {
		if s.Variant != "" {
			args = append(args, "--variant", s.Variant)
		}
	}
	dir := "../build/reports/" + name + "-" + strings.ReplaceAll(place, " ", "-")
	limit := guestTimeout + time.Duration(len(each))*trialTimeout

	Describe(fmt.Sprintf("%s [%s]", name, place), Ordered, ContinueOnFailure, Label(name, runtime), SpecPriority(long), func() {
		var all []trial
		BeforeAll(func(ctx SpecContext) {
			var variants []string
			for _, s := range each {
				variants = append(variants, s.Variant)
			}
			all = runVariants(ctx, dir, variants, args...)
		}, NodeTimeout(limit))

		for i, s := range each {
			if s.Variant == "" {
				describeTrial(s, runtime, limit, func() trial { return all[i] })
				continue
			}
			Context(s.Variant, func() { describeTrial(s, runtime, limit, func() trial { return all[i] }) })
		}
	})
}

// describeTrial makes the specs of one trial, whose report ran gives once it is there. The limit counts for whichever
// comes first, with the run before it.
func describeTrial(s *scenario.Scenario, runtime string, limit time.Duration, ran func() trial) {
	var t trial
	BeforeAll(func() {
		t = ran()
		if t.report.Verdict == verdict.Unsupported {
			Expect(t.report.ExitCode).To(Equal(unsupported))
			Skip(t.report.Why)
		}
	})

	It("shows that its lab works before it shows the fault", func(SpecContext) {
		var before []string
		for _, c := range t.report.Controls {
			if c.Phase == "before" {
				before = append(before, c.Name)
				Expect(c.OK).To(BeTrue(), "%s: control %q: wanted %s, saw %s", c.Phase, c.Name, c.Wanted, c.Outcome)
			}
		}
		var want []string
		for _, c := range s.Controls {
			want = append(want, c.Name)
		}
		Expect(before).To(Equal(want))
	}, SpecTimeout(limit))

	It("reproduces the fault for the documented reason", func(SpecContext) {
		Expect(t.report.Verdict).To(Equal(verdict.Reproduced), t.report.Why)
		Expect(t.report.Fault.Probe.Outcome).To(Equal(s.Fault.Probe.Want))
		Expect(t.report.Fault.Evidence).To(HaveLen(len(s.Fault.Evidence)))
		for i, e := range t.report.Fault.Evidence {
			Expect(e.Name).To(Equal(s.Fault.Evidence[i].Name))
			Expect(e.OK).To(BeTrue(), e.Why)
		}
	}, SpecTimeout(limit))

	for _, f := range s.Fixes {
		want := documented(f, verdict.Fixed)
		It("is "+said("mended", want)+" by "+f.Name, func(SpecContext) { t.hasFix(f, want) }, SpecTimeout(limit))
	}
	for _, f := range s.Inert {
		want := documented(f, verdict.Inert)
		It("is "+said("not mended", want)+" by "+f.Name, func(SpecContext) { t.hasFix(f, want) }, SpecTimeout(limit))
	}
	if own, ok := ownSpecs[s.FullName()]; ok {
		It(own.text, func(SpecContext) { own.check(t) }, SpecTimeout(limit))
	}
	It("is as documented as a whole (exit code 0)", func(SpecContext) {
		Expect(t.report.ExitCode).To(Equal(asExpected), t.stdout)
		Expect(t.report.Expected).To(BeTrue())
		Expect(t.report.Runtime).To(Equal(runtime))
	}, SpecTimeout(limit))
}

// documented is the verdict that a scenario documents for a fix.
func documented(f scenario.Fix, usual verdict.Verdict) verdict.Verdict {
	if f.Expect != "" {
		return verdict.Verdict(f.Expect)
	}
	return usual
}

// said is a verdict in the words of a spec; usual are those of the usual one.
func said(usual string, v verdict.Verdict) string {
	switch v {
	case verdict.SideEffect:
		return usual + ", at a price,"
	case verdict.Hidden:
		return "hidden"
	case verdict.WrongReason:
		return "replaced by another failure"
	}
	return usual
}

// hasFix checks the verdict on a fix, and what a report says beside it: a fix that was tried has its probe, one that
// can be undone brought the fault back.
func (t trial) hasFix(f scenario.Fix, want verdict.Verdict) {
	GinkgoHelper()
	got := t.fix(f.Name)
	if got.Verdict == verdict.Unsupported && got.Expected {
		Skip(got.Why)
	}
	Expect(got.Verdict).To(Equal(want), got.Why)
	Expect(got.Expected).To(BeTrue())
	Expect(got.Probe).NotTo(BeNil())
	Expect(got.Probe.OK).To(BeTrue(), "wanted %s, saw %s", got.Probe.Wanted, got.Probe.Outcome)
	Expect(got.Evidence).NotTo(BeEmpty())
	if len(f.Undo) > 0 {
		Expect(got.Undone).To(HaveValue(Equal(verdict.Reproduced)))
	}
}

// ownSpec is what a scenario's report must show beyond its verdicts.
type ownSpec struct {
	text  string
	check func(trial)
}

// ownSpecs go by the scenario's name, with that of the variant.
var ownSpecs = map[string]ownSpec{
	"nftables-snat/iptables-nft":    keepsSource("10.131.1.21"),
	"nftables-snat/iptables-legacy": keepsSource("10.131.1.21"),
	"nftables-snat/globalnet":       keepsSource("242.1.0.1"),
	"ipvs-ipsec": {"drops for want of a policy, with SRC_NAT alone in IPVS mode and DST_NAT beside it in iptables mode", func(t trial) {
		drops := evidence(t.report.Fault.Evidence, "drop counted").Readings
		Expect(drops.After.Count).To(BeNumerically(">", drops.Before.Count), "XfrmInNoPols")

		ipvs := evidence(t.report.Fault.Evidence, "SRC_NAT without DST_NAT").Readings.After
		Expect(ipvs.Exists).To(BeTrue())
		Expect(ipvs.Words).To(ContainElement("SRC_NAT"))
		Expect(ipvs.Words).NotTo(ContainElement("DST_NAT"))

		mended := t.fix("iptables-mode")
		Expect(mended.Own).NotTo(BeEmpty(), mended.Why)
		iptables := evidence(mended.Own, "SRC_NAT and DST_NAT").Readings.After
		Expect(iptables.Words).To(ContainElements("SRC_NAT", "DST_NAT"))
		still := evidence(mended.Evidence, "drop counted").Readings
		Expect(still.After.Count).To(Equal(still.Before.Count), "XfrmInNoPols")
	}},
	"macvlan-calico/kube-proxy": {"shows the document's table in every phase, with the reason of each difference", func(t trial) {
		Expect(t.report.Matrix).NotTo(BeNil())
		for _, p := range t.report.Matrix.Phases {
			Expect(p.Asked).To(BeTrue(), p.Why)
			Expect(p.Expected).To(BeTrue(), p.Why)
			Expect(p.Cells).To(HaveLen(3))
			for _, row := range p.Cells {
				Expect(row).To(HaveLen(7)) // six kinds of target, one of them by two addresses
				for _, c := range row {
					if !c.Holds {
						Expect(c.Evidence).To(ContainElement(HaveField("OK", true)), "%s: nothing says why: %s, %s", p.Phase, c.Name, c.Outcome)
					}
				}
			}
		}
	}},
	"macvlan-calico/ipip": {"has rule and counter drop in iptables mode, and neither of them in IPVS mode", func(t trial) {
		Expect(evidence(t.report.Fault.Evidence, "dropped as INVALID").Readings.After.Exists).To(BeTrue())
		Expect(evidence(t.report.Fault.Evidence, "counted by kube-proxy as dropped").Readings.After.Exists).To(BeTrue())
		ipvs := t.fix("ipvs-mode").Evidence
		Expect(evidence(ipvs, "dropped as INVALID").Readings.After.Exists).To(BeFalse())
		Expect(evidence(ipvs, "counted by kube-proxy as dropped").Readings.After.Exists).To(BeFalse())
	}},
	"macvlan-calico/felix": {"has each of two rules drop alone what passes the other", func(t trial) {
		Expect(evidence(t.fix("kube-proxy-be-liberal").Own, "dropped as INVALID by Felix's rule").OK).To(BeTrue())
		Expect(evidence(t.fix("no-invalid-check-in-felix").Own, "dropped as INVALID by kube-proxy's rule").OK).To(BeTrue())
	}},
}

// keepsSource is what nftables-snat shows: which source the listener saw, who answered for it in conntrack, and that the
// rule which is to exempt the packet was never asked.
func keepsSource(source string) ownSpec {
	const mp0 = "10.128.0.2"
	return ownSpec{"loses the source " + source + " to ovn-k8s-mp0, and has it back with the fixes", func(t trial) {
		Expect(t.report.Fault.Probe.Source).To(Equal(mp0))
		snat := evidence(t.report.Fault.Evidence, "translated by OVN-Kubernetes").Readings
		Expect(snat.After.Count).To(Equal(snat.Before.Count+1), "packets of the snat rule")
		accept := evidence(t.report.Fault.Evidence, "Submariner's ACCEPT is not asked").Readings
		Expect(accept.After.Count).To(Equal(accept.Before.Count), "packets of the ACCEPT rules")
		Expect(accept.After.Text).To(MatchRegexp(`\[0 packets\] -A SUBMARINER-POSTROUTING -s \S+ -j ACCEPT`))
		entry := evidence(t.report.Fault.Evidence, "answers go to ovn-k8s-mp0").Readings.After
		Expect(entry.Value).To(ContainSubstring("replies 10.128.0.5:8080 -> " + mp0 + ":"))
		for _, name := range []string{"exclude-subnets", "self-snat"} {
			Expect(t.fix(name).Probe.Source).To(Equal(source), name)
		}
		Expect(t.fix("skip-src-ip-check").Probe.Source).To(Equal(mp0))
		Expect(t.fix("skip-src-ip-check").Why).To(ContainSubstring("the fault is still there"))
	}}
}
