package scenario

// String says in words what is wanted: "delivered by edge-pod from cloud".
func (e Expectation) String() string {
	s := string(e.Want)
	if e.Peer != "" {
		s += " by " + e.Peer
	}
	if e.Source != "" {
		s += " from " + e.Source
	}
	return s
}
