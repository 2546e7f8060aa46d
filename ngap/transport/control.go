// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// handle processes the chunks of one valid packet in their order. DATA and SACK
// are collected for the transfer engine.
func (a *userAssociation) handle(p *packet, chunks []chunk, from netip.AddrPort) {
	a.mu.Lock()
	defer a.mu.Unlock()
	feed := engineInput{}
	for _, c := range chunks {
		if a.state == closed {
			return
		}
		switch c.typ {
		case chunkData:
			a.feedData(&feed, c)
		case chunkSack:
			a.feedSack(&feed, c)
		case chunkInitAck:
			a.handleInitAck(c, from, len(chunks))
		case chunkCookieAck:
			if a.state == cookieEchoed {
				a.establishLocked()
			}
		case chunkHeartbeat:
			if a.state >= established {
				b := appendChunk(a.packet(), chunkHeartbeatAck, 0, c.value)
				a.ep.send(b, from) //nolint:errcheck // to where it came from (RFC 9260 8.3)
			}
		case chunkHeartbeatAck:
			a.handleHeartbeatAck(c, from)
		case chunkAbort:
			a.handleAbort(c)
		case chunkError:
			a.handleError(c)
		case chunkShutdown:
			a.handleShutdown(&feed, c)
		case chunkShutdownAck:
			a.handleShutdownAck()
		case chunkShutdownComplete:
			a.handleShutdownComplete()
		case chunkInit, chunkCookieEcho:
			a.badPackets.Add(1) // never with our tag behind another chunk
		default:
			if !a.handleUnknown(c) {
				a.feed(&feed)
				return
			}
		}
	}
	a.feed(&feed)
}

// handleReflected ends the association on an ABORT or SHUTDOWN COMPLETE that
// carries the tag of our own packets.
func (a *userAssociation) handleReflected(c chunk) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.typ == chunkAbort {
		a.handleAbort(c)
	} else {
		a.handleShutdownComplete()
	}
}

// handleUnknown follows the two high bits of a chunk type (RFC 9260 3.2): go on
// with the packet or not, report or not.
func (a *userAssociation) handleUnknown(c chunk) (goOn bool) {
	a.badPackets.Add(1)
	if c.typ&0x40 != 0 {
		report := binary.BigEndian.AppendUint16([]byte{c.typ, c.flags}, uint16(chunkHeaderLen+len(c.value)))
		report = append(report, c.value[:min(len(c.value), maxReported)]...)
		a.transmit(appendChunk(a.packet(), chunkError, 0, appendTLV(nil, causeUnrecognizedChunk, report)))
	}
	return c.typ&0x80 != 0
}

// askLocked (re)sends what the set-up waits for an answer to. mu is held.
func (a *userAssociation) askLocked() {
	switch a.state {
	case cookieWait:
		b := appendInit(newPacket(a.ep.port, a.port, 0), initChunk{
			tag: a.tag, window: uint32(a.ep.opt.ReceiveBuffer), tsn: a.tsn,
			out: a.ep.opt.OutboundStreams, in: a.ep.opt.MaxInboundStreams,
		}, a.families())
		a.transmit(b)
	case cookieEchoed:
		a.transmit(appendChunk(a.packet(), chunkCookieEcho, 0, a.cookie))
	default:
		return
	}
	a.armLocked(func() {
		if a.timerTries >= a.ep.opt.InitAttempts {
			a.endLocked(ReasonNoAnswer, fmt.Sprintf("%d attempts", a.timerTries), nil)
			return
		}
		if a.state == cookieWait {
			a.primary = (a.primary + 1) % len(a.paths)
		}
		a.askLocked()
	})
}

// families that this endpoint can reach, for INIT's Supported Address Types.
func (a *userAssociation) families() (out []netip.Addr) {
	seen4, seen6 := false, false
	for _, p := range a.paths {
		if ip := p.addr.Addr(); ip.Is4() && !seen4 {
			out, seen4 = append(out, ip), true
		} else if !ip.Is4() && !seen6 {
			out, seen6 = append(out, ip), true
		}
	}
	return out
}

