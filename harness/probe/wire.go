package probe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
)

// On the wire a client says one line, "faultline TOKEN PAYLOAD\n", followed by PAYLOAD bytes, and a server answers with
// one line of JSON. Over UDP all of it is one datagram each way. The token is the client's own: an answer without it
// comes from someone else, or belongs to another flow.
const (
	magic       = "faultline"
	maxGreeting = 80    // bytes of the greeting's line
	maxAnswer   = 1024  // bytes of the answer's line
	maxDatagram = 65507 // bytes of UDP data that an IPv4 packet can carry
)

// answer is what a server says to a client.
type answer struct {
	Token   string         `json:"token"`   // of the greeting
	Peer    string         `json:"peer"`    // the server's name
	Source  netip.AddrPort `json:"source"`  // the client, as the server sees it
	Payload int            `json:"payload"` // bytes that arrived after the greeting
}

func (a answer) line() []byte {
	b, err := json.Marshal(a)
	if err != nil {
		panic(err) // strings, a number and a valid address: cannot be
	}
	return append(b, '\n')
}

// parseAnswer reads the line that came back for token, and accepts it only when it answers exactly this question.
func parseAnswer(line []byte, token string, payload int) (answer, error) {
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		return a, fmt.Errorf("read answer %.80q: not one of our servers: %w", line, err)
	}
	if a.Token != token {
		return a, fmt.Errorf("read answer of %q: its token %q is not ours, %q", a.Peer, a.Token, token)
	}
	if a.Payload != payload {
		return a, fmt.Errorf("read answer of %q: it counted %d bytes of payload, %d were sent", a.Peer, a.Payload, payload)
	}
	return a, nil
}

// greeting is everything that a client sends.
func greeting(token string, payload int) []byte {
	b := fmt.Appendf(nil, "%s %s %d\n", magic, token, payload)
	return append(b, bytes.Repeat([]byte{'x'}, payload)...)
}

var errNotGreeting = errors.New("not a greeting")

// parseGreeting reads a greeting's line, with or without its newline.
func parseGreeting(line []byte) (token string, payload int, err error) {
	words := bytes.Fields(line)
	if len(words) != 3 || string(words[0]) != magic {
		return "", 0, errNotGreeting
	}
	payload, err = strconv.Atoi(string(words[2]))
	if err != nil || payload < 0 {
		return "", 0, errNotGreeting
	}
	return string(words[1]), payload, nil
}
