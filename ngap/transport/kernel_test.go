// SPDX-License-Identifier: Apache-2.0

//go:build linux

package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestProbeKernelAgreesWithTheKernel(t *testing.T) {
	err := ProbeKernel()
	if err == nil {
		return // TestKernel does the rest
	}
	require.ErrorIs(t, err, ErrKernelUnsupported)
	require.ErrorIs(t, err, unix.EPROTONOSUPPORT)
	_, err = Dial(t.Context(), Options{Mode: ModeKernel, Remote: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}})
	require.ErrorIs(t, err, unix.EPROTONOSUPPORT)
	_, err = Listen(Options{Mode: ModeKernel})
	require.ErrorIs(t, err, unix.EPROTONOSUPPORT)
}

func TestAutoSaysWhichModeItTookAndWhy(t *testing.T) {
	var out bytes.Buffer
	l, err := Listen(Options{Local: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, UDPPort: EphemeralPort,
		Logger: slog.New(slog.NewTextHandler(&out, nil))})
	require.NoError(t, err)
	defer l.Close() //nolint:errcheck // always nil
	if ProbeKernel() == nil {
		require.Equal(t, ModeKernel, l.Mode())
		require.Contains(t, out.String(), "mode=kernel")
		return
	}
	require.Equal(t, ModeUDP, l.Mode())
	require.EqualValues(t, Port, l.Addr().Port)
	require.Contains(t, out.String(), "mode=udp")
	require.Contains(t, out.String(), "the kernel has no SCTP")
}

func TestControlMessage(t *testing.T) {
	b := controlMessage(sndRcvInfo{stream: 7, flags: 4, ppid: PPID})
	require.Len(t, b, unix.CmsgSpace(sndRcvInfoLen))
	got, err := infoOf(b)
	require.NoError(t, err)
	require.Equal(t, sndRcvInfo{stream: 7, flags: 4, ppid: PPID}, got)
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 && unix.SizeofCmsghdr == 16 {
		// What sctp_sendmsg(3) of lksctp puts on a 64-bit little-endian machine.
		require.Equal(t, unhex(t, "3000000000000000"+"84000000"+"01000000"+
			"0700"+"0000"+"0400"+"0000"+"0000003c"+"00000000"+"00000000"+"00000000"+"00000000"+"00000000"), b)
	}
	_, err = infoOf(nil)
	require.ErrorIs(t, err, errControl)
	_, err = infoOf([]byte{1, 2, 3})
	require.Error(t, err)
	_, err = parseSndRcvInfo(make([]byte, 31))
	require.ErrorIs(t, err, errControl)
}

func TestKernelOptionsHaveTheKernelsSizes(t *testing.T) {
	o, err := Options{Remote: make([]netip.AddrPort, 0)}.defaulted()
	require.NoError(t, err)
	sizes := map[string]int{}
	for _, s := range kernelOptions(o) {
		sizes[s.name] = len(s.value)
	}
	// sizeof of the structures in linux/sctp.h; sctp_paddrparams is 152 without
	// the flow label fields that came with 4.17, and both sizes are taken.
	require.Equal(t, map[string]int{"SCTP_RTOINFO": 16, "SCTP_ASSOCINFO": 20, "SCTP_INITMSG": 8, "SCTP_NODELAY": 4, "SCTP_PEER_ADDR_PARAMS": 152, "SCTP_EVENTS": 8}, sizes)
}

func TestNotifications(t *testing.T) {
	change := append(u16s(noteAssocChange, 0), u32s(20)...)
	change = append(change, u16s(commLost, causeOutOfResource, 10, 12)...)
	change = append(change, u32s(5)...)
	change = append(change, appendTLV(nil, causeUserInitiatedAbort, []byte("bye"))...)
	n, err := parseNotification(change)
	require.NoError(t, err)
	require.Equal(t, notification{kind: noteAssocChange, state: commLost, code: causeOutOfResource, info: change[20:]}, n)

	addr := append(append(append(u16s(notePeerAddrChange, 0), u32s(148)...), make([]byte, 128)...), u32s(addrMadePrimary, 3, 5)...)
	n, err = parseNotification(addr)
	require.NoError(t, err)
	require.Equal(t, notification{kind: notePeerAddrChange, state: addrMadePrimary, code: 3}, n)
	for _, b := range [][]byte{nil, change[:7], change[:19], addr[:143]} {
		_, err := parseNotification(b)
		require.ErrorIs(t, err, errNotification)
	}
}

func TestAssemblerPutsPartialDeliveryTogether(t *testing.T) {
	s := assembler{limit: 6}
	m, large := s.add([]byte("abc"), false)
	require.Nil(t, m)
	require.False(t, large)
	m, large = s.add([]byte("def"), true)
	require.Equal(t, "abcdef", string(m))
	require.False(t, large)
	_, _ = s.add([]byte("abcd"), false)
	_, _ = s.add([]byte("efg"), false)
	m, large = s.add([]byte("h"), true)
	require.Nil(t, m)
	require.True(t, large)
	_, _ = s.add([]byte("lost"), false)
	s.reset()
	m, large = s.add([]byte("next"), true)
	require.Equal(t, "next", string(m))
	require.False(t, large)
}

// TestRaw runs over real raw sockets, which see their own packets as well.
func TestRaw(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			l, err := Listen(Options{Mode: ModeRaw, Local: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(ip), 40000)}, Logger: quiet})
			if errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) {
				t.Skip("raw sockets need CAP_NET_RAW")
			}
			require.NoError(t, err)
			if ProbeKernel() == nil {
				l.Close() //nolint:errcheck // always nil
				t.Skip("this kernel's own SCTP answers on raw sockets' behalf")
			}
			defer l.Close() //nolint:errcheck // always nil
			c, err := Dial(t.Context(), Options{Mode: ModeRaw, Remote: l.Addr().AddrPorts(), Local: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(ip), 0)}, Logger: quiet})
			require.NoError(t, err)
			s, err := l.Accept(t.Context())
			require.NoError(t, err)
			require.Zero(t, c.RemoteAddr().UDPPort)
			exchange(t, rand.New(rand.NewPCG(1, 1)), c, s, 200, 3000)
			require.NoError(t, s.Close())
			requireLoss(t, receiveError(t, c), ReasonPeerShutdown)
		})
	}
}

// TestKernel is the kernel maker against itself, where there is one: all that
// the user-space tests ask of an association from outside.
func TestKernel(t *testing.T) {
	if err := ProbeKernel(); err != nil {
		t.Skip(err)
	}
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
