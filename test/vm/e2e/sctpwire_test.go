// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// sctpWire listens on links for SCTP's user data.
type sctpWire struct {
	t    *testing.T
	mu   sync.Mutex
	data []sctpData
}

// sctpData is a DATA chunk (RFC 9260 3.3.1).
type sctpData struct {
	source  netip.Addr
	stream  uint16
	ppid    uint32
	message []byte
}

func watchSCTP(t *testing.T, h *host, links ...string) *sctpWire {
	t.Helper()
	s := &sctpWire{t: t}
	quit := make(chan struct{})
	var running sync.WaitGroup
	for _, name := range links {
		fd := -1
		var err error
		h.do(func() {
			var link *net.Interface
			if link, err = net.InterfaceByName(name); err != nil {
				return
			}
			if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0); err != nil {
				return
			}
			wait := unix.NsecToTimeval(int64(100 * time.Millisecond))
			if err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
				return
			}
			const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order; what leaves comes to these only
			err = unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all & 0xffff, Ifindex: link.Index})
		})
		require.NoError(t, err)
		running.Go(func() {
			b := make([]byte, 1<<16)
			for {
				if n, _, err := unix.Recvfrom(fd, b, 0); err == nil {
					s.packet(b[:n])
				}
				select {
				case <-quit:
					return
				default:
				}
			}
		})
		t.Cleanup(func() { require.NoError(t, unix.Close(fd)) })
	}
	t.Cleanup(func() { close(quit); running.Wait() })
	return s
}

// packet takes the DATA chunks of an IPv4 packet.
func (s *sctpWire) packet(b []byte) {
	const protocolSCTP, commonHeader, chunkData, dataHeader = 132, 12, 0, 16
	if len(b) < 20 || b[0]>>4 != 4 || b[9] != protocolSCTP {
		return
	}
	source := netip.AddrFrom4([4]byte(b[12:]))
	b = b[int(b[0]&15)*4 : binary.BigEndian.Uint16(b[2:])]
	if len(b) < commonHeader {
		return
	}
	for b = b[commonHeader:]; len(b) >= 4; {
		length := int(binary.BigEndian.Uint16(b[2:]))
		if length < 4 || length > len(b) {
			return
		}
		if whole := byte(3); b[0] == chunkData && length > dataHeader && b[1]&3 == whole {
			s.mu.Lock()
			s.data = append(s.data, sctpData{
				source: source, stream: binary.BigEndian.Uint16(b[8:]), ppid: binary.BigEndian.Uint32(b[12:]), message: bytes.Clone(b[dataHeader:length]),
			})
			s.mu.Unlock()
		}
		b = b[min((length+3)&^3, len(b)):]
	}
}

// take gives what was heard so far, retransmissions included.
func (s *sctpWire) take() []sctpData {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data
}
