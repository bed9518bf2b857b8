package qemu

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestArgs(t *testing.T) {
	for _, c := range []struct {
		name    string
		machine Machine
		want    string
	}{
		{
			"a microvm under TCG has one processor, is told the counter's frequency and to trust it, and has no cmpxchg16b",
			Machine{Kernel: "/k", Board: Microvm, Accelerator: TCG, TSC: 2596118, Init: "/init"},
			`-nodefaults -no-user-config -no-reboot -display none
-M microvm
-accel tcg
-cpu max,-cx16
-smp 1
-m 2048
-kernel /k
-initrd /proc/self/fd/3
-append rdinit=/init console=ttyS0 panic=-1 oops=panic reboot=t random.trust_cpu=on tsc_early_khz=2596118 tsc=reliable
-serial stdio
-device virtio-serial-device
-chardev socket,id=wire,fd=4
-device virtserialport,chardev=wire,name=faultline`,
		},
		{
			"a q35 on KVM has the host's processor, whose frequency KVM tells",
			Machine{Kernel: "/k", Board: Q35, Accelerator: KVM, TSC: 2596118, CPUs: 4, Memory: 512, Init: "/init"},
			`-nodefaults -no-user-config -no-reboot -display none
-M q35
-accel kvm
-cpu host
-smp 4
-m 512
-kernel /k
-initrd /proc/self/fd/3
-append rdinit=/init console=ttyS0 panic=-1 oops=panic reboot=t random.trust_cpu=on
-serial stdio
-device virtio-serial-pci
-chardev socket,id=wire,fd=4
-device virtserialport,chardev=wire,name=faultline`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := strings.ReplaceAll(strings.Join(c.machine.args(), " "), " -", "\n-")
			got = strings.Replace(strings.Replace(got, "\n-no-user-config", " -no-user-config", 1), "\n-no-reboot", " -no-reboot", 1)
			got = strings.Replace(got, "\n-display", " -display", 1)
			if d := cmp.Diff(c.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestLastLinesOfTheConsole(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"fewer lines", "a\r\nb\r\n", "a\nb"},
		{"more lines", "a\nb\nc\nd\n", "b\nc\nd"},
		{"escapes lose what makes them work", "\x1b[2Ja\x07\tb\n", "[2Ja\tb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := lastLines(c.text, 3); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestHostTSC(t *testing.T) {
	if got := HostTSC(); got < 100_000 || got > 10_000_000 {
		t.Errorf("%d kHz", got)
	}
}

func TestQEMUThatRefuses(t *testing.T) {
	if _, err := Version(context.Background()); err != nil {
		t.Skip(err)
	}
	empty, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	p, err := Start(&Machine{Kernel: "/nowhere", Board: Microvm, Accelerator: TCG, Init: "/init"}, empty)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if err := p.Err(); err == nil || !strings.HasPrefix(err.Error(), "QEMU ended: exit status 1: ") || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("got %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestScheduled(t *testing.T) {
	ran, _, err := scheduled(os.Getpid())
	if err != nil || ran <= 0 || ran > time.Hour {
		t.Errorf("this process ran for %v: %v", ran, err)
	}
	if ran, waited, err := scheduled(0); ran != 0 || waited != 0 || err != nil { // no process has this ID
		t.Errorf("a process that is gone ran for %v and waited %v: %v", ran, waited, err)
	}
}