// armLocked runs f, with mu held, after the retransmission timeout, which
// doubles with every try of the same step. mu is held.
func (a *userAssociation) armLocked(f func()) {
	rto := min(a.ep.opt.RTOInitial<<min(a.timerTries, 16), a.ep.opt.RTOMax)
	a.timerTries++
	if a.timer != nil {
		a.timer.Stop()
	}
	at := a.state
	var t *time.Timer
	t = time.AfterFunc(rto, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.timer == t && a.state == at {
			f()
		}
	})
	a.timer = t
}

func (a *userAssociation) disarmLocked() {
	if a.timer != nil {
		a.timer.Stop()
	}
	a.timer, a.timerTries = nil, 0
}

func (a *userAssociation) handleInitAck(c chunk, from netip.AddrPort, chunks int) {
	if a.state != cookieWait || chunks != 1 {
		return // an old or repeated one (RFC 9260 5.2.3)
	}
	in, err := parseInit(c.value, true)
	if err != nil {
		a.badPackets.Add(1)
		if in.tag == 0 {
			return
		}
		a.peerTag = in.tag
		a.abortLocked(ReasonProtocol, causeProtocolViolation, err.Error())
		return
	}
	a.paths, a.primary = []path{{addr: from}}, 0
	a.learn(in.tag, in.tsn, in.window,
		min(a.ep.opt.OutboundStreams, in.in), min(a.ep.opt.MaxInboundStreams, in.out), in.addrs)
	a.cookie = append([]byte(nil), in.cookie...)
	a.state = cookieEchoed
	a.disarmLocked()
	a.askLocked()
}

func (a *userAssociation) establish() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.establishLocked()
}

func (a *userAssociation) establishLocked() {
	a.disarmLocked()
	a.cookie = nil
	engine, err := newEngine(a)
	if err != nil {
		a.endLocked(ReasonProtocol, "", err)
		return
	}
	a.engine, a.state = engine, established
	close(a.up)
	a.superviseLocked()
}

func (a *userAssociation) handleAbort(c chunk) {
	r := ReasonPeerAbort
	if a.state < established {
		r = ReasonRefused
	}
	a.endLocked(r, describeCauses(c.value), nil)
}

func (a *userAssociation) handleError(c chunk) {
	if a.state == cookieEchoed && hasCause(c.value, causeStaleCookie) {
		tries := a.timerTries // so that a peer cannot keep this going for ever
		a.state = cookieWait
		a.disarmLocked()
		a.timerTries = tries
		a.askLocked()
		return
	}
	a.log.Warn("the SCTP peer reports an error", "cause", describeCauses(c.value))
}

// superviseLocked probes every path once per interval (RFC 9260 8.3) and moves
// to a path that answers when the primary one does not.
func (a *userAssociation) superviseLocked() {
	if a.state == closed {
		return
	}
	alive, best := false, a.primary
	for i := range a.paths {
		p := &a.paths[i]
		if p.awaiting {
			p.misses++
		}
		if p.misses < a.ep.opt.HeartbeatMisses {
			alive = true
		}
		if p.misses == 0 && a.paths[best].misses > 0 {
			best = i
		}
	}
	if !alive && a.state == shutdownAckSent {
		a.endGracefully()
		return
	}
	if !alive {
		detail := fmt.Sprintf("%d heartbeats in %v unanswered", a.ep.opt.HeartbeatMisses,
			time.Duration(a.ep.opt.HeartbeatMisses)*a.ep.opt.HeartbeatInterval)
		a.log.Warn("the SCTP peer does not answer any more", "detail", detail)
		a.endLocked(ReasonPeerGone, detail, nil)
		return
	}
	if best != a.primary && a.state >= established {
		a.log.Warn("SCTP path does not answer, moving to another one", "from", a.paths[a.primary].addr, "to", a.paths[best].addr)
		a.primary = best
		a.pathChanges.Add(1)
	}
	for i := range a.paths {
		a.probe(i)
	}
	a.heartbeat = time.AfterFunc(a.ep.opt.HeartbeatInterval, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.superviseLocked()
	})
}

// paramHeartbeatInfo is the one parameter of HEARTBEAT (RFC 9260 3.3.5).
const paramHeartbeatInfo = 1

