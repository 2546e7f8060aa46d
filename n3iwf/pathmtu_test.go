// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

// The largest user PDU that needs no fragments, over every kind of path: the same numbers as counted by hand from the headers of RFC 791, 8200, 768, 4303,
// 4106, 3602, 4868 and TS 24.502 9.3.3. One octet more does not fit.
func TestLongestPDU(t *testing.T) {
	const ipv4, ipv6, udp, gre = 20, 40, 8, 8
	gcm := ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}
	cbc := ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA256_128}
	outer4, outer6 := netip.MustParseAddrPort("192.0.2.1:4500"), netip.MustParseAddrPort("[2001:db8::1]:4500")
	for _, c := range []struct {
		mtu, outer, encapsulation, inner int
		gcm, cbc                         int
	}{
		{1500, ipv4, 0, ipv4, 1418, 1410},
		{1500, ipv4, udp, ipv4, 1410, 1394},
		{1500, ipv6, 0, ipv4, 1398, 1378},
		{1500, ipv6, udp, ipv4, 1390, 1378},
		{1500, ipv6, udp, ipv6, 1370, 1358},
		{1358, ipv4, udp, ipv4, 1266, 1250}, // a relay UE's PDU session
		{1280, ipv6, udp, ipv6, 1150, 1134},
	} {
		path := ipsec.Path{Local: outer4, Remote: outer4, NATT: c.encapsulation > 0}
		if c.outer == ipv6 {
			path.Local, path.Remote = outer6, outer6
		}
		for alg, want := range map[ipsec.Algorithms]int{gcm: c.gcm, cbc: c.cbc} {
			t.Run(fmt.Sprint(c.mtu, " ", path, " ", c.inner, " ", alg.Encr), func(t *testing.T) {
				longest := longestInner(c.mtu, path, alg)
				require.Equal(t, want, longest-c.inner-gre)
				keys := ipsec.Keys{Encr: make([]byte, 20)}
				if alg == cbc {
					keys = ipsec.Keys{Encr: make([]byte, 16), Integ: make([]byte, 32)}
				}
				out, err := esp.NewOutbound(256, alg, keys, false, 0)
				require.NoError(t, err)
				wire := func(inner int) int { return out.Size(inner) + c.outer + c.encapsulation }
				require.LessOrEqual(t, wire(longest), c.mtu)
				require.Greater(t, wire(longest+1), c.mtu)
			})
		}
	}
}
