// SPDX-License-Identifier: Apache-2.0

package capture_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/capture"
)

// The counts are tshark's.
func TestCaptureReaders(t *testing.T) {
	file := func(name string) string { return capture.Path(t, capture.Registration, name) }

	udp := capture.UDP(t, file("nwu.pcap"))
	require.Equal(t, 17, len(udp))
	require.Equal(t, netip.MustParseAddrPort("192.168.127.2:500"), udp[0].Src)
	require.Equal(t, netip.MustParseAddrPort("192.168.127.1:500"), udp[0].Dst)
	require.Equal(t, 71, len(capture.ESP(t, file("nwu.pcap"))))

	sctp := capture.SCTP(t, file("n2.pcap"))
	require.Equal(t, 16, len(sctp))
	for _, c := range sctp {
		require.EqualValues(t, 60, c.PPID)
		require.EqualValues(t, 3, c.Flags&3, "whole message")
	}
	tcp := capture.TCP(t, file("nas-tcp-inner.pcap"))
	require.NotEmpty(t, tcp)
	require.EqualValues(t, 20000, tcp[0].Dst.Port())
	require.NotEmpty(t, capture.IP(t, file("gre-inner.pcap")))
	require.NotEmpty(t, capture.UDP(t, file("n3.pcap")))
	require.Len(t, capture.Keys(t, file("keys.txt")), 3)
}
