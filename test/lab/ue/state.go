// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// State is what an observer may want to compare before and after a move. Keys appear as fingerprints only.
type State struct {
	Path              string     `json:"path"`
	IKE               [2]string  `json:"ike_spis"`
	MOBIKE            bool       `json:"mobike"` // the N3IWF supports it
	Inner             []string   `json:"inner"`
	Children          []SAState  `json:"children"`
	Sessions          []PDUState `json:"sessions"`
	RoutabilityChecks uint64     `json:"routability_checks"`
}

// SAState is one child SA.
type SAState struct {
	ID       uint64  `json:"id"`
	Inbound  uint32  `json:"inbound_spi"`
	Outbound uint32  `json:"outbound_spi"`
	Keys     string  `json:"keys"` // fingerprint
	QFIs     []uint8 `json:"qfis,omitempty"`
	Session  uint8   `json:"pdu_session,omitempty"` // 0: the signalling SA
	Default  bool    `json:"default,omitempty"`     // of the PDU session
	DSCP     uint8   `json:"dscp,omitempty"`
}

// PDUState is one PDU session.
type PDUState struct {
	ID      uint8   `json:"id"`
	Address string  `json:"address"`
	QFIs    []uint8 `json:"qfis"`
}

// KN3IWF gives the key of the latest registration, for tests that look for it where it must not be.
func (u *UE) KN3IWF() []byte {
	found := make(chan []byte, 1)
	u.post(func() { found <- u.kN3IWF })
	select {
	case k := <-found:
		return k
	case <-u.quit:
		return nil
	}
}

// State takes a picture of the UE.
func (u *UE) State() State {
	done := make(chan State, 1)
	u.post(func() { done <- u.state() })
	select {
	case s := <-done:
		return s
	case <-u.quit:
		return State{}
	}
}

func (c *child) qfis() []uint8 {
	if c.info == nil {
		return nil
	}
	return c.info.QFIs
}

// Received gives the number of packets that came through a child SA, by its ID of State.
func (u *UE) Received(child uint64) uint64 {
	s, err := u.dataPlane.Stats(ipsec.ChildID(child))
	if err != nil {
		return 0
	}
	var n uint64
	for _, g := range s.Generations {
		n += g.Inbound.Packets
	}
	return n
}

func (u *UE) state() State {
	s := State{Path: u.Path().String(), MOBIKE: u.mobike, RoutabilityChecks: u.routability.Load()}
	if u.session != nil {
		i, r := u.session.SPIs()
		s.IKE = [2]string{i.String(), r.String()}
	}
	for _, a := range u.inner {
		if a.IsValid() {
			s.Inner = append(s.Inner, a.String())
		}
	}
	for id, c := range u.children {
		sum := sha256.New()
		for _, b := range [][]byte{c.current.InboundKeys.Encr, c.current.InboundKeys.Integ, c.current.OutboundKeys.Encr, c.current.OutboundKeys.Integ} {
			fmt.Fprintf(sum, "%x,", b)
		}
		sa := SAState{
			ID: uint64(id), Inbound: c.current.InboundSPI, Outbound: c.current.OutboundSPI, Keys: hex.EncodeToString(sum.Sum(nil)[:8]), QFIs: c.qfis(), DSCP: c.mark(),
		}
		if c.info != nil {
			sa.Session, sa.Default = c.info.PDUSessionID, c.info.Default
		}
		s.Children = append(s.Children, sa)
	}
	slices.SortFunc(s.Children, func(a, b SAState) int { return int(a.ID) - int(b.ID) })
	for _, p := range u.sessions {
		qfis := p.QFIs()
		slices.Sort(qfis)
		s.Sessions = append(s.Sessions, PDUState{p.ID, p.Address().String(), qfis})
	}
	slices.SortFunc(s.Sessions, func(a, b PDUState) int { return int(a.ID) - int(b.ID) })
	return s
}
