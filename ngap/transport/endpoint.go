// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/time/rate"
)

// peerKey finds the association of a packet that does not carry our tag. The
// UDP port belongs to it: two peers behind one NAT have one address, and often
// one SCTP port.
type peerKey struct {
	addr netip.AddrPort
	port uint16 // SCTP
}

// endpoint is one user-space SCTP port: a wire, the associations on it, and
// what RFC 9260 wants done with all other packets. It lives as long as its
// listener or one of its associations does.
type endpoint struct {
	wire wire
	port uint16 // ours
	mode Mode
	opt  Options
	log  *slog.Logger
	key  cookieKey
	// stray bounds the answers to packets of no association, so that nobody
	// can use this endpoint to flood a third party.
	stray   *rate.Limiter
	dropped atomic.Uint64
	reader  sync.WaitGroup

	// mu may be held when an association's lock is taken, never the other way.
	mu     sync.Mutex
	refs   int
	byTag  map[uint32]*userAssociation // by our verification tag
	byPeer map[peerKey]*userAssociation
	accept chan *userAssociation // nil: not listening
}

// acceptBacklog bounds associations that are up but not accepted yet.
const acceptBacklog = 64

// newEndpoint starts reading from w. The caller owns one reference.
func newEndpoint(w wire, mode Mode, port uint16, o Options, listen bool) *endpoint {
	e := &endpoint{
		wire: w, port: port, mode: mode, opt: o, log: o.Logger, key: newCookieKey(), refs: 1,
		stray: rate.NewLimiter(100, 100),
		byTag: map[uint32]*userAssociation{}, byPeer: map[peerKey]*userAssociation{},
	}
	if listen {
		e.accept = make(chan *userAssociation, acceptBacklog)
	}
	e.reader.Add(1)
	go e.read()
	return e
}

// release drops a reference; the last one closes the wire and waits for its
// reader. It must not be called by the reader.
func (e *endpoint) release() {
	e.mu.Lock()
	e.refs--
	last := e.refs == 0
	e.mu.Unlock()
	if last {
		e.wire.Close() //nolint:errcheck // nothing is left to lose
		e.reader.Wait()
	}
}

func (e *endpoint) read() {
	defer e.reader.Done()
	buf := make([]byte, maxPacket)
	var p packet
	for {
		n, from, err := e.wire.ReadPacket(buf)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if !transient(err) {
				e.fail(err)
				return
			}
			continue
		}
		if err := p.parse(buf[:n], e.opt.AcceptZeroChecksum); err != nil {
			e.dropped.Add(1)
			continue
		}
		if p.dst == e.port { // a raw socket sees the packets of every port
			e.handle(&p, from)
		}
	}
}

