// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// Chunk types (RFC 9260 3.2).
const (
	chunkData             = 0
	chunkInit             = 1
	chunkInitAck          = 2
	chunkSack             = 3
	chunkHeartbeat        = 4
	chunkHeartbeatAck     = 5
	chunkAbort            = 6
	chunkShutdown         = 7
	chunkShutdownAck      = 8
	chunkError            = 9
	chunkCookieEcho       = 10
	chunkCookieAck        = 11
	chunkShutdownComplete = 14
)

const (
	commonHeaderLen = 12
	chunkHeaderLen  = 4
	dataHeaderLen   = 16 // of a DATA chunk, with the chunk header
	sackHeaderLen   = 16 // of a SACK chunk, with the chunk header

	// flagTagReflected is the T bit of ABORT and SHUTDOWN COMPLETE: the tag is
	// the one that the receiver itself uses (RFC 9260 8.5.1).
	flagTagReflected = 1

	// DATA flags (RFC 9260 3.3.1).
	flagDataEnd       = 1
	flagDataBegin     = 2
	flagDataUnordered = 4
)

var (
	errPacketShort    = errors.New("packet is shorter than its headers")
	errPacketChecksum = errors.New("packet has a wrong CRC32c")
	errPacketPort     = errors.New("packet has port 0")
	errChunkLength    = errors.New("chunk length does not fit the packet")
)

// chunk is a view into a received packet.
type chunk struct {
	typ, flags byte
	value      []byte // without header and padding
}

// packet is a received SCTP packet; its chunks point into the datagram.
type packet struct {
	src, dst uint16
	tag      uint32
	chunks   []chunk
}

// parse reads b, checking the CRC32c unless it is zero and zeroOK. The chunk
// slice of p is used again. Only the last chunk may lack its padding.
func (p *packet) parse(b []byte, zeroOK bool) error {
	p.chunks = p.chunks[:0]
	if len(b) < commonHeaderLen+chunkHeaderLen {
		return errPacketShort
	}
	sum := binary.LittleEndian.Uint32(b[8:])
	if !(sum == 0 && zeroOK) && sum != checksum(b) {
		return errPacketChecksum
	}
	p.src, p.dst, p.tag = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]), binary.BigEndian.Uint32(b[4:])
	if p.src == 0 || p.dst == 0 {
		return errPacketPort
	}
	for rest := b[commonHeaderLen:]; len(rest) > 0; {
		if len(rest) < chunkHeaderLen {
			return errChunkLength
		}
		n := int(binary.BigEndian.Uint16(rest[2:]))
		if n < chunkHeaderLen || n > len(rest) {
			return errChunkLength
		}
		p.chunks = append(p.chunks, chunk{typ: rest[0], flags: rest[1], value: rest[chunkHeaderLen:n:n]})
		rest = rest[min(padded(n), len(rest)):]
	}
	return nil
}

func padded(n int) int { return (n + 3) &^ 3 }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is the CRC32c of a packet with its checksum field taken as zero
// (RFC 9260 6.8, appendix A). It is stored in little-endian order.
func checksum(b []byte) uint32 {
	var zero [4]byte
	s := crc32.Update(0, castagnoli, b[:8])
	s = crc32.Update(s, castagnoli, zero[:])
	return crc32.Update(s, castagnoli, b[commonHeaderLen:])
}

// newPacket starts an outbound packet; appendChunk adds to it, seal ends it.
func newPacket(src, dst uint16, tag uint32) []byte {
	b := make([]byte, commonHeaderLen, 128)
	binary.BigEndian.PutUint16(b, src)
	binary.BigEndian.PutUint16(b[2:], dst)
	binary.BigEndian.PutUint32(b[4:], tag)
	return b
}

// appendChunk adds a chunk made of the given parts of its value, padded.
func appendChunk(b []byte, typ, flags byte, value ...[]byte) []byte {
	start := len(b)
	b = append(b, typ, flags, 0, 0)
	for _, v := range value {
		b = append(b, v...)
	}
	binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start))
	return pad(b, start)
}

// pad fills with zeros what began at start up to a multiple of 4 octets.
func pad(b []byte, start int) []byte {
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// seal fills in the CRC32c.
func seal(b []byte) []byte {
	binary.LittleEndian.PutUint32(b[8:], checksum(b))
	return b
}

// appendTLV pads b and adds a parameter or error cause: type, length, value.
// The padding of the last one is left to the chunk (RFC 9260 3.2).
func appendTLV(b []byte, typ uint16, value []byte) []byte {
	b = pad(b, 0)
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(chunkHeaderLen+len(value)))
	return append(b, value...)
}

// nextTLV splits the first parameter or error cause off b. It reports false at
// the end and on a length that does not fit.
func nextTLV(b []byte) (typ uint16, value, rest []byte, ok bool) {
	if len(b) < chunkHeaderLen {
		return 0, nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < chunkHeaderLen || n > len(b) {
		return 0, nil, nil, false
	}
	return binary.BigEndian.Uint16(b), b[chunkHeaderLen:n], b[min(padded(n), len(b)):], true
}

// tsnLess is serial number order (RFC 9260 1.6).
func tsnLess(a, b uint32) bool { return int32(a-b) < 0 }
