// SPDX-License-Identifier: Apache-2.0

package udpbatch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// Each datagram of a batch goes out with its own traffic class, as another socket sees it: those of one size to one place too, which the kernel
// would segment from one buffer.
func TestTrafficClass(t *testing.T) {
	for _, v6 := range []bool{false, true} {
		for _, wildcard := range []bool{false, true} {
			for _, offload := range []bool{false, true} {
				t.Run(fmt.Sprintf("v6=%v,wildcard=%v,offload=%v", v6, wildcard, offload), func(t *testing.T) {
					peer, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback(v6), 0)))
					testenv.Need(t, !(v6 && errors.Is(err, unix.EADDRNOTAVAIL)), "IPv6: enable it on the loopback interface")
					require.NoError(t, err)
					defer peer.Close() //nolint:errcheck // nothing to lose
					next := testenv.WithTOS(t, peer)
					bind := loopback(v6)
					switch {
					case wildcard && v6:
						bind = netip.IPv6Unspecified()
					case wildcard:
						bind = netip.IPv4Unspecified()
					}
					c := listenT(t, Options{Local: netip.AddrPortFrom(bind, 0), NoGSO: !offload})
					to := Address{Remote: peer.LocalAddr().(*net.UDPAddr).AddrPort(), Local: loopback(v6)}
					classes := []uint8{46 << 2, 46 << 2, 46 << 2, 0, 0, 34 << 2, 34 << 2, 46 << 2}
					s := c.NewSender()
					for i, class := range classes {
						to.TOS = class
						require.NoError(t, s.Append(&to, binary.BigEndian.AppendUint32(nil, uint32(i)), make([]byte, 500)))
					}
					_, err = s.Flush()
					require.NoError(t, err)
					to.TOS = 10 << 2
					require.NoError(t, c.WriteTo(&to, binary.BigEndian.AppendUint32(nil, uint32(len(classes))), nil))
					classes = append(classes, 10<<2)
					got := make([]uint8, len(classes))
					for range classes { // those of one class are in order, others need not be
						b, class := next()
						got[binary.BigEndian.Uint32(b)] = class
					}
					require.Equal(t, classes, got)
				})
			}
		}
	}
}