// probe sends a heartbeat on path i with a nonce, so that only an answer to
// just this one counts.
func (a *userAssociation) probe(i int) {
	p := &a.paths[i]
	p.nonce = uint64(randomUint32())<<32 | uint64(randomUint32())
	p.awaiting = true
	info := binary.BigEndian.AppendUint64(nil, p.nonce)
	a.probes.Add(1)
	a.ep.send(appendChunk(a.packet(), chunkHeartbeat, 0, appendTLV(nil, paramHeartbeatInfo, info)), p.addr) //nolint:errcheck // shows as a miss
}

func (a *userAssociation) handleHeartbeatAck(c chunk, from netip.AddrPort) {
	typ, info, _, ok := nextTLV(c.value)
	if !ok || typ != paramHeartbeatInfo || len(info) != 8 {
		a.badPackets.Add(1)
		return
	}
	nonce := binary.BigEndian.Uint64(info)
	for i := range a.paths {
		if p := &a.paths[i]; p.nonce == nonce && nonce != 0 {
			p.nonce, p.awaiting, p.misses = 0, false, 0
			a.answers.Add(1)
			return
		}
	}
	_ = from // an answer may come from another address of the peer
}

// advanceShutdown goes on with a shutdown once everything that was sent has
// been acknowledged (RFC 9260 9.2).
func (a *userAssociation) advanceShutdown() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.state != shutdownPending && a.state != shutdownReceived || a.tx.writing {
		return
	}
	if a.engine.BufferedAmount() > 0 {
		return // a SACK will bring us back here
	}
	if a.state == shutdownPending {
		a.state = shutdownSent
	} else {
		a.state = shutdownAckSent
	}
	a.disarmLocked()
	a.shutdownLocked()
}

// shutdownLocked (re)sends SHUTDOWN or SHUTDOWN ACK until it is answered; Close
// and the supervision bound how long.
func (a *userAssociation) shutdownLocked() {
	if a.state == shutdownSent {
		a.transmit(appendChunk(a.packet(), chunkShutdown, 0, binary.BigEndian.AppendUint32(nil, a.rx.ackPoint)))
	} else {
		a.transmit(appendChunk(a.packet(), chunkShutdownAck, 0))
	}
	if a.state != closed {
		a.armLocked(func() {
			if a.timerTries > shutdownAttempts {
				if a.state == shutdownAckSent {
					// Both sides have said that they are done; only the last
					// word was lost, and the peer may be gone already.
					a.endGracefully()
					return
				}
				a.abortLocked(ReasonPeerGone, causeUserInitiatedAbort, "shutdown was not answered")
				return
			}
			a.shutdownLocked()
		})
	}
}

// shutdownAttempts bounds a shutdown that the peer began and does not end.
const shutdownAttempts = 8

func (a *userAssociation) handleShutdown(feed *engineInput, c chunk) {
	if len(c.value) != 4 || a.state < established {
		a.badPackets.Add(1)
		return
	}
	a.feedAck(feed, binary.BigEndian.Uint32(c.value))
	switch a.state {
	case established, shutdownPending:
		a.byPeer = a.state == established
		a.state = shutdownReceived
		feed.wake = true // the engine's reader then looks whether all is sent
	case shutdownSent:
		a.state = shutdownAckSent
		a.disarmLocked()
		a.shutdownLocked()
	case shutdownAckSent:
		a.transmit(appendChunk(a.packet(), chunkShutdownAck, 0))
	}
}

func (a *userAssociation) handleShutdownAck() {
	if a.state != shutdownSent && a.state != shutdownAckSent {
		return
	}
	a.transmit(appendChunk(a.packet(), chunkShutdownComplete, 0))
	a.endGracefully()
}

func (a *userAssociation) handleShutdownComplete() {
	if a.state == shutdownAckSent {
		a.endGracefully()
	}
}

func (a *userAssociation) endGracefully() {
	if a.byPeer {
		a.endLocked(ReasonPeerShutdown, "", nil)
	} else {
		a.endLocked(ReasonClosed, "", nil)
	}
}
