// SPDX-License-Identifier: Apache-2.0

package core

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// further gives the node another TNL association.
func (n *node) further() *node {
	n.t.Helper()
	other := dial(n.t.(*testing.T), n.core)
	other.id = n.id
	id := n.setupRequest("000001").GlobalRANNodeID
	other.send(&ngap.RANConfigurationUpdate{GlobalRANNodeID: &id})
	expect[*ngap.RANConfigurationUpdateAcknowledge](other)
	return other
}

// TestAssociations: a node has several TNL associations. A UE is served on the one that the node used last for it, and lives until the last one
// is gone (TS 23.501 5.21.1.2, TS 38.413 8.7.2).
func TestAssociations(t *testing.T) {
	stranger := dial(t, newCore(t, nil))
	id := stranger.setupRequest("000001").GlobalRANNodeID
	stranger.send(&ngap.RANConfigurationUpdate{GlobalRANNodeID: &id})
	require.True(t, expect[*ngap.RANConfigurationUpdateFailure](stranger).Cause.Is(ngap.CauseProtocolMessageNotCompatibleWithReceiverState), "no NG Setup of that node")

	n := connected(t, stranger.core)
	p := n.phone(1).register()
	other := n.further()
	require.Len(t, n.state().UEs, 1, "the update erased nothing")

	moved := *p
	moved.node = other
	moved.sendSM(nas.ULNASTransport{RequestType: new(uint8(nas.RequestInitial))}, 5, establishment(5, 5))
	moved.requested() // on the association that the UE came on
	n.quiet()
	peer := loopback()
	moved.setUp(5, peer, 0x55)

	require.NoError(t, n.a.Close())
	require.Never(t, func() bool { return len(n.core.State().UEs) == 0 }, 100*time.Millisecond, 10*time.Millisecond)
	require.NoError(t, n.core.Deregister(p.imsi))
	expect[*ngap.DownlinkNASTransport](other)
	require.NoError(t, other.a.Close())
	require.Eventually(t, func() bool { return len(n.core.State().UEs) == 0 }, patience, 10*time.Millisecond)
}

// TestAssociationLost: a UE bound to an association that ends is served through another one of its node.
func TestAssociationLost(t *testing.T) {
	n := connected(t, newCore(t, nil))
	p := n.phone(1).register()
	other := n.further()
	require.NoError(t, n.a.Close())
	port := fmt.Sprintf(":%d ", other.a.LocalAddr().AddrPorts()[0].Port())
	require.Eventually(t, func() bool {
		s := n.core.State().UEs
		return len(s) == 1 && strings.Contains(s[0].Association, port)
	}, patience, 10*time.Millisecond)
	require.NoError(t, n.core.Deregister(p.imsi))
	expect[*ngap.DownlinkNASTransport](other)
}

// TestModifyIndication: the downlink goes to the new end of the tunnel, behind an End Marker on the old one (TS 38.413 8.2.5, TS 29.281 7.3.2).
func TestModifyIndication(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	listen := func() (netip.Addr, *net.UDPConn) {
		a := loopback()
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, gtpu.Port)))
		require.NoError(t, err)
		t.Cleanup(func() { conn.Close() }) //nolint:errcheck // it is over
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(patience)))
		return a, conn
	}
	oldAddr, oldConn := listen()
	newAddr, _ := listen()
	_, uplink := p.establish(5, oldAddr, 0x55)
	end, err := ngap.NewGTPTunnel(newAddr, 0x66)
	require.NoError(t, err)
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceModifyIndicationTransfer{DLQosFlowPerTNLInformation: ngap.QosFlowPerTNLInformation{
		UPTransportLayerInformation: end, AssociatedQosFlowList: ngap.AssociatedQosFlowList{{QosFlowIdentifier: 1}},
	}})
	require.NoError(t, err)
	p.send(&ngap.PDUSessionResourceModifyIndication{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, PDUSessionResourceModifyListModInd: ngap.PDUSessionResourceModifyListModInd{
		{PDUSessionID: 5, PDUSessionResourceModifyIndicationTransfer: transfer}, {PDUSessionID: 6, PDUSessionResourceModifyIndicationTransfer: transfer},
	}})
	c := expect[*ngap.PDUSessionResourceModifyConfirm](p.node)
	require.Len(t, c.PDUSessionResourceModifyListModCfm, 1)
	require.Len(t, c.PDUSessionResourceFailedToModifyListModCfm, 1, "there is no session 6")
	confirmed, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyConfirmTransfer](c.PDUSessionResourceModifyListModCfm[0].PDUSessionResourceModifyConfirmTransfer)
	require.NoError(t, err)
	require.EqualValues(t, uplink, confirmed.ULNGUUPTNLInformation.GTPTunnel.GTPTEID)
	s := p.state().UEs[0].Sessions[0]
	require.Equal(t, newAddr.String(), s.N3IWF)
	require.EqualValues(t, 0x66, s.DownlinkTEID)
	b := make([]byte, 2048)
	size, err := oldConn.Read(b)
	require.NoError(t, err)
	m, err := gtpu.Decode(b[:size])
	require.NoError(t, err)
	require.Equal(t, gtpu.EndMarker, m.Type)
	require.EqualValues(t, 0x55, m.TEID)
}
