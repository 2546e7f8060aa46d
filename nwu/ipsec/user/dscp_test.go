// SPDX-License-Identifier: Apache-2.0

package user

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// The DSCP of an SA stands in the outer header, whatever the inner one has; it follows a switch and stays over a move.
func TestDSCP(t *testing.T) {
	for name, ip := range map[string]netip.Addr{"IPv4": loopback4, "IPv6": loopback6} {
		t.Run(name, func(t *testing.T) {
			listen := func() (*net.UDPConn, func() ([]byte, uint8)) {
				c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(ip, 0)))
				testenv.Need(t, err == nil, name+": enable it on the loopback interface")
				t.Cleanup(func() { _ = c.Close() })
				return c, testenv.WithTOS(t, c)
			}
			first, atFirst := listen()
			second, atSecond := listen()
			d := newPlane(t, newTestSink(), Options{Workers: 1, Sockets: []Socket{{Kind: NATT, Local: netip.AddrPortFrom(ip, 0)}}})
			target := func(c *net.UDPConn) ipsec.Target {
				return ipsec.Target{
					Path:  ipsec.Path{Local: d.Sockets()[0].Local, Remote: c.LocalAddr().(*net.UDPAddr).AddrPort(), NATT: true},
					Limit: ipsec.Unlimited,
				}
			}
			generation := func(outSPI uint32, dscp uint8) ipsec.ChildSA {
				spi, err := d.NewInboundSPI(0)
				require.NoError(t, err)
				sa := ipsec.ChildSA{
					ID: 1, InboundSPI: spi, OutboundSPI: outSPI, Algorithms: gcm, InboundKeys: gcmKeys(1), OutboundKeys: gcmKeys(2), DSCP: dscp,
					Target: target(first),
				}
				require.NoError(t, d.Install(sa))
				return sa
			}
			w := d.NewWriter()
			sent := func(next func() ([]byte, uint8), spi uint32, dscp uint8) {
				t.Helper()
				h, err := d.Handle(1)
				require.NoError(t, err)
				p := innerIPv4(60)
				p[1] = 20 << 2
				require.NoError(t, w.Write(h, p[:20], p[20:]))
				require.NoError(t, w.Flush())
				b, tos := next()
				require.Equal(t, spi, binary.BigEndian.Uint32(b))
				require.Equal(t, dscp<<2, tos)
			}
			generation(300, 46)
			sent(atFirst, 300, 46)
			require.NoError(t, d.Move(target(second), 1))
			sent(atSecond, 300, 46)
			next := generation(400, 10)
			sent(atSecond, 300, 46)
			require.NoError(t, d.SwitchOutbound(1, next.InboundSPI))
			sent(atSecond, 400, 10)
			require.NoError(t, d.Move(target(first), 1))
			sent(atFirst, 400, 10)
			plain := generation(500, 0)
			require.NoError(t, d.SwitchOutbound(1, plain.InboundSPI))
			sent(atFirst, 500, 0)
		})
	}
}
