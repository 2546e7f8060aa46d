// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// A move (RFC 4555) concerns the outer path alone: SPIs, keys, inner addresses, PDU sessions and TEIDs stay. The AMF learns the new location
// with the next message that carries one.

func (u *ue) pathChanged(ev ikev2.PathChanged) {
	u.prepare(ev.New)
	u.path, u.movedFrom, u.movedAt, u.heldBefore = ev.New, ev.Old, time.Now(), u.heldPackets()
	if u.oursAlone(ev.New) {
		why, text := "asked", "the UE is asked to come to another address"
		if u.relocation.back {
			why, text = "back", "the UE has not come: back to the address that it uses"
		}
		u.notePath(ev.New, why)
		u.log.Info(text, slog.String("from", ev.Old.String()), slog.String("to", ev.New.String()))
		return
	}
	u.notePath(ev.New, "update")
	u.traceMove(ev.Old, ev.New)
	u.log.Info("UE moved", slog.String("from", ev.Old.String()), slog.String("to", ev.New.String()))
}

// childrenMoved switches what is sent to the UE in one step.
func (u *ue) childrenMoved(ev ikev2.ChildrenMoved) {
	u.trace.end(spanMove, "")
	ours := u.oursAlone(ev.Path)
	if _, elsewhere := u.nf.nodes.at(ev.Path.Local); elsewhere {
		if !ours {
			u.moved(ev.Old, ev.Path)
		}
		if u.mayCome() {
			u.cameTo(ev.Path)
		}
		return
	}
	if u.departure != nil && !u.departure.inPlace {
		u.stay(errors.New("the UE has come back"))
	}
	if u.nf.keys.on.Load() {
		for _, c := range u.children {
			u.nf.keys.childOn(c.current, ev.Path)
		}
	}
	u.moveFitting(u.targetOf(ev.Path, ev.Unproven))
	if u.mayCome() {
		u.cameTo(ev.Path)
	}
	u.noteArrival()
	if !ours {
		u.moved(ev.Old, ev.Path)
	}
}

// moved counts a move of the UE, and tells those who look on; of one to another node, that node tells more.
func (u *ue) moved(from, to ikev2.Path) {
	u.moves++
	u.nf.counters.Moves.Add(1)
	if _, elsewhere := u.nf.nodes.at(to.Local); elsewhere {
		return
	}
	u.nf.counters.countMove(moveKind(from, to), moveDone)
	u.nf.counters.MoveTimes.Observe(time.Since(u.movedAt))
	u.nf.publish(LiveEvent{Kind: LiveMoved, UE: u.ranID, From: from.Remote.String(), To: to.Remote.String()})
}

// moveKind says what has changed about a path.
func moveKind(from, to ikev2.Path) string {
	switch {
	case from.Remote.Addr().Is4() != to.Remote.Addr().Is4():
		return "family"
	case from.Remote.Addr() != to.Remote.Addr():
		return "address"
	case from.Local != to.Local:
		return "gateway"
	case from.Remote != to.Remote:
		return "port"
	}
	return "encapsulation"
}

func (u *ue) routabilityProven(ev ikev2.RoutabilityProven) {
	u.nf.counters.RoutabilityProven.Add(1)
	u.noteProof(ev.Path)
	u.rooms.proven(ev.Path.Remote.Addr())
	if u.unproven() && ev.Path == u.session.ChildPath() {
		u.movePath(u.targetOf(ev.Path, false))
		u.noteArrival()
	}
}

// routabilityFailed: user data must not go on to an address that does not answer.
func (u *ue) routabilityFailed(ev ikev2.RoutabilityFailed) {
	u.nf.counters.RoutabilityFailed.Add(1)
	u.nf.counters.countMove(moveKind(u.movedFrom, ev.Path), moveUnproven)
	u.trace.end(spanMove, "the new address does not answer")
	u.log.Warn("the UE does not answer at its new address; user data is held until it moves again or answers", slog.String("path", ev.Path.String()))
	if ev.Path == u.session.ChildPath() {
		u.movePath(held(ev.Path))
	}
}

// prepare lets user data come in on a path that the UE has named, while it still is to be proven.
func (u *ue) prepare(path ikev2.Path) {
	p, ok := u.nf.dataPlane.(ipsec.Preparer)
	if !ok || len(u.children) == 0 {
		return
	}
	if err := p.Prepare(ipsec.Path(path), u.childIDs()...); err != nil {
		u.log.Warn("user data from the new address is not accepted before the move", slog.String("path", path.String()), slog.Any("error", err))
	}
}

func (u *ue) movePath(to ipsec.Target) {
	u.outbound = to
	if len(u.children) == 0 {
		return
	}
	if err := u.nf.dataPlane.Move(to, u.childIDs()...); err != nil {
		u.log.Error("child SAs not moved; downlink still goes to the old address", slog.String("path", to.Path.String()), slog.Any("error", err))
	}
}

// rebound: authenticated ESP came from another outer address than the SA's. nwu.mobike.followESP says what the session makes of it.
func (u *ue) rebound(ev ipsec.Rebind) {
	u.nf.counters.Rebinds.Add(1)
	u.apply(u.session.Rebind(time.Now(), ikev2.Path(ev.From)))
}
