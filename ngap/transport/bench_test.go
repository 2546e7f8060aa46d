// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

// BenchmarkMessages sends messages of 200 octets, about an Uplink NAS
// Transport, over loopback: in a stream, and as requests that wait for an
// answer.
func BenchmarkMessages(b *testing.B) {
	modes := []Mode{ModeUDP, ModeRaw} // the latter needs root
	if ProbeKernel() == nil {
		modes = []Mode{ModeKernel, ModeUDP}
	}
	for _, mode := range modes {
		open := func(b *testing.B) (c, s Association) {
			l, err := Listen(Options{Mode: mode, Local: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:40002")}, UDPPort: EphemeralPort, Logger: quiet})
			require.NoError(b, err)
			defer l.Close() //nolint:errcheck // nothing to lose
			c, err = Dial(b.Context(), Options{Mode: mode, Remote: l.Addr().AddrPorts(), RemoteUDPPort: int(l.Addr().UDPPort), Logger: quiet})
			require.NoError(b, err)
			s, err = l.Accept(b.Context())
			require.NoError(b, err)
			b.Cleanup(func() { c.Close(); s.Close() }) //nolint:errcheck // nothing to lose
			return c, s
		}
		m := payload(1, 1, 200)
		b.Run(mode.String()+"/stream", func(b *testing.B) {
			c, s := open(b)
			var g errgroup.Group
			b.ReportAllocs()
			b.ResetTimer()
			g.Go(func() error {
				for range b.N {
					if err := c.Send(b.Context(), 1, m); err != nil {
						return err
					}
				}
				return nil
			})
			for range b.N {
				receive(b, s)
			}
			require.NoError(b, g.Wait())
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
		b.Run(mode.String()+"/request", func(b *testing.B) {
			c, s := open(b)
			b.ResetTimer()
			for range b.N {
				send(b, c, 1, m)
				send(b, s, 1, receive(b, s).Data)
				receive(b, c)
			}
		})
	}
}
