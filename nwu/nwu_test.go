// SPDX-License-Identifier: Apache-2.0

package nwu

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestQoSInfo(t *testing.T) {
	ef := uint8(46)
	for _, c := range []struct {
		name string
		info QoSInfo
		hex  string // examples of TS 24.502 clause 9.3.1.1 as the fact sheet gives them
	}{
		{"no flags", QoSInfo{PDUSessionID: 5, QFIs: []uint8{9}}, "0405010900"},
		{"default", QoSInfo{PDUSessionID: 5, QFIs: []uint8{9}, Default: true}, "0405010902"},
		{"default with DSCP", QoSInfo{PDUSessionID: 5, QFIs: []uint8{9}, Default: true, DSCP: &ef}, "05050109032e"},
		{"no flow", QoSInfo{PDUSessionID: 1, Default: true}, "03010002"},
		{"additional", QoSInfo{PDUSessionID: 1, QFIs: []uint8{1, 2}, Additional: []byte{1, 6, 0}}, "0801020102040106" + "00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := c.info.Append(nil)
			require.NoError(t, err)
			require.Equal(t, c.hex, hex.EncodeToString(b))
			back, err := ParseQoSInfo(b)
			require.NoError(t, err)
			require.Equal(t, c.info, back)
			for n := range b {
				if q, err := ParseQoSInfo(b[:n]); err == nil && n != int(b[0]) { // a length that counts itself cannot be told from one octet missing
					require.Empty(t, q.Additional, "of %d octets", n)
				}
			}
		})
	}
	q, err := ParseQoSInfo([]byte{5, 1, 1, 1, 2}) // the length counts itself
	require.NoError(t, err)
	require.Equal(t, QoSInfo{PDUSessionID: 1, QFIs: []uint8{1}, Default: true}, q)
	for _, bad := range []string{"", "03", "030100", "ff010002", "04010502", "04010001"} {
		b, _ := hex.DecodeString(bad)
		_, err := ParseQoSInfo(b)
		require.ErrorIs(t, err, ErrQoSInfo, bad)
	}
}

func FuzzParseQoSInfo(f *testing.F) {
	f.Add([]byte{5, 5, 1, 9, 3, 0x2e})
	f.Add([]byte{4, 5, 1, 9, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := ParseQoSInfo(b)
		if err != nil {
			return
		}
		again, err := q.Append(nil)
		if err != nil {
			return // longer than a length octet can say
		}
		back, err := ParseQoSInfo(again)
		if err != nil || back.PDUSessionID != q.PDUSessionID || len(back.QFIs) != len(q.QFIs) || back.Default != q.Default {
			t.Fatalf("%+v became %+v (%v)", q, back, err)
		}
	})
}

func TestBackoffTimer(t *testing.T) {
	for _, c := range []struct{ in, out time.Duration }{
		{0, 0}, {3 * time.Second, 4 * time.Second}, {62 * time.Second, 62 * time.Second}, {90 * time.Second, 90 * time.Second},
		{10 * time.Minute, 10 * time.Minute}, {16 * time.Minute, 16 * time.Minute}, {40 * time.Minute, 40 * time.Minute}, {7 * time.Hour, 7 * time.Hour}, {40 * time.Hour, 40 * time.Hour},
	} {
		d, ok := ParseBackoffTimer(BackoffTimer(c.in))
		require.True(t, ok)
		require.Equal(t, c.out, d)
	}
	for _, bad := range [][]byte{nil, {1}, {2, 0x61}, {1, 0xe0}} {
		_, ok := ParseBackoffTimer(bad)
		require.False(t, ok, "% x", bad)
	}
}
