// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Uplink packets of a flow have its DSCP on N3, over IPv4 and IPv6, in one batch with others; downlink ones have that of their child SA in the GRE
// delivery header, IPv4 or IPv6.
func TestDSCP(t *testing.T) {
	ue6, up6 := netip.MustParseAddr("fd00::2"), netip.MustParseAddr("fd00::1")
	for _, c := range []struct {
		name   string
		n3v6   bool
		ue, up netip.Addr
	}{{"IPv4", false, ueAddr, upAddr}, {"IPv6", true, ue6, up6}} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, func(o *Options) {
				if c.n3v6 {
					o.Listen = []netip.AddrPort{netip.MustParseAddrPort("[::1]:0")}
				}
			})
			if c.n3v6 {
				conn, err := net.ListenUDP("udp6", &net.UDPAddr{IP: net.IPv6loopback})
				testenv.Need(t, err == nil, "IPv6: enable it on the loopback interface")
				t.Cleanup(func() { _ = conn.Close() })
				r.upf = &upf{t: t, conn: conn, addr: conn.LocalAddr().(*net.UDPAddr).AddrPort(), n3: r.LocalAddr()[0]}
			}
			config := twoChildren(r.upf.addr)
			for i := range config.Children {
				config.Children[i].UE, config.Children[i].UP = c.ue, c.up
			}
			s := r.add(t, config)
			next := testenv.WithTOS(t, r.upf.conn)
			var batch []ipsec.Inbound
			for _, qfi := range []uint8{1, 2, 3, 2} { // of equal length: the kernel may segment them from one buffer
				batch = append(batch, ipsec.Inbound{ID: 11, Context: s, Packet: uplinkPacket(t, c.ue, c.up, qfi, make([]byte, 500))})
			}
			r.NewUplink().Inbound(batch)
			marks := map[uint8][]uint8{}
			for range batch {
				b, tos := next()
				m, err := gtpu.Decode(b)
				require.NoError(t, err)
				marks[m.Container.QFI] = append(marks[m.Container.QFI], tos)
			}
			require.Equal(t, map[uint8][]uint8{1: {0}, 2: {46 << 2, 46 << 2}, 3: {0}}, marks)

			for qfi, want := range map[uint8]uint8{1: 0, 2: 46} {
				r.upf.send(downlinkPDU(s.TEID(), qfi, false, []byte{0x45}))
				_, packet := r.dp.next(t)
				tos := packet[1]
				if c.ue.Is6() {
					tos = packet[0]<<4 | packet[1]>>4
				}
				require.Equal(t, want<<2, tos)
			}
		})
	}
}