// transient tells what an ICMP error on an unconnected socket, or a full
// queue, leaves behind from a socket that is lost.
func transient(err error) bool {
	for _, e := range []error{syscall.ECONNREFUSED, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.EMSGSIZE,
		syscall.ENOBUFS, syscall.EAGAIN, syscall.EINTR, syscall.EPERM, syscall.EPROTO, syscall.ENOPROTOOPT, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// fail ends everything on a socket that does not work any more.
func (e *endpoint) fail(err error) {
	e.mu.Lock()
	var all []*userAssociation
	for _, a := range e.byTag {
		all = append(all, a)
	}
	e.mu.Unlock()
	for _, a := range all {
		a.fail(ReasonSocket, "", err)
	}
}

// send seals and writes a packet that may be lost. A path that is broken shows
// by missing answers, not here.
func (e *endpoint) send(b []byte, to netip.AddrPort) error {
	err := e.wire.WritePacket(seal(b), to)
	if err != nil && !transient(err) {
		return err
	}
	return nil
}

// handle sorts a valid packet to its association, by our verification tag, or
// to what RFC 9260 8.4 and 5.1 say for packets of none.
func (e *endpoint) handle(p *packet, from netip.AddrPort) {
	first := p.chunks[0]
	reflected := p.chunks[len(p.chunks)-1]
	e.mu.Lock()
	a := e.byTag[p.tag]
	known := e.byPeer[peerKey{from, p.src}]
	listening := e.accept != nil
	e.mu.Unlock()
	switch {
	case p.tag == 0:
		if first.typ == chunkInit && len(p.chunks) == 1 {
			e.handleInit(p, first, from, listening)
			return
		}
	case first.typ == chunkCookieEcho && listening:
		if a := e.handleCookie(p, first, from); a != nil && len(p.chunks) > 1 {
			a.handle(p, p.chunks[1:], from)
		}
		return
	case a != nil && a.owns(p, from):
		a.handle(p, p.chunks, from)
		return
	case known != nil:
		// Our tag is wrong. Only a peer that has lost its state may answer
		// like this, with the tag that we put into our packets (8.5.1).
		if reflected.flags&flagTagReflected != 0 && known.peerTagIs(p.tag) &&
			(reflected.typ == chunkAbort || reflected.typ == chunkShutdownComplete) {
			known.handleReflected(reflected)
			return
		}
	default:
		e.answerStray(p, from)
	}
	e.dropped.Add(1)
}

// answerStray is RFC 9260 8.4: what to say to packets of no association, so
// that a peer that still believes in one learns of its end at once.
func (e *endpoint) answerStray(p *packet, from netip.AddrPort) {
	for _, c := range p.chunks {
		switch c.typ {
		case chunkAbort, chunkShutdownComplete, chunkCookieAck, chunkInit, chunkInitAck:
			return
		case chunkError:
			if hasCause(c.value, causeStaleCookie) {
				return
			}
		}
	}
	if !e.stray.Allow() {
		return
	}
	b := newPacket(e.port, p.src, p.tag)
	if p.chunks[0].typ == chunkShutdownAck {
		b = appendChunk(b, chunkShutdownComplete, flagTagReflected)
	} else {
		b = appendChunk(b, chunkAbort, flagTagReflected)
	}
	e.send(b, from) //nolint:errcheck // a courtesy
}

// handleInit answers an INIT with an INIT ACK whose cookie holds all state
// (RFC 9260 5.1, 5.2.2), or with an ABORT.
func (e *endpoint) handleInit(p *packet, c chunk, from netip.AddrPort, listening bool) {
	in, err := parseInit(c.value, false)
	if in.tag == 0 || !listening && !e.stray.Allow() {
		e.dropped.Add(1)
		return
	}
	b := newPacket(e.port, p.src, in.tag)
	switch {
	case !listening:
		e.send(appendChunk(b, chunkAbort, 0), from) //nolint:errcheck // the peer asks again
		return
	case err != nil:
		e.dropped.Add(1)
		code := uint16(causeProtocolViolation)
		if errors.Is(err, errInitMandatory) {
			code = causeInvalidMandatory
		} else if errors.Is(err, errInitHostName) {
			code = causeUnresolvable
		}
		e.send(appendChunk(b, chunkAbort, 0, appendTLV(nil, code, nil)), from) //nolint:errcheck // a datagram may be lost anyway
		return
	}
	ck := cookie{
		made: time.Now(), peer: from, port: p.src, tag: e.freeTag(), tsn: randomUint32(),
		peerTag: in.tag, peerTSN: in.tsn, window: in.window,
		out: min(e.opt.OutboundStreams, in.in), in: min(e.opt.MaxInboundStreams, in.out), peerAddr: in.addrs,
	}
	e.mu.Lock()
	if old := e.byPeer[peerKey{from, p.src}]; old != nil {
		ck.tieTag, ck.tiePeer = old.tag, old.peerTag
	}
	e.mu.Unlock()
	ack := initChunk{
		tag: ck.tag, window: uint32(e.opt.ReceiveBuffer), out: ck.out, in: e.opt.MaxInboundStreams,
		tsn: ck.tsn, cookie: e.key.seal(ck), unrecognized: in.unrecognized,
	}
	e.send(appendInit(b, ack, nil), from) //nolint:errcheck // the peer asks again
}

// handleCookie makes the association that a cookie of ours describes (RFC 9260
// 5.1.5) and decides what it means when the peer has one already (5.2.4).
func (e *endpoint) handleCookie(p *packet, c chunk, from netip.AddrPort) *userAssociation {
	ck, err := e.key.open(c.value, time.Now())
	if errors.Is(err, errCookieForged) || ck.tag != p.tag || ck.port != p.src || ck.peer != from {
		e.dropped.Add(1)
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := e.byPeer[peerKey{from, p.src}]
	reply := newPacket(e.port, p.src, ck.peerTag)
	switch {
	case old != nil && old.tag == ck.tag && old.peerTag == ck.peerTag:
		e.send(appendChunk(reply, chunkCookieAck, 0), from) //nolint:errcheck // our answer was lost
		return old
	case err != nil:
		measure := binary.BigEndian.AppendUint32(nil, uint32((time.Since(ck.made) - cookieLife).Microseconds()))
		e.send(appendChunk(reply, chunkError, 0, appendTLV(nil, causeStaleCookie, measure)), from) //nolint:errcheck // a datagram may be lost anyway
		return nil
	case old != nil && (ck.tieTag != old.tag || ck.tiePeer != old.peerTag):
		e.dropped.Add(1) // a cookie from before the present association
		return nil
	case e.accept == nil || e.byTag[ck.tag] != nil || len(e.byTag) >= e.opt.MaxAssociations || len(e.accept) == cap(e.accept):
		e.send(appendChunk(reply, chunkAbort, 0, appendTLV(nil, causeOutOfResource, nil)), from) //nolint:errcheck // a datagram may be lost anyway
		return nil
	}
	if old != nil {
		e.forget(old)
		old.fail(ReasonPeerRestart, "", nil)
	}
	a := newUserAssociation(e, from, p.src, ck.tag, ck.tsn)
	a.learn(ck.peerTag, ck.peerTSN, ck.window, ck.out, ck.in, ck.peerAddr)
	e.adopt(a)
	e.refs++
	a.establish()
	e.accept <- a                                       // has room: it is filled under e.mu only
	e.send(appendChunk(reply, chunkCookieAck, 0), from) //nolint:errcheck // the peer echoes again
	return a
}

// adopt and forget keep the maps; e.mu is held.
func (e *endpoint) adopt(a *userAssociation) {
	e.byTag[a.tag] = a
	e.byPeer[a.key] = a
}

func (e *endpoint) forget(a *userAssociation) {
	if e.byTag[a.tag] == a {
		delete(e.byTag, a.tag)
	}
	if e.byPeer[a.key] == a {
		delete(e.byPeer, a.key)
	}
}

// freeTag draws a verification tag that nobody can guess.
func (e *endpoint) freeTag() uint32 {
	e.mu.Lock()
	defer e.mu.Unlock()
	for {
		if t := randomUint32(); t != 0 && e.byTag[t] == nil {
			return t
		}
	}
}

func randomUint32() uint32 {
	var b [4]byte
	rand.Read(b[:]) //nolint:errcheck // crypto/rand.Read never fails
	return binary.BigEndian.Uint32(b[:])
}
