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

	// The kinds. Each stands in a file of its own here (its query) and in package read (its reader).
	Xfrm      string     `yaml:"xfrm,omitempty" json:"xfrm,omitempty"`       // a counter of /proc/net/xfrm_stat: XfrmInNoPols
	Netstat   string     `yaml:"netstat,omitempty" json:"netstat,omitempty"` // a counter of /proc/net/netstat or /proc/net/snmp: IPReversePathFilter, Tcp.RetransSegs
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

// Conntrack asks for the conntrack entry of the probe's own flow (words: state, TCP state, status bits).
type Conntrack struct {
	To string `yaml:"to" json:"to"` // original destination, "web:80"
	// Proto is "tcp" (default) or "udp".
	Proto string `yaml:"proto,omitempty" json:"proto,omitempty"`
	// FromPort narrows the search to the probe's own five-tuple; the trial fills it in after the probe.
	FromPort uint16 `yaml:"-" json:"fromPort,omitempty"`
}

// Rule asks for the packet counters of firewall rules. The count is the sum over all rules that match.
type Rule struct {
	// Backend is "nft", "iptables" (whatever backend the tool has), "iptables-nft" or "iptables-legacy" (also ip6tables...).
	Backend string `yaml:"backend" json:"backend"`
	// Table is "nat" for iptables, "inet ovn-kubernetes" (family and name) for nft.
	Table string `yaml:"table" json:"table"`
	Chain string `yaml:"chain,omitempty" json:"chain,omitempty"` // empty: every chain of the table
	// Contains is text that the rule has as iptables-save or nft list print it, without its counter.
	Contains string `yaml:"contains" json:"contains"`
}

// Packets asks for packets seen at an interface while the probe ran. The count is their number, the words are one line
// for each as "SRC:PORT>DST:PORT FLAGS".
type Packets struct {
	Interface string `yaml:"interface" json:"interface"`
	From      string `yaml:"from,omitempty" json:"from,omitempty"`   // node or "node:port"; empty: any
	To        string `yaml:"to,omitempty" json:"to,omitempty"`       // node, service or "name:port"; empty: any
	Proto     string `yaml:"proto,omitempty" json:"proto,omitempty"` // "tcp", "udp", "icmp", "esp"; empty: any
	Flags     string `yaml:"flags,omitempty" json:"flags,omitempty"` // exactly these TCP flags: "syn", "syn-ack", "rst", "fin-ack"; empty: any
}

// IPVS asks for the destinations of an IPVS virtual service (words: "ADDRESS:PORT" of each destination, and the
// scheduler's name).
type IPVS struct {
	Service string `yaml:"service" json:"service"` // "web:80"
	Proto   string `yaml:"proto,omitempty" json:"proto,omitempty"`
}

// Reading is what a reader saw at one moment. Which fields are set depends on the kind.
type Reading struct {
	Exists bool     `json:"exists"`          // the thing asked for is there
	Count  int64    `json:"count"`           // packets, events
	Value  string   `json:"value,omitempty"` // of a sysctl
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
//	-> Request          <- Batch (the readings after it; FromPort of conntrack queries filled in)
//
// and the reader ends at end of file.
type Request struct {
	Specs []Spec `json:"specs"`
}

// Batch is the answer to a Request, a Reading for each Spec in its order.
type Batch struct {
	Readings []Reading `json:"readings"`
	Error    string    `json:"error,omitempty"` // set when the reader could not read; Readings is then empty
}
