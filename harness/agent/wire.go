package agent

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/crypto/ssh"

	"github.com/faultline-lab/faultline/harness/lab"
	"github.com/faultline-lab/faultline/harness/plan"
)

// request is what a call asks; the name of the channel says which fields count.
type request struct {
	Plan    *plan.Plan `json:"plan,omitempty"`    // check, up; apply: its steps
	Lab     int        `json:"lab,omitempty"`     // down, node, apply, start
	Node    string     `json:"node,omitempty"`    // node, start
	Command command    `json:"command,omitzero"`  // start
	Process int        `json:"process,omitempty"` // signal
	Signal  int        `json:"signal,omitempty"`  // signal: its number
}

// command is a lab.Cmd without its streams.
type command struct {
	Args   []string `json:"args,omitempty"`
	Env    []string `json:"env,omitempty"`
	Stdin  bool     `json:"stdin,omitempty"` // the rest of the channel is standard input
	Stdout bool     `json:"stdout,omitempty"`
	Stderr bool     `json:"stderr,omitempty"`
	Merged bool     `json:"merged,omitempty"` // stderr goes where stdout goes, in order
}

// reply answers a request.
type reply struct {
	Failure *failure  `json:"failure,omitempty"`
	Facts   lab.Facts `json:"facts,omitzero"`    // check
	Lab     int       `json:"lab,omitempty"`     // up
	Process int       `json:"process,omitempty"` // start
}

// writeMessage writes v as one line.
func writeMessage(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// readMessage reads one line into v and leaves what follows in r.
func readMessage(r *bufio.Reader, v any) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return err
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("decode message: %w", err)
	}
	return nil
}

// send sends v as a request inside channel that wants no answer. v holds no more text than a failure, so that it fits in
// a packet; without a near end there is nobody to tell.
func send(channel ssh.Channel, name string, v any) {
	if body, err := json.Marshal(v); err == nil {
		_, _ = channel.SendRequest(name, false, body)
	}
}
