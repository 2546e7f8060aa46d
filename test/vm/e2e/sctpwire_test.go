// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"encoding/binary"
	"net/netip"
)

// sctpData is a DATA chunk (RFC 9260 3.3.1).
type sctpData struct {
	source  netip.Addr
	stream  uint16
	ppid    uint32
	message []byte
}

// userData gives the DATA chunks of the IPv4 packets, retransmissions included. Messages in several chunks are left out.
func (s *wire) userData() (list []sctpData) {
	for _, p := range s.take() {
		list = append(list, dataChunks(p)...)
	}
	return list
}

func dataChunks(b []byte) (list []sctpData) {
	const protocolSCTP, commonHeader, chunkData, dataHeader = 132, 12, 0, 16
	if b[0]>>4 != 4 || b[9] != protocolSCTP {
		return nil
	}
	source := netip.AddrFrom4([4]byte(b[12:]))
	b = b[int(b[0]&15)*4 : binary.BigEndian.Uint16(b[2:])]
	for b = b[min(commonHeader, len(b)):]; len(b) >= 4; {
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < 4 || length > len(b) {
			return list
		}
		if whole := byte(3); b[0] == chunkData && length > dataHeader && b[1]&3 == whole {
			list = append(list, sctpData{
				source: source, stream: binary.BigEndian.Uint16(b[8:]), ppid: binary.BigEndian.Uint32(b[12:]), message: b[dataHeader:length],
			})
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return list
}
