// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/sctp"
)

// state of an association (RFC 9260 4).
type state uint8

const (
	cookieWait state = iota
	cookieEchoed
	established
	shutdownPending
	shutdownSent
	shutdownReceived
	shutdownAckSent
	closed
)

// path is one address of the peer.
type path struct {
	addr     netip.AddrPort // IP and UDP port
	nonce    uint64         // of the heartbeat under way
	awaiting bool           // a heartbeat is under way and nothing has been heard since
	misses   int            // heartbeats in a row without an answer
}

// userAssociation is an association of user-space SCTP. Control chunks are
// handled here by the endpoint's reader and by timers, under mu; DATA and SACK
// go through engine.go to and from the transfer engine.
type userAssociation struct {
	ep   *endpoint
	key  peerKey // guarded by ep.mu
	port uint16  // the peer's SCTP port
	log  *slog.Logger

	tag, tsn uint32 // ours: verification tag and initial TSN

	mu         sync.Mutex
	state      state
	paths      []path
	primary    int
	peerTag    uint32
	peerTSN    uint32 // the peer's initial TSN
	window     uint32 // the peer's receive window, as last heard
	out, in    uint16 // negotiated streams
	cookie     []byte // from INIT ACK, while cookieEchoed
	byPeer     bool   // the peer began the shutdown
	timer      *time.Timer
	timerTries int
	heartbeat  *time.Timer
	loss       *LossError

	engine *sctp.Association // nil until established; never changes after
	rx     receiveSide
	tx     sendSide

	up     chan struct{} // closed when established
	ending chan struct{} // closed when the end is decided
	done   chan struct{} // closed when everything has been released

	sent, received, octetsOut, octetsIn      atomic.Uint64
	badPPID, tooLarge, badStream, badPackets atomic.Uint64
	probes, answers, pathChanges             atomic.Uint64
}

func newUserAssociation(e *endpoint, peer netip.AddrPort, port uint16, tag, tsn uint32) *userAssociation {
	return &userAssociation{
		ep: e, key: peerKey{peer, port}, port: port, tag: tag, tsn: tsn,
		log:   e.log.With("peer", netip.AddrPortFrom(peer.Addr(), port)),
		paths: []path{{addr: peer}},
		up:    make(chan struct{}), ending: make(chan struct{}), done: make(chan struct{}),
		rx: newReceiveSide(), tx: newSendSide(tsn),
	}
}

// learn takes over what the peer's INIT or INIT ACK said. The address that it
// came from is the primary path; the listed ones stand by.
func (a *userAssociation) learn(tag, tsn, window uint32, out, in uint16, addrs []netip.Addr) {
	a.peerTag, a.peerTSN, a.window, a.out, a.in = tag, tsn, window, out, in
	a.rx.ackPoint = tsn - 1
	first := a.paths[0].addr
	local := a.ep.wire.LocalAddr().Addr()
	for _, ip := range addrs {
		reachable := ip.Is4() == first.Addr().Is4() || a.ep.mode == ModeUDP && local.Is6() && local.IsUnspecified()
		if ip == first.Addr() || len(a.paths) == maxPaths || !reachable || ip.IsLoopback() != first.Addr().IsLoopback() {
			continue
		}
		a.paths = append(a.paths, path{addr: netip.AddrPortFrom(ip, first.Port())})
	}
}

// packet starts one to the peer, with its tag.
func (a *userAssociation) packet() []byte { return newPacket(a.ep.port, a.port, a.peerTag) }

// transmit sends to the primary path; mu is held.
func (a *userAssociation) transmit(b []byte) {
	if err := a.ep.send(b, a.paths[a.primary].addr); err != nil {
		a.endLocked(ReasonSocket, "", err)
	}
}

// owns tells whether a packet with our tag really is of this association: from
// its port and one of its addresses. The peer's UDP port may change at a NAT
// (RFC 6951 5.4); the tag proves that it is the peer.
func (a *userAssociation) owns(p *packet, from netip.AddrPort) bool {
	if p.src != a.port {
		return false
	}
	a.mu.Lock()
	moved, ok := false, false
	for i := range a.paths {
		ap := &a.paths[i]
		if ap.addr.Addr() != from.Addr() {
			continue
		}
		ok, moved = true, ap.addr != from
		ap.addr = from
		ap.awaiting, ap.misses = false, 0
		break
	}
	a.mu.Unlock()
	if moved {
		a.pathChanges.Add(1)
		a.ep.mu.Lock()
		if a.ep.byPeer[a.key] == a {
			delete(a.ep.byPeer, a.key)
			a.key = peerKey{from, a.port}
			a.ep.byPeer[a.key] = a
		}
		a.ep.mu.Unlock()
	}
	return ok
}

func (a *userAssociation) peerTagIs(tag uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.peerTag == tag && tag != 0
}

// fail ends the association for a reason that needs no word to the peer.
func (a *userAssociation) fail(r Reason, detail string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.endLocked(r, detail, err)
}

