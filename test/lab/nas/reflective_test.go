// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A derived rule takes the answers to its packet and nothing else, before the default rule and behind signalled ones of smaller precedence value.
func TestDeriveRule(t *testing.T) {
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(s)
		require.NoError(t, err)
		return b
	}
	const (
		down4 = "450000200000000040110000c00002010a2d0001" + "00070fa0000c0000" + "61626364"
		up4   = "4500002000000000401100000a2d0001c0000201" + "0fa00007000c0000" + "61626364"
		down6 = "6000000000081140" + "20010db8000000000000000000000007" + "fd450000000000000000000000000001" + "00070fa000080000"
		up6   = "6000000000081140" + "fd450000000000000000000000000001" + "20010db8000000000000000000000007" + "0fa0000700080000"
		ping  = "450000200000000040010000c00002010a2d0001" + "0000000000010001" + "61626364"
		pong  = "4500002000000000400100000a2d0001c0000201" + "0800000000010001" + "61626364"
	)
	def := QoSRules{{Default: true, Precedence: new(uint8(255)), QFI: new(uint8(1)), Filters: []PacketFilter{{Direction: BothWays, Components: []FilterComponent{{Type: MatchAll}}}}}}
	for _, tt := range []struct {
		name, down, up string
		qfi            uint8
	}{
		{"IPv4", down4, up4, 2}, {"IPv6", down6, up6, 2}, {"without ports", ping, pong, 2},
		{"another local port", down4, up4[:40] + "0fa1" + up4[44:], 1}, {"another remote port", down4, up4[:44] + "0008" + up4[48:], 1},
		{"another protocol", down4, up4[:18] + "06" + up4[20:], 1}, {"another host", down4, up4[:32] + "c0000202" + up4[40:], 1},
		{"another family", down4, up6, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rule, ok := DeriveRule(unhex(tt.down), 2)
			require.True(t, ok)
			qfi, ok := append(QoSRules{rule}, def...).Classify(Uplink, unhex(tt.up))
			require.True(t, ok)
			require.Equal(t, tt.qfi, qfi)
			signalled := QoSRule{Precedence: new(uint8(79)), QFI: new(uint8(3)), Filters: def[0].Filters}
			qfi, _ = QoSRules{rule, signalled}.Classify(Uplink, unhex(tt.up))
			require.EqualValues(t, 3, qfi)
		})
	}
	_, ok := DeriveRule(unhex("021122334455"), 2)
	require.False(t, ok, "an Ethernet frame")
}

func TestReflectiveTime(t *testing.T) {
	for timer, want := range map[uint8]time.Duration{0x01: 2 * time.Second, 0x1f: 62 * time.Second, 0x21: time.Minute, 0x42: 12 * time.Minute, 0xe5: 0} {
		require.Equal(t, want, ReflectiveTime(timer), "%#x", timer)
	}
}
