// SPDX-License-Identifier: Apache-2.0

//go:build linux

package transport

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
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
	testenv.NeedRoot(t)
	testenv.Need(t, ProbeKernel() != nil, "a kernel without SCTP: with it, unload the sctp module, which answers on raw sockets' behalf")
	for _, ip := range []string{"127.0.0.1", "::1"} {
		t.Run(ip, func(t *testing.T) {
			l, err := Listen(Options{Mode: ModeRaw, Local: []netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(ip), 40000)}, Logger: quiet})
			require.NoError(t, err)
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
