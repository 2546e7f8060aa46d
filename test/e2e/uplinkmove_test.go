// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
)

// TestUplinkTunnelModified: UL NG-U UP TNL Modify List sends the uplink of a PDU session to another UPF, and a tunnel that the N3IWF cannot reach is refused
// with the session as it was (TS 38.413 8.2.3.2).
func TestUplinkTunnelModified(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	u, p := w.online(0)
	modify := func(tunnel ngap.UPTransportLayerInformation) *ngap.PDUSessionResourceModifyResponse {
		t.Helper()
		transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyRequestTransfer{
			ULNGUUPTNLModifyList: ngap.ULNGUUPTNLModifyList{{ULNGUUPTNLInformation: tunnel, DLNGUUPTNLInformation: tunnel}},
		})
		require.NoError(t, err)
		require.NoError(t, w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
			return &ngap.PDUSessionResourceModifyRequest{AMFUENGAPID: amf, RANUENGAPID: ran, PDUSessionResourceModifyListModReq: ngap.PDUSessionResourceModifyListModReq{
				{PDUSessionID: 1, PDUSessionResourceModifyRequestTransfer: transfer},
			}}
		}))
		r, _ := next[*ngap.PDUSessionResourceModifyResponse](h)
		return r
	}
	six, err := ngap.NewGTPTunnel(netip.MustParseAddr("2001:db8::1"), 1)
	require.NoError(t, err)
	require.Len(t, modify(six).PDUSessionResourceFailedToModifyListModRes, 1, "there is no N3 address of that family")
	_, err = p.Ping(w.ctx, 1)
	require.NoError(t, err)

	upf, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.addr(hostOtherAMF), gtpu.Port)))
	require.NoError(t, err)
	defer upf.Close()
	other, err := ngap.NewGTPTunnel(w.addr(hostOtherAMF), 0x4711)
	require.NoError(t, err)
	require.Len(t, modify(other).PDUSessionResourceModifyListModRes, 1)
	s := u.Session(1)
	packet := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(s.Address(), 4000), Destination: netip.AddrPortFrom(dn, 7), Payload: []byte("a packet")}, 1)
	sender := s.NewSender()
	require.NoError(t, sender.Write(1, packet))
	require.NoError(t, sender.Flush())
	require.NoError(t, upf.SetReadDeadline(time.Now().Add(deadline)))
	for b := make([]byte, 2000); ; {
		n, err := upf.Read(b)
		require.NoError(t, err)
		m, err := gtpu.Decode(b[:n])
		require.NoError(t, err)
		if m.Type == gtpu.EchoRequest {
			continue
		}
		require.EqualValues(t, 0x4711, m.TEID)
		require.Equal(t, packet, m.Payload)
		return
	}
}
