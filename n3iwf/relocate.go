// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// The N3IWF cannot move a UE by itself, as nobody can send through a NAT that has not been sent through before. So it goes down a ladder until the UE
// has come: ask it to (SWITCH_TO_IP_ADDRESS), tell it the addresses that remain (RFC 4555 3.6), send it elsewhere (REDIRECT, RFC 5685, which costs
// a registration), and at last delete its IKE SA.

// Rung is a step of the ladder.
type Rung string

// The rungs, best first.
const (
	RungNone      Rung = ""          // the UE was there already, or never asked
	RungSwitch    Rung = "switch"    // SWITCH_TO_IP_ADDRESS
	RungAddresses Rung = "addresses" // the list of addresses without the present one
	RungRedirect  Rung = "redirect"
	RungDelete    Rung = "delete"
)

// Destination is where UEs are moved to. Make one with ToAddress or ToNode.
type Destination struct {
	node int // -1 is this one
	addr netip.Addr
}

// ToAddress is another NWu address of this node.
func ToAddress(a netip.Addr) Destination { return Destination{-1, a.Unmap()} }

// ToNode is another node of the cluster.
func ToNode(node int) Destination { return Destination{node: node} }

func (d Destination) String() string {
	if d.node < 0 {
		return d.addr.String()
	}
	return fmt.Sprintf("node %d", d.node)
}

// MoveOutcome is what became of the move of one UE.
type MoveOutcome struct {
	UE    uint32 // RAN-UE-NGAP-ID
	Rung  Rung   // the one that it was reached or given up with
	Moved bool   // with all it has; by RungRedirect it went to register at the destination
	Took  time.Duration
	Err   error
}

// Errors of moves.
var (
	ErrNoUE          = errors.New("no such UE is here")
	ErrNotUp         = errors.New("the UE has not registered yet")
	ErrNoDestination = errors.New("the destination has no address that the UE can use; name one of nwu.addresses, or a node that is connected")
	ErrStayed        = errors.New("the UE has not come")
	ErrGoneMeanwhile = errors.New("the UE ended meanwhile")
	ErrBeingMoved    = errors.New("the UE is being moved already")
	ErrMoveCancelled = errors.New("cancelled before the UE was asked")
	errNoRung        = errors.New("the UE does not know this rung")
)

// relocation is a UE on the ladder.
type relocation struct {
	to       netip.AddrPort // with the port for NAT traversal
	options  MoveOptions
	rung     Rung
	step     int          // counts rungs, so that late timers do nothing
	muted    bool         // the old address says nothing
	before   ipsec.Target // what it was muted from
	deaf     bool         // the old address hears no IKE
	came     bool         // the UE sends requests to the new address
	ahead    bool         // we send from the new address, to tell the UE
	back     bool         // we have stopped doing so, as the UE has not come
	from     ikev2.Path
	began    time.Time
	finished func(MoveOutcome)
}

// relocate begins to move the UE. finished is called once, on the owner.
func (u *ue) relocate(to Destination, o MoveOptions, finished func(MoveOutcome)) {
	outcome := MoveOutcome{UE: u.ranID}
	switch {
	case u.state != stateUp || u.released:
		outcome.Err = ErrNotUp
	case u.relocation != nil:
		outcome.Err = ErrBeingMoved
	}
	target, err := u.target(to)
	if outcome.Err == nil {
		outcome.Err = err
	}
	if outcome.Err != nil {
		finished(outcome)
		return
	}
	u.relocation = &relocation{to: target, options: o, from: u.session.Path(), began: time.Now(), finished: finished}
	if u.session.ChildPath().Local == target {
		u.arrived()
		return
	}
	if to.node >= 0 {
		u.onDeparted = func(err error) {
			if err != nil {
				u.moveEnded(false, err)
				return
			}
			u.arrived()
		}
	}
	u.nextRung(RungSwitch)
}

// target chooses the address for the UE: of the family that it uses, if there is one.
func (u *ue) target(to Destination) (netip.AddrPort, error) {
	var list []netip.AddrPort
	switch {
	case to.node >= 0:
		list = u.nf.nodes.addresses(to.node)
	case u.nf.servesAt(to.addr):
		list = []netip.AddrPort{netip.AddrPortFrom(to.addr, u.nf.live().NWu.NATTPort)}
	}
	var other netip.AddrPort
	for _, a := range list {
		if a.Addr().Is4() == u.path.Remote.Addr().Is4() && a.Addr().IsValid() {
			return a, nil
		}
		other = a
	}
	if !other.Addr().IsValid() {
		return netip.AddrPort{}, ErrNoDestination
	}
	return other, nil
}

