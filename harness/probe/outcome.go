package probe

import (
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stage is how far a probe had come when an error ended it.
type stage int

const (
	connecting stage = iota // TCP: before the handshake ended; UDP: all the time
	connected               // TCP: the handshake ended
)

// outcomeOf turns an error of a probe into what the network did. It reports false for errors that say nothing about the
// network: EPERM from connect is an outcome, EPERM from socket or bind is not.
func outcomeOf(err error, at stage) (Outcome, bool) {
	late := Timeout
	if at == connected {
		late = ConnectedNoData
	}
	var call *os.SyscallError
	if !errors.As(err, &call) {
		switch {
		case isTimeout(err):
			return late, true // the probe's own deadline
		case errors.Is(err, io.EOF):
			return ConnectedNoData, true
		}
		return "", false
	}
	var errno syscall.Errno
	if !errors.As(call, &errno) || !slices.Contains([]string{"connect", "read", "write"}, call.Syscall) {
		return "", false
	}
	switch errno {
	case unix.ETIMEDOUT: // the kernel gave up before the probe did
		return late, true
	case unix.ECONNREFUSED:
		return Refused, true
	case unix.ECONNRESET, unix.EPIPE: // EPIPE: the RST came before the write
		return Reset, true
	case unix.EMSGSIZE:
		return TooBig, true
	case unix.EHOSTUNREACH, unix.ENETUNREACH, unix.EACCES, unix.EPERM:
		return Unreachable, true
	case unix.EHOSTDOWN, unix.ENETDOWN, unix.ENONET, unix.ENOPROTOOPT:
		// The rarer codes of ICMP's destination unreachable: icmp_err_convert in the kernel's net/ipv4/icmp.c.
		return Unreachable, true
	case unix.EINVAL:
		// A blackhole route answers so (fib_props in net/ipv4/fib_semantics.c); Request.check lets no other reason
		// for EINVAL through.
		return Unreachable, true
	}
	return "", false
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// words are the system's own words in err, without the addresses that package net puts around them: the observation
// has those already.
func words(err error) string {
	var op *net.OpError
	if !errors.As(err, &op) {
		return err.Error()
	}
	short := op.Err.Error()
	var call *os.SyscallError
	if !errors.As(op.Err, &call) {
		what := op.Op
		if what == "dial" {
			what = "connect"
		}
		short = what + ": " + short
	}
	return strings.Replace(err.Error(), op.Error(), short, 1)
}
