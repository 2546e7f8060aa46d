// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// logged builds a datagram of the packet log.
func logged(attributes ...[]byte) []byte {
	b := append(make([]byte, netlinkHeader), 5, 0, 0x4e, 0) // NFPROTO_NETDEV, version 0, group
	b = append(b, slices.Concat(attributes...)...)
	binary.NativeEndian.PutUint32(b, uint32(len(b)))
	binary.NativeEndian.PutUint16(b[4:], logPacket)
	return b
}

func attribute(kind uint16, value ...byte) []byte { return appendAttribute(nil, kind, value...) }

func TestParseLogged(t *testing.T) {
	head := attribute(1, 8, 0, 0, 0) // NFULA_PACKET_HDR: IPv4, at ingress
	mark, in, packet := attribute(logMark, 0, 0, 0x12, 0x31), attribute(logInput, 0, 0, 0, 9), attribute(logPayload, 0x45, 1, 2, 3, 4)
	got, m, link, ok := parseLogged(logged(head, mark, in, packet))
	require.True(t, ok)
	require.Equal(t, []byte{0x45, 1, 2, 3, 4}, got)
	require.Equal(t, uint32(0x1231), m)
	require.Equal(t, 9, link)

	other := logged(head, mark, in, packet)
	binary.NativeEndian.PutUint16(other[4:], logConfig)
	long := logged(head, mark, in, packet)
	binary.NativeEndian.PutUint32(long, uint32(len(long)+1))
	short := logged(head, mark, in, packet)
	binary.NativeEndian.PutUint32(short, netlinkHeader+nfnetlinkHeader-1)
	cut := logged(head, mark, in, packet)
	binary.NativeEndian.PutUint16(cut[netlinkHeader+nfnetlinkHeader:], 3)
	for name, b := range map[string][]byte{
		"nothing": nil, "no mark": logged(head, in, packet), "no packet": logged(head, mark, in), "empty packet": logged(mark, in, attribute(logPayload)),
		"mark of 3 octets": logged(attribute(logMark, 1, 2, 3), packet), "another message": other, "longer than it is": long, "shorter than its header": short,
		"attribute shorter than its header": cut, "attribute longer than the message": logged(mark, packet[:len(packet)-4]),
	} {
		_, _, _, ok := parseLogged(b)
		require.False(t, ok, name)
	}
	b := logged(head, mark, in, packet)
	require.Zero(t, testing.AllocsPerRun(100, func() { parseLogged(b) }))
}

func FuzzParseLogged(f *testing.F) {
	f.Add(logged(attribute(logMark, 0, 0, 0x12, 0x31), attribute(logPayload, 0x45)))
	f.Add(logged(attribute(logPayload, 0x60, 1, 2), attribute(logMark, 0, 0, 0x12, 0x31)))
	f.Add(make([]byte, netlinkHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		packet, mark, _, ok := parseLogged(b)
		if ok {
			require.NotZero(t, mark)
			require.NotEmpty(t, packet)
			require.LessOrEqual(t, len(packet), len(b)-netlinkHeader-nfnetlinkHeader-2*attributeHeader)
		}
	})
}

func TestLoggedWorkers(t *testing.T) {
	for workers, want := range map[int]int{1: 1, 2: 2, 3: 2, 4: 4, 7: 4, 8: 8, 64: 8} {
		require.Equal(t, want, loggedWorkers(workers), workers)
	}
}