// servesAt tells whether UEs can reach this node at an address: it is configured, or all addresses of this machine are and it is one.
func (nf *N3IWF) servesAt(a netip.Addr) bool {
	for _, own := range nf.live().NWu.Addresses {
		if own == a {
			return true
		}
		if !own.IsUnspecified() || own.Is4() != a.Is4() {
			continue
		}
		list, err := net.InterfaceAddrs()
		if err == nil && slices.ContainsFunc(list, func(l net.Addr) bool { return ofMachine(l) == a }) {
			return true
		}
	}
	return false
}

func ofMachine(a net.Addr) netip.Addr {
	if n, ok := a.(*net.IPNet); ok {
		if ip, ok := netip.AddrFromSlice(n.IP); ok {
			return ip.Unmap()
		}
	}
	return netip.Addr{}
}

// nextRung tries a rung, and those below it while the UE does not know it.
func (u *ue) nextRung(rung Rung) {
	for _, r := range []struct {
		rung  Rung
		climb func() error
		wait  time.Duration
	}{
		{RungSwitch, u.rungSwitch, u.relocation.options.Patience},
		{RungAddresses, u.rungAddresses, u.relocation.options.Patience},
		{RungRedirect, u.rungRedirect, u.relocation.options.Patience},
		{RungDelete, u.rungDelete, 0},
	} {
		if rung != r.rung {
			continue
		}
		u.relocation.rung = r.rung
		u.relocation.step++
		if r.climb() == nil {
			if u.relocation != nil && r.wait > 0 {
				u.rungDue(r.wait)
			}
			return
		}
		rung = below[r.rung]
	}
	u.moveEnded(false, ErrStayed)
}

var below = map[Rung]Rung{RungSwitch: RungAddresses, RungAddresses: RungRedirect, RungRedirect: RungDelete}

// rungDue gives the present rung up after a while.
func (u *ue) rungDue(wait time.Duration) {
	r, step := u.relocation, u.relocation.step
	time.AfterFunc(wait, func() {
		u.owner.forUE(u, func() {
			if u.relocation == r && r.step == step && u.departure == nil {
				u.rungFailed()
			}
		})
	})
}

// rungFailed goes one rung down.
func (u *ue) rungFailed() {
	r := u.relocation
	u.log.Info("UE has not come", slog.String("to", r.to.String()), slog.String("by", string(r.rung)))
	u.unmute()
	if p := u.session.Path(); p.Local == r.to && p != r.from { // it was told from the new address, and did not hear
		r.back = true
		u.apply(u.session.SetAddresses(time.Now(), []netip.Addr{r.from.Local.Addr()}))
		u.apply(u.session.LocalAddressGone(time.Now(), r.to.Addr()))
		if u.relocation != r {
			return
		}
	}
	u.nextRung(below[r.rung])
}

func (u *ue) rungSwitch() error {
	if !u.session.CanSwitch() {
		return errNoRung
	}
	u.apply(u.session.SwitchTo(time.Now(), u.relocation.to))
	return nil
}

// rungAddresses tells the UE the address that it is to use, as the only one. Without a NAT the message comes from that address itself, and the UE sees
// that its present one is not there any more. Through a NAT it can only come from the present address; then nothing more comes from there, and
// the UE looks for another path when it notices.
func (u *ue) rungAddresses() error {
	if !u.session.MOBIKE() {
		return errNoRung
	}
	r := u.relocation
	now := time.Now()
	u.apply(u.session.SetAddresses(now, []netip.Addr{r.to.Addr()}))
	if !u.session.NAT().PeerBehindNAT && r.from.Remote.Addr().Is4() == r.to.Addr().Is4() {
		r.deaf, r.ahead = true, true // the UE must not find that its present path works
		u.apply(u.session.LocalAddressGone(now, r.from.Local.Addr()))
		return nil
	}
	step := r.step
	time.AfterFunc(r.options.Notice, func() {
		u.owner.forUE(u, func() {
			if u.relocation == r && r.step == step && u.departure == nil {
				u.mute()
			}
		})
	})
	return nil
}

// mute makes the present address silent for the UE.
func (u *ue) mute() {
	u.relocation.muted, u.relocation.deaf = true, true
	u.relocation.before = u.targetOfNew(u.session.ChildPath())
	u.movePath(held(u.session.ChildPath()))
}

