// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelsctp

// These tests are for machines whose kernel has SCTP: go test -tags kernelsctp ./ngap/transport

package transport

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestKernel is the kernel maker against itself, where there is one: all that
// the user-space tests ask of an association from outside.
func TestKernel(t *testing.T) {
	require.NoError(t, ProbeKernel())
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			l, err := Listen(Options{Mode: ModeKernel, Local: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(ip), 40001)}, OutboundStreams: 3, Logger: quiet})
			require.NoError(t, err)
			defer l.Close() //nolint:errcheck // nothing to lose
			open := func(o Options) (c, s Association) {
				o.Mode, o.Remote, o.Logger = ModeKernel, l.Addr().AddrPorts(), quiet
				c, err := Dial(t.Context(), o)
				require.NoError(t, err)
				s, err = l.Accept(t.Context())
				require.NoError(t, err)
				return c, s
			}
			testPair(t, open)
		})
	}
	_, err := Dial(t.Context(), Options{Mode: ModeKernel, Remote: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:40009")}, Logger: quiet})
	requireLoss(t, err, ReasonRefused)
}

// testPair is what every pair of ends over real sockets must do.
func testPair(t *testing.T, open func(Options) (c, s Association)) {
	t.Helper()
	c, s := open(Options{OutboundStreams: 5})
	require.Equal(t, 5, c.Streams())
	require.Equal(t, 3, s.Streams())
	require.Equal(t, c.LocalAddr().Port, s.RemoteAddr().Port)
	require.ErrorIs(t, c.Send(t.Context(), 5, []byte{1}), ErrStream)
	exchange(t, rand.New(rand.NewPCG(1, 1)), c, s, 300, 9000)
	big := payload(3, 9, 200<<10)
	go c.Send(t.Context(), 3, big) //nolint:errcheck // shows below
	requirePayload(t, receive(t, s), 3, 9, len(big))
	for i := range 50 {
		send(t, c, 1, payload(1, uint32(i), 5000))
	}
	done := make(chan error, 1)
	go func() { done <- c.Close() }()
	for i := range 50 {
		requirePayload(t, receive(t, s), 1, uint32(i), 5000)
	}
	requireLoss(t, receiveError(t, s), ReasonPeerShutdown)
	require.NoError(t, <-done)
	requireLoss(t, c.Err(), ReasonClosed)

	c, s = open(Options{})
	require.NoError(t, c.Abort("enough"))
	t.Log(requireLoss(t, receiveError(t, s), ReasonPeerAbort))
	requireLoss(t, c.Send(t.Context(), 0, []byte{1}), ReasonAborted)

	c, s = open(Options{})
	send(t, s, 1, []byte("x"))
	require.NoError(t, s.Abort("other way"))
	for {
		if _, err := c.Receive(t.Context()); err != nil {
			requireLoss(t, err, ReasonPeerAbort)
			break
		}
	}
	start := time.Now()
	require.Error(t, c.Close(), "of an association that was aborted")
	require.Less(t, time.Since(start), time.Second)
}
