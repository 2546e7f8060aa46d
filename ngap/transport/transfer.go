// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pion/sctp"
)

// inboxPackets bounds the packets between the socket and the engine.
const inboxPackets = 512

// receiveSide is how messages come out of the transfer engine. Nothing is
// queued here: a message stays in the engine until Receive takes it, so that
// the engine's window is the back-pressure.
type receiveSide struct {
	inbox    chan enginePacket
	ackPoint uint32 // the last TSN acknowledged to the peer; guarded by the association's mu

	mu      sync.Mutex
	streams map[uint16]*stream
	ready   []uint16 // streams with new data, each once, in the order of arrival
	scratch []byte
	wake    chan struct{} // there may be something ready

	sack     []byte // value of the last SACK sent
	window   int    // that it announced
	consumed int    // octets that Receive took since
	stuck    int    // SACKs in a row that closed the window without a gap
}

// stream is one stream of the engine, used in both directions.
type stream struct {
	*sctp.Stream
	queued bool // in ready
}

func newReceiveSide() receiveSide {
	return receiveSide{
		inbox: make(chan enginePacket, inboxPackets), streams: map[uint16]*stream{}, wake: make(chan struct{}, 1),
	}
}

// sendSide bounds what is under way to the peer.
type sendSide struct {
	turn chan struct{} // held by the one sender
	room chan struct{} // something has been acknowledged
	// Guarded by the association's mu: the highest TSN sent, and the last DATA
	// packet that went into a closed window.
	highest uint32
	probe   []byte
	writing bool // a message is on its way into the engine
}

func newSendSide(tsn uint32) sendSide {
	return sendSide{turn: make(chan struct{}, 1), room: make(chan struct{}, 1), highest: tsn - 1}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// stream finds or opens a stream of the engine. rx.mu is held.
func (a *userAssociation) stream(id uint16) (*stream, error) {
	if s := a.rx.streams[id]; s != nil {
		return s, nil
	}
	es, err := a.engine.OpenStream(id, sctp.PayloadProtocolIdentifier(PPID))
	if err != nil {
		return nil, err
	}
	// A deadline long gone makes reading return at once when there is nothing.
	if err := es.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return nil, err
	}
	s := &stream{Stream: es}
	a.rx.streams[id] = s
	return s, nil
}

// openStreams makes sure that the engine knows the streams before their DATA
// arrives: it would offer new ones through a queue of 16 and lose the rest.
func (a *userAssociation) openStreams(ids []uint16) error {
	// The association's set-up may still be going on.
	<-a.up
	a.rx.mu.Lock()
	defer a.rx.mu.Unlock()
	for _, id := range ids {
		if _, err := a.stream(id); err != nil {
			return err
		}
	}
	return nil
}

// processed looks what a packet has changed, after the engine has dealt with it.
func (a *userAssociation) processed(p *enginePacket) {
	rx := &a.rx
	rx.mu.Lock()
	// Nothing to receive, and yet no room for more. Once could be the echo of a
	// full buffer that has just been emptied.
	full := len(rx.ready) == 0 && rx.stuck > 2
	for _, id := range p.streams {
		if s := rx.streams[id]; s != nil && !s.queued {
			s.queued = true
			rx.ready = append(rx.ready, id)
		}
	}
	some := len(rx.ready) > 0
	rx.mu.Unlock()
	if some {
		notify(rx.wake)
	}
	if full {
		a.mu.Lock()
		a.abortLocked(ReasonProtocol, causeOutOfResource, "message is larger than the receive buffer")
		a.mu.Unlock()
	}
	if p.sack || p.b == nil {
		notify(a.tx.room)
		a.advanceShutdown()
	}
}

func (rx *receiveSide) sackSent(sack []byte, gaps int) {
	rx.mu.Lock()
	defer rx.mu.Unlock()
	rx.sack = append(rx.sack[:0], sack[chunkHeaderLen:]...)
	rx.window, rx.consumed = int(binary.BigEndian.Uint32(sack[8:])), 0
	if rx.window == 0 && gaps == 0 && len(rx.ready) == 0 {
		rx.stuck++
	} else {
		rx.stuck = 0
	}
}

