package plan

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/faultline-lab/faultline/harness/topology"
)

// ipsec writes each tunnel out on both of its gateways: the states of both directions, and for each selector a policy
// out, in and fwd.
func (c *compiler) ipsec() error {
	for i, t := range c.t.IPsec {
		reqID := t.ReqID
		if reqID == 0 {
			reqID = i + 1
		}
		states := [2]AddXfrmState{
			state(&t, t.Left, t.Right, reqID),
			state(&t, t.Right, t.Left, reqID),
		}
		for _, g := range []struct{ here, there topology.Gateway }{{t.Left, t.Right}, {t.Right, t.Left}} {
			if c.node(g.here.Node) == nil {
				return fmt.Errorf("tunnel %s: no node %s", t.Name, g.here.Node)
			}
			for _, s := range states {
				s.Node = g.here.Node
				c.add(s)
			}
			for _, s := range t.Selectors {
				near, far := s.Left.Masked(), s.Right.Masked()
				if g.here == t.Right {
					near, far = far, near
				}
				out := AddXfrmPolicy{
					Node: g.here.Node, Dir: "out", Src: near, Dst: far,
					TmplSrc: g.here.Address, TmplDst: g.there.Address, ReqID: reqID,
				}
				in := AddXfrmPolicy{
					Node: g.here.Node, Dir: "in", Src: far, Dst: near,
					TmplSrc: g.there.Address, TmplDst: g.here.Address, ReqID: reqID,
				}
				fwd := in
				fwd.Dir = "fwd"
				c.add(out, in, fwd)
			}
		}
	}
	return nil
}

// state returns the state of one direction of t. SPI and key come from the tunnel's name and the direction: the same
// file gives the same bytes, and two directions share no key (AES-GCM breaks when a key and a nonce meet twice).
func state(t *topology.Tunnel, from, to topology.Gateway, reqID int) AddXfrmState {
	direction := "left to right"
	if from == t.Right {
		direction = "right to left"
	}
	spi := sha256.Sum256([]byte("faultline spi, " + direction + ", " + t.Name))
	key := sha256.Sum256([]byte("faultline key, " + direction + ", " + t.Name))
	return AddXfrmState{
		Src: from.Address,
		Dst: to.Address,
		// Up to 255 SPIs are reserved (RFC 4303, 2.1).
		SPI:      binary.BigEndian.Uint32(spi[:]) | 0x100,
		ReqID:    reqID,
		Key:      hex.EncodeToString(key[:20]),
		UDPEncap: t.UDPEncap,
	}
}
