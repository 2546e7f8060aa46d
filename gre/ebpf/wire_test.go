// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package ebpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

// tap keeps the IP packets that come in on a link, fragments as they are.
type tap struct {
	mu   sync.Mutex
	came [][]byte
}

func newTap(t *testing.T, n *namespace, link string) *tap {
	t.Helper()
	fd := -1
	n.do(func() {
		l, err := net.InterfaceByName(link)
		require.NoError(t, err)
		fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		require.NoError(t, err)
		wait := unix.NsecToTimeval(int64(20 * time.Millisecond))
		require.NoError(t, errors.Join(
			unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait), unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1),
			unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8, Ifindex: l.Index}),
		))
	})
	w, quit := &tap{}, make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		b := make([]byte, 1<<16)
		for {
			if n, _, err := unix.Recvfrom(fd, b, 0); err == nil && n >= 20 {
				w.mu.Lock()
				w.came = append(w.came, bytes.Clone(b[:n]))
				w.mu.Unlock()
			}
			select {
			case <-quit:
				return
			default:
			}
		}
	})
	t.Cleanup(func() { close(quit); running.Wait(); require.NoError(t, unix.Close(fd)) })
	return w
}

// next waits for so many packets with user data, ESP or GTP-U, whole or in fragments, and gives all that there are.
func (w *world) next(p *tap, n int, what string) (list [][]byte) {
	w.t.Helper()
	w.eventually(what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, b := range p.came {
			protocol, udp, first := b[9], 20, binary.BigEndian.Uint16(b[6:])&0x1fff == 0
			if b[0]>>4 == 6 {
				protocol, udp, first = b[6], 40, true
			}
			switch {
			case protocol == unix.IPPROTO_UDP && first && len(b) > udp+9 && binary.BigEndian.Uint16(b[udp+2:]) == gtpu.Port && b[udp+9] != byte(gtpu.GPDU):
			case protocol == unix.IPPROTO_UDP, protocol == unix.IPPROTO_ESP, protocol == unix.IPPROTO_FRAGMENT:
				list = append(list, b)
			}
		}
		p.came = nil
		return len(list) >= n
	})
	return list
}

// class is the type of service or traffic class of an IP packet.
func class(p []byte) byte {
	if p[0]>>4 == 6 {
		return p[0]<<4 | p[1]>>4
	}
	return p[1]
}