// take reads the next complete message of any stream, fairly among them.
func (a *userAssociation) take() (Message, bool) {
	rx := &a.rx
	rx.mu.Lock()
	defer rx.mu.Unlock()
	for len(rx.ready) > 0 {
		id := rx.ready[0]
		rx.ready = rx.ready[1:]
		s := rx.streams[id]
		n, ppid, err := s.ReadSCTP(rx.scratch)
		if errors.Is(err, io.ErrShortBuffer) {
			rx.scratch = make([]byte, max(n, 4096))
			n, ppid, err = s.ReadSCTP(rx.scratch)
		}
		if err != nil {
			s.queued = false
			continue
		}
		rx.ready = append(rx.ready, id)
		rx.consumed += n
		rx.stuck = 0
		switch {
		case id >= a.in:
			continue // counted on arrival
		case uint32(ppid) != PPID:
			a.badPPID.Add(1)
			continue
		case n > a.ep.opt.MaxMessageSize:
			a.tooLarge.Add(1)
			rx.scratch = nil
			continue
		}
		a.received.Add(1)
		a.octetsIn.Add(uint64(n))
		m := Message{Stream: id, PPID: PPID, Data: append([]byte(nil), rx.scratch[:n]...)}
		if len(rx.ready) > 0 {
			notify(rx.wake) // another Receive may be waiting
		}
		return m, true
	}
	return Message{}, false
}

func (a *userAssociation) Receive(ctx context.Context) (Message, error) {
	for {
		if err := ctx.Err(); err != nil {
			return Message{}, err
		}
		m, ok := a.take()
		a.openWindow()
		if ok {
			return m, nil
		}
		select {
		case <-a.rx.wake:
		case <-ctx.Done():
		case <-a.done:
			if m, ok := a.take(); ok {
				return m, nil
			}
			return Message{}, a.loss
		}
	}
}

// openWindow tells the peer that a window which was nearly closed is open
// again; the engine would leave it to the peer's slow probes.
func (a *userAssociation) openWindow() {
	rx, size := &a.rx, a.ep.opt.ReceiveBuffer
	rx.mu.Lock()
	update := rx.sack != nil && rx.window < size/4 && rx.window+rx.consumed >= size/2
	var sack []byte
	if update {
		rx.window += rx.consumed
		rx.consumed = 0
		sack = append(sack, rx.sack...)
		binary.BigEndian.PutUint32(sack[4:], uint32(rx.window))
	}
	rx.mu.Unlock()
	if update {
		a.mu.Lock()
		if a.state >= established && a.state < shutdownAckSent {
			a.transmit(appendChunk(a.packet(), chunkSack, 0, sack))
		}
		a.mu.Unlock()
	}
}

func (a *userAssociation) Send(ctx context.Context, id uint16, data []byte) error {
	if id >= a.out {
		return fmt.Errorf("stream %d of %d: %w", id, a.out, ErrStream)
	}
	if len(data) == 0 || len(data) > a.ep.opt.MaxMessageSize {
		return fmt.Errorf("%d octets, limit %d: %w", len(data), a.ep.opt.MaxMessageSize, ErrMessageSize)
	}
	select {
	case a.tx.turn <- struct{}{}:
		defer func() { <-a.tx.turn }()
	case <-ctx.Done():
		return ctx.Err()
	case <-a.ending:
		return a.sendLoss()
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := a.sendLoss(); err != nil {
			return err
		}
		if n := a.engine.BufferedAmount(); n == 0 || n+len(data) <= a.ep.opt.SendBuffer {
			break
		}
		select {
		case <-a.tx.room:
		case <-ctx.Done():
		case <-a.ending:
		}
	}
	if err := a.beginWrite(); err != nil {
		return err
	}
	a.rx.mu.Lock()
	s, err := a.stream(id)
	a.rx.mu.Unlock()
	if err == nil {
		_, err = s.WriteSCTP(data, sctp.PayloadProtocolIdentifier(PPID))
	}
	a.endWrite()
	if err != nil {
		if loss := a.sendLoss(); loss != nil {
			return loss
		}
		return err
	}
	a.sent.Add(1)
	a.octetsOut.Add(uint64(len(data)))
	return nil
}

// beginWrite lets a shutdown wait for a message that is on its way into the engine: it counts as sent, and would never be.
func (a *userAssociation) beginWrite() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.sendLossLocked(); err != nil {
		return err
	}
	a.tx.writing = true
	return nil
}

func (a *userAssociation) endWrite() {
	a.mu.Lock()
	a.tx.writing = false
	a.mu.Unlock()
	a.advanceShutdown()
}

// sendLoss is why nothing can be sent any more, or nil.
func (a *userAssociation) sendLoss() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.sendLossLocked()
}

func (a *userAssociation) sendLossLocked() error {
	switch {
	case a.state == established:
		return nil
	case a.loss != nil:
		return a.loss
	case a.byPeer:
		return &LossError{Reason: ReasonPeerShutdown, Peer: a.remoteLocked()}
	default:
		return &LossError{Reason: ReasonClosed, Peer: a.remoteLocked()}
	}
}
