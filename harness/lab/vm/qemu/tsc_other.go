//go:build !amd64

package qemu

// HostTSC returns 0: only x86 has a time stamp counter.
func HostTSC() int { return 0 }
