// Package probe asks the data path one question: can this client reach that server, and what does each side see.
//
// In: a Request. Out: an Observation. Dial runs in a process inside the client's namespace; Serve is the other side, in
// the server's. The package never judges: whether an outcome is good or bad is the scenario's business. An error means
// that the question could not be asked; what the network did is an Outcome.
package probe

import (
	"net/netip"
	"time"
)

// Outcome is what the network did with a probe. There is no "failed": a probe that could not be made is an error.
type Outcome string

// The outcomes, from best to worst.
const (
	Delivered       Outcome = "delivered"         // the server's whole answer came back
	ConnectedNoData Outcome = "connected-no-data" // the TCP handshake ended, and then no whole answer came before the timeout or the server's FIN, or data was sent in vain
	Timeout         Outcome = "timeout"           // no handshake (TCP) or no answer (UDP) before the timeout
	Refused         Outcome = "refused"           // ECONNREFUSED: a RST to the SYN, or ICMP port unreachable
	Reset           Outcome = "reset"             // ECONNRESET, EPIPE: a RST after the handshake
	Unreachable     Outcome = "unreachable"       // EHOSTUNREACH, ENETUNREACH, EACCES, EPERM, EINVAL (blackhole): no route, or a prohibition
	TooBig          Outcome = "too-big"           // EMSGSIZE: a datagram larger than the path takes
)

// Outcomes lists every Outcome, for parsers and schemas.
func Outcomes() []Outcome {
	return []Outcome{Delivered, ConnectedNoData, Timeout, Refused, Reset, Unreachable, TooBig}
}

// Protocols of a probe.
const (
	TCP = "tcp"
	UDP = "udp"
)

// DefaultTimeout bounds a probe that names none. It spans the first two retransmissions of a SYN (after 1 s and 3 s),
// so that one lost packet is not taken for a failure. Data on a connection is sent again after a fraction of that: where it is
// never acknowledged the probe ends once it was sent as often as a SYN and a second has passed, whoever asks and whatever
// is expected. Not so a payload: all of the timeout is for it.
const DefaultTimeout = 4 * time.Second

// Request is one question, with addresses in place of names.
type Request struct {
	Proto   string         `json:"proto"`             // TCP or UDP
	To      netip.AddrPort `json:"to"`                // where to connect
	Timeout time.Duration  `json:"timeout"`           // nanoseconds; 0 means DefaultTimeout
	Payload int            `json:"payload,omitempty"` // bytes sent after the greeting, which the server must count; 0 sends the greeting alone
}

// Observation is what a probe saw.
type Observation struct {
	Outcome Outcome        `json:"outcome"`
	Peer    string         `json:"peer,omitempty"`   // name the answering server gave: a wrong backend shows
	Source  netip.AddrPort `json:"source,omitzero"`  // address the server saw: a lost or unexpected SNAT shows
	Local   netip.AddrPort `json:"local,omitzero"`   // address and port the client used; the address is unspecified where there was no route
	To      netip.AddrPort `json:"to,omitzero"`      // where the probe went
	Took    time.Duration  `json:"took"`             // nanoseconds
	Detail  string         `json:"detail,omitempty"` // the system's own words, "connect: connection refused"
}
