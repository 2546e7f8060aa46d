// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/nas"
)

// NAS is carried, never read: during EAP-5G in its packets, then in envelopes over TCP inside the signalling SA (TS 24.502 8.2). What
// the AMF sends before that TCP connection exists waits in order.

// guardNAS is what the guard of a UE waits for that has no NAS connection yet.
const guardNAS = "the UE's TCP connection for NAS"

// uplinkNAS passes a NAS message of the UE to its AMF.
func (u *ue) uplinkNAS(pdu []byte) {
	u.idle.nas = true
	if u.ng == nil || u.amfID == nil || u.released {
		u.log.Warn("uplink NAS dropped: the AMF has not answered the UE's first message", slog.Int("octets", len(pdu)))
		return
	}
	m := &ngap.UplinkNASTransport{
		AMFUENGAPID: *u.amfID, RANUENGAPID: ngap.RANUENGAPID(u.ranID), NASPDU: pdu, UserLocationInformation: u.location(),
	}
	u.traceNAS(m)
	u.send(m)
}

// passNAS passes a NAS message of the AMF to the UE, now or when there is a way.
func (u *ue) passNAS(pdu []byte) {
	if len(pdu) == 0 {
		return
	}
	if u.nasConn != nil && len(u.nasQueue) == 0 {
		u.writeNAS(pdu)
		return
	}
	u.waitForNAS(pdu)
	u.continueEAP()
}

// writeNAS sends on the connection that the owner knows of, and on no other: one that has just taken its place has to wait for what this one has left.
func (u *ue) writeNAS(pdu []byte) {
	u.idle.nas = true
	err := u.nasConn.Send(pdu)
	switch {
	case err == nil:
	case errors.Is(err, nas.ErrNotConnected):
		u.waitForNAS(pdu) // nasClosed follows, with what is to be sent before this
	default:
		u.log.Warn("downlink NAS not delivered", slog.Any("error", err))
		u.nonDelivery(pdu)
	}
}

// nasAddr is the inner address that the UE's NAS connection comes from.
func (u *ue) nasAddr() netip.Addr {
	if u.nasFrom.IsValid() {
		return u.nasFrom
	}
	if u.inner[0].IsValid() {
		return u.inner[0]
	}
	return u.inner[1]
}

// nasConnected: the UE's TCP connection is there; what waited goes first.
func (u *ue) nasConnected(from netip.Addr, c *nas.Conn) {
	if u.nasConn != nil && u.nasFrom != from {
		u.nf.nas.Disconnect(u.nasFrom) // a UE has one, of either family
	}
	u.nasConn, u.nasFrom = c, from
	if u.state == stateUp && u.guardFor == guardNAS {
		u.clearGuard() // and not that of a PDU session, when the connection is another one
	}
	u.trace.end(spanNASConnection, "")
	u.trace.registered(u)
	if u.departure != nil { // it was just being opened; what waits goes along
		u.leaveNAS()
		return
	}
	queue := u.nasQueue
	u.nasQueue = nil
	for _, pdu := range queue {
		if len(u.nasQueue) > 0 { // it is broken already
			u.waitForNAS(pdu)
			continue
		}
		u.writeNAS(pdu)
	}
}

// maxUplinkPending is how many NAS messages of one UE may wait for its owner.
const maxUplinkPending = 256

// nasEvents takes what happens on the NAS stack to the owner of the UE.
type nasEvents struct{ nf *N3IWF }

var _ nas.Events = nasEvents{}

// OnConnected may come when the UE has just gone: then nobody else would close the connection.
func (e nasEvents) OnConnected(from netip.Addr, c *nas.Conn) {
	u := e.nf.byInner.find(from)
	if u == nil {
		e.nf.nas.Disconnect(from)
		return
	}
	u.owner.mail.post(func() {
		switch now := e.nf.byInner.find(from); {
		case now == nil:
			e.nf.nas.Disconnect(from)
		case now == u && !u.gone:
			u.owner.guarded(u, func() { u.nasConnected(from, c) })
		}
	})
}

func (e nasEvents) OnNAS(from netip.Addr, pdu []byte) {
	u := e.nf.byInner.find(from)
	if u == nil {
		return
	}
	if u.uplinkPending.Add(1) > maxUplinkPending {
		u.log.Warn("UE sends NAS faster than it can be passed on; its NAS connection is closed")
		e.nf.nas.Disconnect(from)
	}
	u.owner.mail.post(func() {
		switch {
		case u.departed != nil:
			u.nf.nodes.forwardNAS(u.ranID, pdu, 0)
		case !u.gone:
			u.owner.guarded(u, func() { u.uplinkNAS(pdu) })
		}
	})
	u.owner.mail.post(func() { u.uplinkPending.Add(-1) })
}

// logAttrsOf tells logs which UE has an inner address.
func (nf *N3IWF) logAttrsOf(inner netip.Addr) []slog.Attr {
	if u := nf.byInner.find(inner); u != nil {
		return []slog.Attr{slog.Uint64("ue", uint64(u.ranID))}
	}
	return nil
}

func (e nasEvents) OnClosed(from netip.Addr, c *nas.Conn, ended nas.Ended) {
	if u := e.nf.byInner.find(from); u != nil {
		u.owner.forUE(u, func() { u.nasClosed(c, ended) })
	}
}

// innerTable finds UEs by inner address. It is used at the edges of NAS over TCP, not for user packets.
type innerTable struct{ m sync.Map }

func (t *innerTable) add(u *ue) {
	for _, a := range u.inner {
		if a.IsValid() {
			t.m.Store(a, u)
		}
	}
}

func (t *innerTable) remove(u *ue) {
	for _, a := range u.inner {
		t.m.CompareAndDelete(a, u)
	}
}

func (t *innerTable) find(a netip.Addr) *ue {
	if v, ok := t.m.Load(a); ok {
		return v.(*ue)
	}
	return nil
}

// temporaryIdentity takes the 5G-S-TMSI out of a plain Registration or Service Request, for the AMFs that want it in INITIAL UE MESSAGE to
// find the UE (TS 38.413 8.6.1.2). nil when there is none.
func temporaryIdentity(pdu []byte) *ngap.FiveGSTMSI {
	identity := mobileIdentity(pdu)
	n := len(identity)
	if n < 7 {
		return nil
	}
	switch kind := identity[0] & identityType; {
	case kind == identityGUTI && n == 11:
		identity = identity[5:]
	case kind == identityTMSI && n == 7:
		identity = identity[1:]
	default:
		return nil
	}
	id := binary.BigEndian.Uint16(identity)
	return &ngap.FiveGSTMSI{AMFSetID: ngap.AMFSetID(id >> 6), AMFPointer: ngap.AMFPointer(id & 0x3f), FiveGTMSI: ngap.FiveGTMSI(binary.BigEndian.Uint32(identity[2:]))}
}
