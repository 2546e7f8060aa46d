// SPDX-License-Identifier: Apache-2.0

package core

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// deregisterPatience is how long a UE has to answer a Deregistration Request of the network (T3522 of TS 24.501).
const deregisterPatience = 6 * time.Second

// State is a picture of the core, for tools and tests.
type State struct {
	UEs  []UEState `json:"ues"`  // connected
	Idle []UEState `json:"idle"` // registered, but not connected
}

// UEState is one UE.
type UEState struct {
	IMSI       string `json:"imsi"`
	AMFID      uint64 `json:"amf_ue_ngap_id"`
	RANID      uint32 `json:"ran_ue_ngap_id"`
	Registered bool   `json:"registered"`
	// Association is the N3IWF's end of the TNL association that the UE is bound to.
	Association string         `json:"association,omitempty"`
	Location    string         `json:"location"`      // outer address and port, as the N3IWF last said
	TAI         string         `json:"tai,omitempty"` // as the N3IWF last said, such as 001/01-000001
	Sessions    []SessionState `json:"sessions"`
}

// SessionState is one PDU session. Without resources at an N3IWF its downlink TEID is 0.
type SessionState struct {
	ID           uint8  `json:"id"`
	Address      string `json:"address"`
	UplinkTEID   uint32 `json:"uplink_teid"`
	DownlinkTEID uint32 `json:"downlink_teid"`
	N3IWF        string `json:"n3iwf"`
	QFIs         string `json:"qfis"` // such as 1,2,5
}

// do runs f in the run goroutine and waits for it.
func (c *Core) do(f func() error) error {
	done := make(chan error, 1)
	c.post(func() { done <- f() })
	select {
	case err := <-done:
		return err
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

// State takes the picture. It is empty when the core is closed.
func (c *Core) State() State {
	s := State{UEs: []UEState{}, Idle: []UEState{}}
	taken := make(chan State, 1)
	if c.do(func() error {
		for id, u := range c.ues {
			if id != u.amfID {
				continue // its next name
			}
			state := UEState{AMFID: uint64(u.amfID), RANID: uint32(u.ranID), Location: u.location.String(), Association: u.ran.association.RemoteAddr().String()}
			if u.tai != nil {
				state.TAI = u.tai.PLMNIdentity.String() + "-" + u.tai.TAC.String()
			}
			if u.sub != nil {
				state.IMSI = u.sub.imsi
			}
			if u.reg != nil && u.reg.ue == u {
				state.Registered, state.Sessions = u.reg.registered, u.reg.picture()
			}
			s.UEs = append(s.UEs, state)
		}
		for _, r := range c.byIMSI {
			if r.ue == nil {
				s.Idle = append(s.Idle, UEState{IMSI: r.sub.imsi, Registered: true, Sessions: r.picture()})
			}
		}
		slices.SortFunc(s.UEs, func(a, b UEState) int { return cmp.Compare(a.AMFID, b.AMFID) })
		slices.SortFunc(s.Idle, func(a, b UEState) int { return cmp.Compare(a.IMSI, b.IMSI) })
		taken <- s
		return nil
	}) != nil {
		return State{}
	}
	return <-taken
}

func (r *registration) picture() (list []SessionState) {
	for _, p := range r.sessions {
		s := SessionState{ID: p.id, Address: p.upf.Address().String(), UplinkTEID: p.upf.TEID(), DownlinkTEID: p.peerTEID, QFIs: strings.Trim(strings.ReplaceAll(fmt.Sprintf("%d", p.qfis()), " ", ","), "[]")}
		if p.peer.IsValid() {
			s.N3IWF = p.peer.String()
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b SessionState) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// Errors of the triggers.
var (
	ErrNoUE      = errors.New("no such UE is registered")
	ErrNoSession = errors.New("the UE has no such PDU session")
	ErrIdle      = errors.New("the UE is not connected")
)

// about runs f for the registration of an IMSI.
func (c *Core) about(imsi string, f func(r *registration) error) error {
	return c.do(func() error {
		r := c.byIMSI[imsi]
		if r == nil {
			return fmt.Errorf("%s: %w", imsi, ErrNoUE)
		}
		return f(r)
	})
}

// ReleaseSession releases a PDU session on the network's initiative. Errors: ErrNoUE, ErrNoSession.
func (c *Core) ReleaseSession(imsi string, psi uint8) error {
	return c.about(imsi, func(r *registration) error {
		s := r.sessions[psi]
		switch {
		case s == nil:
			return fmt.Errorf("%s: PDU session %d: %w", imsi, psi, ErrNoSession)
		case r.ue == nil:
			s.free() // there is no paging over non-3GPP access; the UE learns it when it comes back
		default:
			r.ue.releaseSession(psi, 0, nas.SMCauseRegularDeactivation)
		}
		return nil
	})
}

// Deregister deregisters a UE on the network's initiative. Errors: ErrNoUE.
func (c *Core) Deregister(imsi string) error {
	return c.about(imsi, func(r *registration) error {
		if r.ue == nil {
			r.drop()
			return nil
		}
		u := r.ue
		u.log.Info("deregistration by the network")
		u.send(&nas.DeregistrationRequestNW{DeregistrationType: u.node.access().deregister})
		u.guard(deregisterPatience, func() {
			u.log.Warn("the UE does not answer its deregistration")
			r.drop()
			u.release(ngap.CauseNasDeregister.Cause())
		})
		return nil
	})
}

// ReleaseContext releases the UE context at the N3IWF and leaves the UE registered. Errors: ErrNoUE, ErrIdle.
func (c *Core) ReleaseContext(imsi string) error {
	return c.about(imsi, func(r *registration) error {
		if r.ue == nil {
			return fmt.Errorf("%s: %w", imsi, ErrIdle)
		}
		r.ue.release(ngap.CauseNasNormalRelease.Cause())
		return nil
	})
}
