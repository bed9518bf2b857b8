// Package agent is both ends of the wire between the harness and a place where labs are built: a sandbox process, or the
// init of a guest.
//
// In: a byte stream and, at the far end, a lab.Runtime. Out: the same lab.Runtime at the near end. Serve exports it, Dial
// imports it. Each method of the contract and each process is one SSH channel, so that calls, outputs and exit codes
// share the stream without waiting for each other. The package never builds anything and knows no topology: plans and
// steps pass through it as JSON.
//
//	near end                                far end
//	Client.Up       -- channel "up" -->     Runtime.Up         one JSON line each way
//	Node.Start      -- channel "start" -->  Node.Start         a JSON line, then stdin; back come stdout and stderr
//	                <-- "started" ---       it runs, or why not
//	                <-- "ended" ---         Wait's error, after the last byte of output
//	ctx ends        -- "cancel" -->         the call's or the process's ctx ends
//	Options.Progress <-- "progress" ---     a line, answered once it was passed on
//	Client.Close    -- "close" -->          labs and runtime closed, then answered
//	                -- "ping" -->           answered at once
package agent

import (
	"errors"
	"time"
)

// ErrLost is wrapped by the error of every call on a Client, its labs and its processes once the stream to the far end
// has broken, was closed, or has gone silent. What was built there is gone or will go with the far end's Serve.
var ErrLost = errors.New("connection to the agent lost")

// Names of channels, one for each call.
const (
	callCheck  = "check"
	callUp     = "up"
	callDown   = "down"
	callNode   = "node"
	callApply  = "apply"
	callStart  = "start"
	callSignal = "signal"
)

// Names of requests inside a channel, and of global ones.
const (
	requestCancel   = "cancel"
	requestStarted  = "started"
	requestEnded    = "ended"
	requestProgress = "progress"
	requestPing     = "ping"
	requestClose    = "close"
)

// Default limits.
const (
	closeLimit = 30 * time.Second // what labs and runtime have to close at the far end
	grace      = 30 * time.Second // what the far end has to answer after the end of a call's ctx
	silence    = 30 * time.Second // what the far end has to answer a ping
)
