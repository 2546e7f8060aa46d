// SPDX-License-Identifier: Apache-2.0

package ue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Path is the path that the IKE SA uses now.
func (u *UE) Path() ikev2.Path { return *u.path.Load() }

// RoutabilityChecks counts the COOKIE2 requests that the N3IWF has sent and the UE has answered.
func (u *UE) RoutabilityChecks() uint64 { return u.routability.Load() }

// AddAddress opens the NAT-traversal socket on another local address, before a move to it.
func (u *UE) AddAddress(local netip.Addr) error {
	return u.addSocket(netip.AddrPortFrom(local, u.o.LocalNATT))
}

func (u *UE) addSocket(local netip.AddrPort) error {
	for _, s := range u.dataPlane.Sockets() {
		if s.Kind == ipsec.NATT && s.Local == local {
			return nil
		}
	}
	_, err := u.dataPlane.AddSocket(ipsec.Socket{Kind: ipsec.NATT, Local: local})
	return err
}

// Move changes the outer path by UPDATE_SA_ADDRESSES (RFC 4555 3.5) and returns when the N3IWF has accepted it.
func (u *UE) Move(ctx context.Context, local, n3iwf netip.Addr) error {
	return u.MoveTo(ctx, netip.AddrPortFrom(local, 0), netip.AddrPortFrom(n3iwf, u.o.NATTPort))
}

// MoveTo is Move from any local port, 0 being the usual one, and to an N3IWF that may have another port there, as behind a relay.
func (u *UE) MoveTo(ctx context.Context, local, n3iwf netip.AddrPort) error {
	if local.Port() == 0 {
		local = netip.AddrPortFrom(local.Addr(), u.o.LocalNATT)
	}
	if err := u.addSocket(local); err != nil {
		return err
	}
	return u.await(ctx, "move", func(done chan error) {
		if u.move != nil {
			done <- errors.New("another move is under way")
			return
		}
		u.move = done
		u.moveTo = ikev2.Path{Local: local, Remote: n3iwf, NATT: true}
		if p, ok := u.dataPlane.(ipsec.Preparer); ok {
			if err := p.Prepare(ipsec.Path(u.moveTo), u.childIDs()...); err != nil {
				u.log.Warn("the new path is not received on before the move", slog.Any("error", err))
			}
		}
		u.apply(u.session.Move(time.Now(), u.moveTo))
	})
}

func (u *UE) moved(path ikev2.Path, err error) {
	if u.move == nil || path != u.moveTo {
		return
	}
	u.move <- err
	u.move = nil
}

// moveChildren switches what is sent to the new path.
func (u *UE) moveChildren(path ikev2.Path) {
	u.movedAt = time.Now()
	ids := u.childIDs()
	if len(ids) == 0 {
		return
	}
	if err := u.dataPlane.Move(ipsec.Target{Path: ipsec.Path(path), Limit: ipsec.Unlimited}, ids...); err != nil {
		u.log.Error("child SAs not moved", slog.Any("error", err))
	}
}

func (u *UE) childIDs() []ipsec.ChildID {
	ids := make([]ipsec.ChildID, 0, len(u.children))
	for id := range u.children {
		ids = append(ids, id)
	}
	return ids
}

// Probe asks the N3IWF for a sign of life; NAT detection in it finds a changed mapping.
func (u *UE) Probe(ctx context.Context) error {
	return u.await(ctx, "liveness check", func(done chan error) {
		u.probed = done
		u.apply(u.session.Probe(time.Now()))
	})
}

// Arrived waits until user data comes on the path that the UE has moved to, and tells when the first packet did.
func (u *UE) Arrived(ctx context.Context) (time.Time, error) {
	for {
		done := make(chan time.Time, 1)
		u.post(func() { done <- u.firstArrival() })
		select {
		case at := <-done:
			if !at.IsZero() {
				return at, nil
			}
		case <-u.quit:
			return time.Time{}, errors.New("the UE was closed")
		}
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("no user data on the new path: %w", ctx.Err())
		case <-time.After(time.Millisecond):
		}
	}
}

// firstArrival is the latest arrival on the present path when that came after the move; polled every millisecond it is the first one.
func (u *UE) firstArrival() time.Time {
	for id, c := range u.children {
		if c.info == nil {
			continue
		}
		if s, err := u.dataPlane.Stats(id); err == nil && s.LastOnPath.After(u.movedAt) {
			return s.LastOnPath
		}
	}
	return time.Time{}
}
