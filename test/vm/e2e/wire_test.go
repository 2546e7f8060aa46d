// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// wire keeps the IP packets that come and go on links.
type wire struct {
	mu      sync.Mutex
	packets [][]byte
}

func listen(t *testing.T, h *host, links ...string) *wire {
	t.Helper()
	s := &wire{}
	quit := make(chan struct{})
	var running sync.WaitGroup
	for _, name := range links {
		fd := -1
		var err error
		h.do(func() { fd, err = packetSocket(name) })
		require.NoError(t, err)
		running.Go(func() {
			b := make([]byte, 1<<16)
			for {
				if n, from, err := unix.Recvfrom(fd, b, 0); err == nil && n >= 20 && isIP(from) {
					s.mu.Lock()
					s.packets = append(s.packets, bytes.Clone(b[:n]))
					s.mu.Unlock()
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

// packetSocket hears all that a link of this network namespace carries, in both directions.
func packetSocket(name string) (int, error) {
	link, err := net.InterfaceByName(name)
	if err != nil {
		return -1, err
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	wait := unix.NsecToTimeval(int64(100 * time.Millisecond))
	return fd, errors.Join(
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait),
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20),
		unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: networkOrder(unix.ETH_P_ALL), Ifindex: link.Index}), // what leaves is heard by those for all only
	)
}

func networkOrder(v uint16) uint16 { return v<<8 | v>>8 }

func isIP(from unix.Sockaddr) bool {
	a, ok := from.(*unix.SockaddrLinklayer)
	return ok && (a.Protocol == networkOrder(unix.ETH_P_IP) || a.Protocol == networkOrder(unix.ETH_P_IPV6))
}

// forget forgets what was heard so far.
func (s *wire) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.packets = nil
}

// take gives what was heard so far.
func (s *wire) take() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.packets
}
