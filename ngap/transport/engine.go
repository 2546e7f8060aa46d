// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"github.com/pion/logging"
	"github.com/pion/sctp"
)

// The transfer engine is pion/sctp, started in the established state with what
// the handshake agreed on. It believes in one peer behind a net.Conn and sees
// nothing but DATA and SACK chunks. What this file keeps away from it:
//
//   - it does not look at verification tags, and reads packets of at most
//     engineMTU octets: packets are checked before and rebuilt;
//   - a SACK beyond what was sent corrupts its send queue: feedSack drops it;
//   - a HEARTBEAT that it emits has no body, at which Linux aborts: Write drops
//     everything but DATA and SACK, and superviseLocked sends correct ones;
//   - it forgets unsent data at a shutdown and names the wrong TSN in it:
//     control.go shuts down by itself;
//   - its receive window is a bitmap that breaks at the wrap of the TSN unless
//     its size is a power of two: engineBuffer chooses such sizes;
//   - it does not find what it has sent beyond the wrap while something before
//     it is still under way, and stalls for ever on a gap block that names it:
//     beforeWrap takes such blocks out until then.
const engineMTU = 8192

// enginePort is what the engine takes for both ports.
const enginePort = 5000

// engineBuffer rounds a receive buffer up so that the engine's bitmap, which it
// makes of 4/500 bits per octet, has a power of two of 64-bit words.
func engineBuffer(n int) int {
	b := 256_000 // 2048 bits, the engine's least
	for b < n && b < 4_096_000 {
		b *= 2
	}
	return b
}

func newEngine(a *userAssociation) (*sctp.Association, error) {
	opt := a.ep.opt
	local := engineInit(initChunk{tag: a.tag, window: uint32(opt.ReceiveBuffer), out: a.out, in: a.in, tsn: a.tsn}, nil)
	// Zero Checksum Acceptable (RFC 9653) spares computing the CRC twice.
	zeroChecksum := appendTLV(nil, 0x8001, []byte{0, 0, 0, 1})
	remote := engineInit(initChunk{tag: a.peerTag, window: a.window, out: a.in, in: a.out, tsn: a.peerTSN}, zeroChecksum)
	return sctp.ClientWithOptions(
		sctp.WithNetConn(&engineConn{a: a}),
		sctp.WithLoggerFactory(silent{}),
		sctp.WithName("n2"),
		sctp.WithEnableZeroChecksum(true),
		sctp.WithMTU(uint32(opt.MTU)),
		sctp.WithMaxReceiveBufferSize(uint32(opt.ReceiveBuffer)),
		sctp.WithMaxMessageSize(uint32(opt.MaxMessageSize)),
		sctp.WithRTOMax(float64(opt.RTOMax.Milliseconds())),
		sctp.WithSNAP(local, remote),
	)
}

func engineInit(c initChunk, params []byte) []byte {
	v := binary.BigEndian.AppendUint32(nil, c.tag)
	v = binary.BigEndian.AppendUint32(v, c.window)
	v = binary.BigEndian.AppendUint16(v, c.out)
	v = binary.BigEndian.AppendUint16(v, c.in)
	v = binary.BigEndian.AppendUint32(v, c.tsn)
	return appendChunk(nil, chunkInit, 0, v, params)
}

// engineInput collects the chunks of one packet for the engine.
type engineInput struct {
	packets []enginePacket
	wake    bool // run the engine's reader even without a packet
}

// enginePacket is one packet as the engine reads it; without octets it only
// wakes the reader.
type enginePacket struct {
	b       []byte
	streams []uint16 // that its DATA chunks touch
	sack    bool
}

// add appends a chunk, opening another packet when the engine could not read
// it in one piece, and returns the place of the chunk's value for changes.
func (f *engineInput) add(typ, flags byte, value ...[]byte) (*enginePacket, []byte) {
	size := chunkHeaderLen
	for _, v := range value {
		size += len(v)
	}
	if n := len(f.packets); n == 0 || len(f.packets[n-1].b)+padded(size) > engineMTU {
		b := make([]byte, commonHeaderLen, commonHeaderLen+padded(size))
		binary.BigEndian.PutUint16(b, enginePort)
		binary.BigEndian.PutUint16(b[2:], enginePort)
		f.packets = append(f.packets, enginePacket{b: b})
	}
	p := &f.packets[len(f.packets)-1]
	start := len(p.b)
	p.b = appendChunk(p.b, typ, flags, value...)
	return p, p.b[start+chunkHeaderLen:]
}

