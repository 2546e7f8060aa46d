// SPDX-License-Identifier: Apache-2.0

package core

import (
	"errors"
	"slices"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// State is a picture of the core, for tools and tests.
type State struct {
	UEs []UEState `json:"ues"`
}

// UEState is one UE.
type UEState struct {
	IMSI       string         `json:"imsi"`
	AMFID      uint64         `json:"amf_ue_ngap_id"`
	RANID      uint32         `json:"ran_ue_ngap_id"`
	Registered bool           `json:"registered"`
	Location   string         `json:"location"` // outer address and port, as the N3IWF last said
	Sessions   []SessionState `json:"sessions"`
}

// SessionState is one PDU session.
type SessionState struct {
	ID           uint8  `json:"id"`
	Address      string `json:"address"`
	UplinkTEID   uint32 `json:"uplink_teid"`
	DownlinkTEID uint32 `json:"downlink_teid"`
	N3IWF        string `json:"n3iwf"`
}

// State takes the picture.
func (c *Core) State() State {
	done := make(chan State, 1)
	c.post(func() {
		s := State{UEs: []UEState{}}
		for _, u := range c.ues {
			state := UEState{AMFID: uint64(u.amfID), RANID: uint32(u.ranID), Registered: u.registered, Location: u.location.String()}
			if u.sub != nil {
				state.IMSI = u.sub.imsi
			}
			for _, p := range u.sessions {
				state.Sessions = append(state.Sessions, SessionState{p.id, p.upf.Address().String(), p.upf.TEID(), p.peerTEID, p.peer.String()})
			}
			slices.SortFunc(state.Sessions, func(a, b SessionState) int { return int(a.ID) - int(b.ID) })
			s.UEs = append(s.UEs, state)
		}
		slices.SortFunc(s.UEs, func(a, b UEState) int { return int(a.AMFID) - int(b.AMFID) })
		done <- s
	})
	select {
	case s := <-done:
		return s
	case <-c.ctx.Done():
		return State{}
	}
}

// ErrNoUE says that no UE of that IMSI is there.
var ErrNoUE = errors.New("no such UE")

// byIMSI runs f for the newest UE of an IMSI.
func (c *Core) byIMSI(imsi string, f func(u *ueContext)) error {
	done := make(chan error, 1)
	c.post(func() {
		var found *ueContext
		for _, u := range c.ues {
			if u.sub != nil && u.sub.imsi == imsi && (found == nil || u.amfID > found.amfID) {
				found = u
			}
		}
		if found == nil {
			done <- ErrNoUE
			return
		}
		f(found)
		done <- nil
	})
	select {
	case err := <-done:
		return err
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// ReleaseSession releases a PDU session on the network's initiative.
func (c *Core) ReleaseSession(imsi string, psi uint8) error {
	return c.byIMSI(imsi, func(u *ueContext) { u.releaseSession(psi, 0, nas.SMCauseRegularDeactivation) })
}

// Deregister deregisters a UE on the network's initiative.
func (c *Core) Deregister(imsi string) error {
	return c.byIMSI(imsi, func(u *ueContext) { u.send(&nas.DeregistrationRequestNW{DeregistrationType: nas.DeregisterNon3GPP}) })
}

// ReleaseContext releases the UE context at the N3IWF and leaves the UE registered.
func (c *Core) ReleaseContext(imsi string) error {
	return c.byIMSI(imsi, func(u *ueContext) { u.release(ngap.CauseNasNormalRelease.Cause()) })
}