// abortLocked tells the peer and ends; mu is held.
func (a *userAssociation) abortLocked(r Reason, code uint16, text string) {
	if a.state == closed {
		return
	}
	b := a.packet()
	if len(text) > maxCauseText {
		text = text[:maxCauseText]
	}
	a.ep.send(appendChunk(b, chunkAbort, 0, appendTLV(nil, code, []byte(text))), a.paths[a.primary].addr) //nolint:errcheck // best effort
	a.endLocked(r, text, nil)
}

// endLocked decides the end, once; mu is held. The rest of the work is done
// beside, as the transfer engine's own goroutines may be the caller.
func (a *userAssociation) endLocked(r Reason, detail string, err error) {
	if a.state == closed {
		return
	}
	a.loss = &LossError{Reason: r, Peer: a.remoteLocked(), Detail: detail, Err: err}
	a.state = closed
	if a.timer != nil {
		a.timer.Stop()
	}
	if a.heartbeat != nil {
		a.heartbeat.Stop()
	}
	close(a.ending)
	go a.finish()
}

func (a *userAssociation) finish() {
	a.ep.mu.Lock()
	a.ep.forget(a)
	a.ep.mu.Unlock()
	a.mu.Lock() // a set-up that is just going on comes to its end first
	engine := a.engine
	a.mu.Unlock()
	if engine != nil {
		engine.Close() //nolint:errcheck // only our own conn is behind it
	}
	a.ep.release()
	close(a.done)
}

func (a *userAssociation) Done() <-chan struct{} { return a.done }

func (a *userAssociation) Err() error {
	select {
	case <-a.done:
		return a.loss
	default:
		return nil
	}
}

func (a *userAssociation) Streams() int { return int(a.out) }

func (a *userAssociation) LocalAddr() Addr {
	l := a.ep.wire.LocalAddr()
	return Addr{IPs: []netip.Addr{l.Addr()}, Port: a.ep.port, UDPPort: l.Port()}
}

func (a *userAssociation) RemoteAddr() Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.remoteLocked()
}

func (a *userAssociation) remoteLocked() Addr {
	out := Addr{Port: a.port, UDPPort: a.paths[a.primary].addr.Port()}
	for i := range a.paths {
		out.IPs = append(out.IPs, a.paths[(a.primary+i)%len(a.paths)].addr.Addr())
	}
	return out
}

func (a *userAssociation) Stats() Stats {
	return Stats{
		Mode:         a.ep.mode,
		MessagesSent: a.sent.Load(), MessagesReceived: a.received.Load(),
		OctetsSent: a.octetsOut.Load(), OctetsReceived: a.octetsIn.Load(),
		DroppedPPID: a.badPPID.Load(), DroppedTooLarge: a.tooLarge.Load(), DroppedStream: a.badStream.Load(),
		DroppedPackets: a.badPackets.Load() + a.ep.dropped.Load(),
		HeartbeatsSent: a.probes.Load(), HeartbeatsAnswered: a.answers.Load(), PathChanges: a.pathChanges.Load(),
	}
}

// Close shuts down in good order. It is also right when the peer is doing so
// at the same time.
func (a *userAssociation) Close() error {
	a.mu.Lock()
	if a.state == established {
		a.state = shutdownPending
	}
	a.mu.Unlock()
	a.advanceShutdown()
	timeout := time.NewTimer(a.ep.opt.ShutdownTimeout)
	defer timeout.Stop()
	select {
	case <-a.done:
	case <-timeout.C:
		a.mu.Lock()
		a.abortLocked(ReasonAborted, causeUserInitiatedAbort, "shutdown timed out")
		a.mu.Unlock()
		<-a.done
	}
	if a.loss.Reason == ReasonClosed || a.loss.Reason == ReasonPeerShutdown {
		return nil
	}
	return a.loss
}

func (a *userAssociation) Abort(reason string) error {
	a.mu.Lock()
	a.abortLocked(ReasonAborted, causeUserInitiatedAbort, reason)
	a.mu.Unlock()
	<-a.done
	return nil
}

// dialUser sets up an association from a fresh endpoint, trying the remote
// addresses in turn (RFC 9260 5.1).
func dialUser(ctx context.Context, e *endpoint, remotes []netip.AddrPort, port uint16) (*userAssociation, error) {
	a := newUserAssociation(e, remotes[0], port, e.freeTag(), randomUint32())
	for _, r := range remotes[1:min(len(remotes), maxPaths)] {
		a.paths = append(a.paths, path{addr: r})
	}
	e.mu.Lock()
	e.adopt(a)
	e.mu.Unlock()
	a.mu.Lock()
	a.askLocked()
	a.mu.Unlock()
	select {
	case <-a.up:
		return a, nil
	case <-a.done:
		return nil, a.loss
	case <-ctx.Done():
		a.mu.Lock()
		if a.state == cookieEchoed || a.state == established {
			a.abortLocked(ReasonAborted, causeUserInitiatedAbort, "set-up was cancelled")
		} else {
			a.endLocked(ReasonAborted, "set-up was cancelled", ctx.Err())
		}
		a.mu.Unlock()
		<-a.done
		return nil, errors.Join(a.loss, ctx.Err())
	}
}
