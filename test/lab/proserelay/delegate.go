// SPDX-License-Identifier: Apache-2.0

package proserelay

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/dhcpv6"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// again is the time until a Solicit is repeated (SOL_TIMEOUT, RFC 8415 7.6).
const again = time.Second

// Delegate asks the network for the IPv6 prefix of a PDU session by DHCPv6, which is how a relay gets addresses for remote UEs (TS 23.304 5.5.1.3,
// TS 23.501 5.8.2.2.4). It takes over what the UE receives, until it has an answer or ctx ends.
func Delegate(ctx context.Context, u *ue.UE, s *ue.Session) (netip.Prefix, error) {
	id := s.InterfaceID()
	request := dhcpv6.Request{Client: append([]byte{0, 3, 0, 27}, id[:]...), IAID: [4]byte{3: s.ID}} // DUID-LL of an EUI-64
	_, _ = rand.Read(request.Transaction[:])                                                         // never fails
	answers := make(chan netip.Prefix, 1)
	u.OnReceive(func(psi, _ uint8, pdu []byte) {
		p, ok := udpip.Parse(pdu)
		if !ok || psi != s.ID || p.Source.Port() != dhcpv6.ServerPort || p.Destination.Port() != dhcpv6.ClientPort {
			return
		}
		if prefix, ok := request.ParseReply(p.Payload); ok {
			select {
			case answers <- prefix:
			default:
			}
		}
	})
	local := [16]byte{0: 0xfe, 1: 0x80}
	copy(local[8:], id[:])
	solicit := udpip.Append(nil, udpip.Packet{
		Source: netip.AddrPortFrom(netip.AddrFrom16(local), dhcpv6.ClientPort), Destination: netip.AddrPortFrom(dhcpv6.Servers, dhcpv6.ServerPort),
		Payload: request.AppendSolicit(nil),
	}, 0)
	sender := s.NewSender()
	repeat := time.NewTicker(again)
	defer repeat.Stop()
	for {
		if err := sender.Write(0, solicit); err != nil {
			return netip.Prefix{}, err
		}
		if err := sender.Flush(); err != nil {
			return netip.Prefix{}, err
		}
		select {
		case prefix := <-answers:
			return prefix, nil
		case <-ctx.Done():
			return netip.Prefix{}, fmt.Errorf("no IPv6 prefix for PDU session %d: %w", s.ID, ctx.Err())
		case <-repeat.C:
		}
	}
}