func (u *ue) unmute() {
	r := u.relocation
	if r == nil {
		return
	}
	r.deaf = false
	if r.muted {
		r.muted = false
		if r.before.Path == ipsec.Path(u.session.ChildPath()) {
			u.movePath(r.before)
		}
	}
}

// deaf tells that messages on the path are not heard.
func (u *ue) deaf(path ikev2.Path) bool {
	return u.relocation != nil && u.relocation.deaf && path.Local.Addr() == u.relocation.from.Local.Addr()
}

// settleTime is between the first request of a UE at its new address, which may be a test of the path, and its move.
const settleTime = 200 * time.Millisecond

// heard looks for the UE at the address that it was told: what the N3IWF sends from there says nothing about what the UE does.
func (u *ue) heard(path ikev2.Path, message []byte, before time.Time) {
	const flags, response = 19, 0x20
	r := u.relocation
	if r == nil || r.rung != RungAddresses || r.came || path.Local != r.to || len(message) <= flags || message[flags]&response != 0 || !u.session.LastHeard().After(before) {
		return
	}
	r.came = true
	time.AfterFunc(settleTime, func() {
		u.owner.forUE(u, func() {
			if u.relocation == r {
				if r.ahead {
					u.log.Info("UE moved", slog.String("from", r.from.String()), slog.String("to", u.session.ChildPath().String()))
					u.moved(r.from, u.session.ChildPath())
				}
				u.cameTo(u.session.ChildPath())
			}
		})
	})
}

// mayCome tells whether a move of the child SAs is the UE's own, and not only ours.
func (u *ue) mayCome() bool {
	return u.relocation == nil || u.relocation.rung != RungAddresses || u.relocation.came
}

// oursAlone tells whether a path is one that this N3IWF has taken to call the UE to another address, or has gone back to because the UE did not come: no
// move of the UE.
func (u *ue) oursAlone(path ikev2.Path) bool {
	r := u.relocation
	if r == nil || r.came {
		return false
	}
	return r.back && path == r.from || r.ahead && !r.back && path.Local == r.to && path.Remote == r.from.Remote
}

// cameTo goes on with a UE whose child SAs use the path and that is there itself.
func (u *ue) cameTo(path ikev2.Path) {
	if node, elsewhere := u.nf.nodes.at(path.Local); elsewhere {
		u.leave(node)
	} else if u.relocation != nil && path.Local == u.relocation.to {
		u.arrived()
	}
}

// redirectTag is the Tag of the REDIRECT of a relocation.
type redirectTag struct{ step int }

func (u *ue) rungRedirect() error {
	if !u.session.Redirectable() {
		return errNoRung
	}
	u.apply(u.session.Redirect(time.Now(), redirectTag{u.relocation.step}, ikev2.Gateway{Addr: u.relocation.to.Addr()}))
	return nil
}

func (u *ue) rungDelete() error {
	if !u.relocation.options.Delete {
		return errNoRung
	}
	u.requestRelease(ngap.CauseMiscOmIntervention.Cause())
	u.endIKE()
	return nil
}

// relocationInfo is told of the end of INFORMATIONAL exchanges.
func (u *ue) relocationInfo(ev ikev2.InfoDone) {
	tag, ok := ev.Tag.(redirectTag)
	if ok && ev.Err != nil && u.relocation != nil && u.relocation.step == tag.step && u.state == stateUp {
		u.rungFailed()
	}
}

// relocationSwitched takes the outcome of SwitchTo; false when nobody has asked for the move.
func (u *ue) relocationSwitched(ev ikev2.SwitchDone) bool {
	r := u.relocation
	if r == nil || ev.To != r.to || r.rung != RungSwitch {
		return r != nil
	}
	if ev.Outcome != ikev2.Switched && u.departure == nil {
		u.rungFailed()
	}
	return true
}

// arrived: the UE is where it was to go.
func (u *ue) arrived() { u.moveEnded(true, nil) }

func (u *ue) moveEnded(moved bool, err error) {
	r := u.relocation
	if r == nil {
		return
	}
	u.unmute()
	u.relocation, u.onDeparted = nil, nil
	r.finished(MoveOutcome{UE: u.ranID, Rung: r.rung, Moved: moved, Took: time.Since(r.began), Err: err})
}

// relocationClosed: the IKE SA has ended, which is what REDIRECT and Delete are for.
func (u *ue) relocationClosed() {
	r := u.relocation
	switch {
	case r == nil:
	case r.rung == RungRedirect:
		u.moveEnded(true, nil)
	case r.rung == RungDelete:
		u.moveEnded(false, nil)
	default:
		u.moveEnded(false, ErrGoneMeanwhile)
	}
}