// feedData checks a DATA chunk (RFC 9260 3.3.1, 6.5). mu is held.
func (a *userAssociation) feedData(f *engineInput, c chunk) {
	switch n := len(c.value) + chunkHeaderLen; {
	case a.state < established || n < dataHeaderLen:
		a.badPackets.Add(1)
		return
	case n == dataHeaderLen:
		a.abortLocked(ReasonProtocol, causeNoUserData, "DATA chunk without data")
		return
	case commonHeaderLen+padded(n) > engineMTU:
		a.abortLocked(ReasonProtocol, causeOutOfResource,
			fmt.Sprintf("DATA chunk of %d octets; user-space SCTP takes %d, set a smaller path MTU", n, engineMTU-commonHeaderLen))
		return
	}
	stream, flags := binary.BigEndian.Uint16(c.value[4:]), c.flags
	if stream >= a.in {
		// It must be acknowledged and reported (6.5): the engine gets it as a
		// message of its own on a stream that nobody reads.
		a.badStream.Add(1)
		report := []byte{c.value[4], c.value[5], 0, 0}
		a.transmit(appendChunk(a.packet(), chunkError, 0, appendTLV(nil, causeInvalidStream, report)))
		stream, flags = a.in, flagDataBegin|flagDataEnd|flagDataUnordered
	}
	p, v := f.add(chunkData, flags&(flagDataBegin|flagDataEnd|flagDataUnordered|8), c.value)
	binary.BigEndian.PutUint16(v[4:], stream)
	p.streams = append(p.streams, stream)
}

// feedSack checks a SACK against what has been sent (RFC 9260 3.3.4, 6.2.1).
func (a *userAssociation) feedSack(f *engineInput, c chunk) {
	if a.state < established || len(c.value) < sackHeaderLen-chunkHeaderLen {
		a.badPackets.Add(1)
		return
	}
	cum := binary.BigEndian.Uint32(c.value)
	gaps, dups := int(binary.BigEndian.Uint16(c.value[8:])), int(binary.BigEndian.Uint16(c.value[10:]))
	blocks := c.value[12:]
	highest := a.tx.highest
	if len(blocks) != 4*(gaps+dups) || tsnLess(highest, cum) {
		a.badPackets.Add(1)
		return
	}
	blocks = blocks[:4*gaps]
	for b, last := blocks, 0; len(b) > 0; b = b[4:] {
		start, end := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[2:]))
		if start <= last || end < start || end > int(highest-cum) || end == 0xffff {
			a.badPackets.Add(1)
			return
		}
		last = end
	}
	blocks = beforeWrap(cum, blocks)
	before := a.window
	a.window = binary.BigEndian.Uint32(c.value[4:])
	if low := uint32(a.ep.opt.MTU); before < low && a.window >= low && a.tx.probe != nil {
		// The engine has only its probe under way and waits for the timer of
		// that one, seconds perhaps, before it sends into the open window.
		a.ep.send(a.tx.probe, a.paths[a.primary].addr) //nolint:errcheck // as if lost
		a.tx.probe = nil
	}
	p, v := f.add(chunkSack, 0, c.value[:12], blocks)
	binary.BigEndian.PutUint16(v[8:], uint16(len(blocks)/4))
	binary.BigEndian.PutUint16(v[10:], 0) // duplicates tell the engine nothing
	p.sack = true
}

// beforeWrap cuts the gap blocks off that lie beyond the wrap of the TSN.
func beforeWrap(cum uint32, blocks []byte) []byte {
	room := ^uint32(0) - cum
	if room == 0 {
		return blocks // everything under way lies beyond
	}
	for i := 0; i < len(blocks); i += 4 {
		if uint32(binary.BigEndian.Uint16(blocks[i:])) > room {
			return blocks[:i]
		}
		if uint32(binary.BigEndian.Uint16(blocks[i+2:])) > room {
			cut := append([]byte(nil), blocks[:i+4]...)
			binary.BigEndian.PutUint16(cut[i+2:], uint16(room))
			return cut
		}
	}
	return blocks
}

// feedAck turns the acknowledgement in a SHUTDOWN into a SACK.
func (a *userAssociation) feedAck(f *engineInput, cum uint32) {
	v := binary.BigEndian.AppendUint32(nil, cum)
	v = binary.BigEndian.AppendUint32(v, a.window)
	a.feedSack(f, chunk{typ: chunkSack, value: append(v, 0, 0, 0, 0)})
}

// feed hands the packets over; what finds no room is lost, as on any network.
func (a *userAssociation) feed(f *engineInput) {
	if f.wake {
		f.packets = append(f.packets, enginePacket{})
	}
	for _, p := range f.packets {
		select {
		case a.rx.inbox <- p:
		default:
			a.badPackets.Add(1)
		}
	}
}

