// Package qemu starts virtual machines.
//
// In: a kernel, an initial root file system and how to run them. Out: a Process with the end of the guest's console and
// one end of a byte stream to the guest. It never leaves a QEMU behind: QEMU dies with the process that started it,
// by SIGKILL too, and no socket, disk or other file of it has a name.
package qemu

import (
	"strconv"
	"strings"
)

// Program is QEMU for the one architecture that kernels are kept for.
const Program = "qemu-system-x86_64"

// Machine describes a virtual machine.
type Machine struct {
	Kernel      string // path of the bzImage
	Board       Board
	Accelerator Accelerator
	CPUs        int    // 0: as many as the accelerator bears
	Memory      int    // MiB; 0: 2048
	TSC         int    // kHz at which the machine's time stamp counter runs; 0: the guest measures it
	Init        string // path in the guest
}

// Board is the machine type.
type Board string

// The boards. A microvm has no firmware to speak of and no PCI bus: the kernel is at its first command a second or two
// earlier, and needs virtio_mmio. A q35 needs virtio_pci.
const (
	Microvm Board = "microvm"
	Q35     Board = "q35"
)

// serialBus returns the device that holds the wire's port.
func (b Board) serialBus() string {
	if b == Microvm {
		return "virtio-serial-device"
	}
	return "virtio-serial-pci"
}

// Accelerator is how the guest's instructions run.
type Accelerator string

// The accelerators: the processor's own virtualisation, and translation by QEMU, which works everywhere and is slower.
const (
	KVM Accelerator = "kvm"
	TCG Accelerator = "tcg"
)

// cpu returns the processor model. QEMU's own cmpxchg16b is not atomic enough for two virtual processors on a busy
// host: kernels from 6.12 on, whose allocator relies on it, die of double faults at about every second boot. Without
// the feature they use locks, and do not.
func (a Accelerator) cpu() string {
	if a == KVM {
		return "host"
	}
	return "max,-cx16"
}

// cpus returns how many processors a guest has by itself. Under TCG a second one must be brought up by timer interrupts,
// whose timer the kernel has measured in a tenth of a second of QEMU's time. Where the host stood still just then the
// kernel takes the timer for broken ("APIC frequency too slow") and waits for the second processor for ever; with one
// processor it goes on by another timer. The second does not make a lab faster, which mostly waits.
func (a Accelerator) cpus() int {
	if a == TCG {
		return 1
	}
	return 2
}

// The descriptors that QEMU inherits.
const (
	initrdFD = 3
	wireFD   = 4
)

// Port is the name of the wire's port in the guest, in /sys/class/virtio-ports/*/name.
const Port = "faultline"

// args returns QEMU's command line.
func (m *Machine) args() []string {
	return []string{
		"-nodefaults", "-no-user-config", "-no-reboot", "-display", "none",
		"-M", string(m.Board),
		"-accel", string(m.Accelerator),
		"-cpu", m.Accelerator.cpu(),
		"-smp", strconv.Itoa(or(m.CPUs, m.Accelerator.cpus())),
		"-m", strconv.Itoa(or(m.Memory, 2048)),
		"-kernel", m.Kernel,
		"-initrd", "/proc/self/fd/" + strconv.Itoa(initrdFD),
		"-append", m.commandLine(),
		"-serial", "stdio",
		"-device", m.Board.serialBus(),
		"-chardev", "socket,id=wire,fd=" + strconv.Itoa(wireFD),
		"-device", "virtserialport,chardev=wire,name=" + Port,
	}
}

// commandLine returns the kernel's parameters. A panic or an oops ends the guest at once: with -no-reboot the reset
// that panic=-1 asks for ends QEMU, and its console tells why.
func (m *Machine) commandLine() string {
	p := []string{"rdinit=" + m.Init, "console=ttyS0", "panic=-1", "oops=panic", "reboot=t", "random.trust_cpu=on"}
	if m.Accelerator == TCG && m.TSC > 0 {
		// A microvm has no other clock to measure the counter against, and under load the measurement fails: "could
		// not calculate TSC khz", and the boot hangs. Under TCG the guest reads the host's own counter, so the host
		// can tell (Documentation/admin-guide/kernel-parameters.txt, tsc_early_khz).
		//
		// Nor has it one to watch the counter with. Kernels before 7.1 take their own ticks for it (1432f9d4e8aa,
		// "Don't use non-continuous clocksources as watchdog"), and a guest loses ticks when the host has other work.
		// They would call the counter unstable and go on without it: no timer finer than a tick, and a clock that
		// loses half of the time.
		p = append(p, "tsc_early_khz="+strconv.Itoa(m.TSC), "tsc=reliable")
	}
	return strings.Join(p, " ")
}

func or(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}
