// Package evidence describes what the kernel must show when a failure has the documented cause, and judges what it
// showed.
//
// In: a Spec from a scenario file and the Readings taken before and after a probe. Out: a Finding. Everything here is
// pure; the readings themselves are taken by package read below this folder, in a process inside the node.
package evidence

// Spec is one line of evidence in a scenario file: where to look, at what, and what must be there. Exactly one of the
// kinds is set, and at least one of the wants.
type Spec struct {
	Name string `yaml:"name,omitempty" json:"name,omitempty"` // optional; the default is made of the kind and its argument
	On   string `yaml:"on" json:"on"`                         // the node whose kernel state is read
	// Needs names what the place must have for this evidence; where it does not, the evidence is not asked for, and the
	// report says so.
	Needs Needs `yaml:"needs,omitempty" json:"needs,omitzero"`

	// The kinds. Each stands in a file of its own here (its query) and in package read (its reader).
	// Conntrack, and packets with own, look at the probe's flow alone. The counters (xfrm, netstat, nfacct, rule) and packets
	// without own count for the whole node, whoever sent what they count: a scenario with them must keep all other
	// traffic away from the node while the probe runs, retransmissions of the probe before included.

	Xfrm      string     `yaml:"xfrm,omitempty" json:"xfrm,omitempty"`       // a counter of /proc/net/xfrm_stat: XfrmInNoPols
	Netstat   string     `yaml:"netstat,omitempty" json:"netstat,omitempty"` // a counter of /proc/net/netstat or /proc/net/snmp: IPReversePathFilter, Tcp.RetransSegs
	Nfacct    string     `yaml:"nfacct,omitempty" json:"nfacct,omitempty"`   // a counter of nfnetlink_acct: ct_state_invalid_dropped_pkts
	Sysctl    string     `yaml:"sysctl,omitempty" json:"sysctl,omitempty"`   // a sysctl by its dotted name
	Conntrack *Conntrack `yaml:"conntrack,omitempty" json:"conntrack,omitempty"`
	Rule      *Rule      `yaml:"rule,omitempty" json:"rule,omitempty"`
	Packets   *Packets   `yaml:"packets,omitempty" json:"packets,omitempty"`
	IPVS      *IPVS      `yaml:"ipvs,omitempty" json:"ipvs,omitempty"`

	Want `yaml:",inline" json:"want"`
}

// Want says what a reading must be. All that are set must hold.
type Want struct {
	Grows *bool    `yaml:"grows,omitempty" json:"grows,omitempty"` // the count after the probe is larger than before (true), or equal (false)
	Count *int64   `yaml:"count,omitempty" json:"count,omitempty"` // the count after the probe is exactly this
	Seen  *bool    `yaml:"seen,omitempty" json:"seen,omitempty"`   // the thing asked for exists after the probe (true), or does not (false)
	Has   []string `yaml:"has,omitempty" json:"has,omitempty"`     // words that the reading after the probe has; it must exist
	Lacks []string `yaml:"lacks,omitempty" json:"lacks,omitempty"` // words that it lacks; it must exist
	Is    string   `yaml:"is,omitempty" json:"is,omitempty"`       // the value after the probe, exactly
}

// Reading is what a reader saw at one moment. Which fields are set depends on the kind.
type Reading struct {
	Exists bool     `json:"exists"`          // the thing asked for is there
	Count  int64    `json:"count"`           // packets, events
	Value  string   `json:"value,omitempty"` // of a sysctl, its text; of a conntrack entry, its flow and status in one line
	Words  []string `json:"words,omitempty"` // what Has and Lacks look at, sorted where order means nothing
	Text   string   `json:"text,omitempty"`  // the kernel's own words for a person: the conntrack line, the rules
}

// Finding is a Spec with what was there, and whether that is what was wanted.
type Finding struct {
	Spec   Spec    `json:"spec"`
	Before Reading `json:"before"`
	After  Reading `json:"after"`
	OK     bool    `json:"ok"`
	Why    string  `json:"why"` // one line: what was wanted and what was there
}

// Request is what the trial sends to the reader process of a node: every Spec for that node, names resolved to
// addresses. The protocol is lines of JSON on the reader's standard input and output:
//
//	-> Request          <- Batch (the readings before the probe; captures are running)
//	-> Request          <- Batch (the readings after it; the probe's own source filled in)
//
// and so on, pair by pair, until end of file. A Batch with an Error ends its pair: the next Request begins another.
type Request struct {
	Specs []Spec `json:"specs"`
}

// Batch is the answer to a Request, a Reading for each Spec in its order.
type Batch struct {
	Readings []Reading `json:"readings"`
	Error    string    `json:"error,omitempty"` // set when the reader could not read; Readings is then empty
	Lacks    bool      `json:"lacks,omitempty"` // the Error is about what this kernel does not have
}