// engineConn is what the engine takes for its network.
type engineConn struct {
	a    *userAssociation
	last *enginePacket // what the engine has just processed
}

// Read is called by the engine's only reader after it has processed the packet
// before: the moment to look what that has changed.
func (c *engineConn) Read(b []byte) (int, error) {
	for {
		if c.last != nil {
			c.a.processed(c.last)
			c.last = nil
		}
		select {
		case p := <-c.a.rx.inbox:
			c.last = &p
			if p.b == nil {
				continue
			}
			if err := c.a.openStreams(p.streams); err != nil {
				return 0, err
			}
			return copy(b, p.b), nil
		case <-c.a.ending:
			return 0, io.EOF
		}
	}
}

// Write takes a packet of the engine to the peer: only DATA and SACK, with the
// real ports, tag and CRC32c. The engine does not use b again.
func (c *engineConn) Write(b []byte) (int, error) {
	a, n := c.a, len(b)
	a.mu.Lock()
	if a.state == closed {
		a.mu.Unlock()
		return 0, io.EOF
	}
	for rest := b[commonHeaderLen:]; len(rest) >= chunkHeaderLen; {
		size := int(binary.BigEndian.Uint16(rest[2:]))
		switch rest[0] {
		case chunkData:
			if tsn := binary.BigEndian.Uint32(rest[4:]); tsnLess(a.tx.highest, tsn) {
				a.tx.highest = tsn
			}
		case chunkSack:
			b = a.noteSack(b, rest)
			rest = nil
			continue
		default:
			a.mu.Unlock()
			return n, nil
		}
		rest = rest[min(padded(size), len(rest)):]
	}
	binary.BigEndian.PutUint16(b, a.ep.port)
	binary.BigEndian.PutUint16(b[2:], a.port)
	binary.BigEndian.PutUint32(b[4:], a.peerTag)
	to := a.paths[a.primary].addr
	if a.window < uint32(a.ep.opt.MTU) && b[commonHeaderLen] == chunkData {
		a.tx.probe = append(a.tx.probe[:0], b...)
	}
	a.mu.Unlock()
	if err := a.ep.send(b, to); err != nil {
		a.fail(ReasonSocket, "", err)
		return 0, err
	}
	return n, nil
}

// noteSack keeps what a SACK of ours says, cuts it down to the MTU, and adds
// the SHUTDOWN that must answer DATA in that state (RFC 9260 9.2). mu is held.
func (a *userAssociation) noteSack(b, sack []byte) []byte {
	a.rx.ackPoint = binary.BigEndian.Uint32(sack[4:])
	gaps := int(binary.BigEndian.Uint16(sack[12:]))
	if room := (a.ep.opt.MTU - commonHeaderLen - sackHeaderLen - 8) / 4; gaps > room {
		gaps = room
		binary.BigEndian.PutUint16(sack[2:], uint16(sackHeaderLen+4*gaps))
		binary.BigEndian.PutUint16(sack[12:], uint16(gaps))
		binary.BigEndian.PutUint16(sack[14:], 0)
		b = b[:commonHeaderLen+sackHeaderLen+4*gaps]
	}
	a.rx.sackSent(sack[:min(len(sack), int(binary.BigEndian.Uint16(sack[2:])))], gaps)
	if a.state == shutdownSent {
		b = appendChunk(b, chunkShutdown, 0, binary.BigEndian.AppendUint32(nil, a.rx.ackPoint))
	}
	return b
}

func (c *engineConn) Close() error                     { return nil }
func (c *engineConn) LocalAddr() net.Addr              { return net.UDPAddrFromAddrPort(netip.AddrPort{}) }
func (c *engineConn) RemoteAddr() net.Addr             { return net.UDPAddrFromAddrPort(netip.AddrPort{}) }
func (c *engineConn) SetDeadline(time.Time) error      { return nil }
func (c *engineConn) SetReadDeadline(time.Time) error  { return nil }
func (c *engineConn) SetWriteDeadline(time.Time) error { return nil }

// silent is the engine's log: what matters to operators is logged here.
type silent struct{}

func (silent) NewLogger(string) logging.LeveledLogger { return silent{} }
func (silent) Trace(string)                           {}
func (silent) Tracef(string, ...any)                  {}
func (silent) Debug(string)                           {}
func (silent) Debugf(string, ...any)                  {}
func (silent) Info(string)                            {}
func (silent) Infof(string, ...any)                   {}
func (silent) Warn(string)                            {}
func (silent) Warnf(string, ...any)                   {}
func (silent) Error(string)                           {}
func (silent) Errorf(string, ...any)                  {}
