// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
)

// A UE comes back by itself when its N3IWF is gone (Options.Return) or sends it to another one (RFC 5685): it registers anew, at the next of the N3IWFs
// that it knows or at the one that it was told, and asks for its PDU sessions again.

const (
	returnPatience = 20 * time.Second
	returnPause    = 200 * time.Millisecond
)

// redirected leaves for the N3IWF that the present one has named. The lab's UE has one IKE SA at a time, so it leaves the old one first.
func (u *UE) redirected(ev ikev2.Redirected) {
	u.log.Info("redirected", slog.String("to", ev.To.String()))
	if !ev.To.Addr.IsValid() {
		return // names are not looked up here
	}
	u.follow = &ev
	if u.session.Established() {
		u.apply(u.session.Delete(time.Now()))
	}
}

// comeBack begins anew after the IKE SA has ended. It tells whether it does.
func (u *UE) comeBack(byPeer bool) bool {
	if u.follow == nil && (!u.o.Return || byPeer) || u.leaving || u.away {
		return false
	}
	select {
	case <-u.quit:
		return false
	default:
	}
	gateway := u.o.N3IWF
	if u.follow != nil {
		gateway = u.follow.To.Addr
	}
	u.away = true
	u.running.Go(func() { u.returnTo(gateway) })
	return true
}

// returnTo registers at gateway, or at those after it, until one takes the UE; then it brings the PDU sessions back.
func (u *UE) returnTo(gateway netip.Addr) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-u.quit:
			cancel()
		case <-ctx.Done():
		}
	}()
	for n := 0; ctx.Err() == nil; n++ {
		reset := make(chan struct{})
		u.post(func() {
			u.begin(gateway)
			close(reset)
		})
		select {
		case <-reset:
		case <-ctx.Done():
			return
		}
		try, stop := context.WithTimeout(ctx, returnPatience)
		err := u.Register(try)
		stop()
		if err == nil {
			break
		}
		u.log.Info("not back yet", slog.String("gateway", gateway.String()), slog.Any("error", err))
		if list := u.o.Gateways; len(list) > 0 {
			gateway = list[n%len(list)]
		}
		told := make(chan netip.Addr, 1)
		u.post(func() {
			if u.follow != nil {
				told <- u.follow.To.Addr
			}
			close(told)
		})
		select {
		case a := <-told:
			if a.IsValid() {
				gateway = a
			}
		case <-ctx.Done():
		}
		select {
		case <-ctx.Done():
		case <-time.After(returnPause):
		}
	}
	list := make(chan []SessionRequest, 1)
	u.post(func() {
		u.away = false
		list <- u.wanted
	})
	var sessions []SessionRequest
	select {
	case sessions = <-list:
	case <-ctx.Done():
		return
	}
	for _, w := range sessions {
		if _, err := u.Establish(ctx, w); err != nil {
			u.log.Warn("PDU session is not back", slog.Int("pdu_session", int(w.ID)), slog.Any("error", err))
		}
	}
	u.returned.Add(1)
	u.o.Step("back")
}

// begin forgets the former IKE SA and all that came with it.
func (u *UE) begin(gateway netip.Addr) {
	if s := u.session; s != nil && !s.Closed() {
		u.returning = true
		u.apply(s.Delete(time.Now()))
		u.returning = false
	}
	for id := range u.children {
		_ = u.dataPlane.Delete(id, 0) // it may be gone already
	}
	clear(u.children)
	clear(u.sessions)
	for _, a := range u.inner {
		if a.IsValid() {
			u.nas.Forget(a)
		}
	}
	u.o.N3IWF = gateway
	u.session, u.closedErr, u.eap, u.security, u.kN3IWF, u.inner, u.netNAS = nil, nil, eap5g.Peer{}, nil, nil, [2]netip.Addr{}, netip.AddrPort{}
	u.initial = nil
	u.signalling.Store(nil)
	u.deadline = time.Time{}
}

// Returned counts how often the UE has come back by itself.
func (u *UE) Returned() uint64 { return u.returned.Load() }
