package plan

// The shell forms of the steps, each built by its step method.

func (s AddNode) String() string        { return line(s.step()) }
func (s AddVeth) String() string        { return line(s.step()) }
func (s AddBridge) String() string      { return line(s.step()) }
func (s AddVLAN) String() string        { return line(s.step()) }
func (s AddMacvlan) String() string     { return line(s.step()) }
func (s AddDummy) String() string       { return line(s.step()) }
func (s AddVXLAN) String() string       { return line(s.step()) }
func (s AddIPIP) String() string        { return line(s.step()) }
func (s SetMTU) String() string         { return line(s.step()) }
func (s SetMAC) String() string         { return line(s.step()) }
func (s SetMaster) String() string      { return line(s.step()) }
func (s SetHairpin) String() string     { return line(s.step()) }
func (s AddBridgeVLAN) String() string  { return line(s.step()) }
func (s DelBridgeVLAN) String() string  { return line(s.step()) }
func (s SetUp) String() string          { return line(s.step()) }
func (s AddAddress) String() string     { return line(s.step()) }
func (s SetSysctl) String() string      { return line(s.step()) }
func (s AddRoute) String() string       { return line(s.step()) }
func (s AddRule) String() string        { return line(s.step()) }
func (s AddNeighbour) String() string   { return line(s.step()) }
func (s AddXfrmState) String() string   { return line(s.step()) }
func (s AddXfrmPolicy) String() string  { return line(s.step()) }
func (s LoadRuleset) String() string    { return line(s.step()) }
func (s Serve) String() string          { return line(s.step()) }
func (s StartProcess) String() string   { return line(s.step()) }
func (s ServeAPI) String() string       { return line(s.step()) }
func (s SetService) String() string     { return line(s.step()) }
func (s StartKubeProxy) String() string { return line(s.step()) }
