// SPDX-License-Identifier: Apache-2.0

package core

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

func establishment(psi, pti uint8) *nas.EstablishmentRequest {
	return &nas.EstablishmentRequest{
		SM: nas.SM{SessionID: psi, PTI: pti}, IntegrityRate: [2]byte{0xff, 0xff}, SessionType: new(nas.SessionIPv4),
		ExtendedOptions: nas.EncodeOptions(nas.Option{ID: nas.OptionDNSv4}, nas.Option{ID: nas.OptionMTUv4}, nas.Option{ID: nas.OptionAddressViaNAS}),
	}
}

// requested takes the set-up of one session's resources.
func (p *phone) requested() (*ngap.PDUSessionResourceSetupRequestTransfer, *nas.EstablishmentAccept) {
	p.t.Helper()
	m := expect[*ngap.PDUSessionResourceSetupRequest](p.node)
	item := m.PDUSessionResourceSetupListSUReq[0]
	transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](item.PDUSessionResourceSetupRequestTransfer)
	require.NoError(p.t, err)
	if item.PDUSessionNASPDU == nil {
		return transfer, nil
	}
	a := smIn[*nas.EstablishmentAccept](p, p.open(item.PDUSessionNASPDU).(*nas.DLNASTransport))
	require.EqualValues(p.t, item.PDUSessionID, a.SessionID)
	return transfer, a
}

// tunnel is the answer of the N3IWF: its end of the tunnel.
func (p *phone) tunnel(at netip.Addr, teid uint32) []byte {
	end, err := ngap.NewGTPTunnel(at, teid)
	require.NoError(p.t, err)
	b, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceSetupResponseTransfer{DLQosFlowPerTNLInformation: ngap.QosFlowPerTNLInformation{
		UPTransportLayerInformation: end, AssociatedQosFlowList: ngap.AssociatedQosFlowList{{QosFlowIdentifier: 1}},
	}})
	require.NoError(p.t, err)
	return b
}

func (p *phone) setUp(psi uint8, at netip.Addr, teid uint32) {
	p.t.Helper()
	p.send(&ngap.PDUSessionResourceSetupResponse{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, PDUSessionResourceSetupListSURes: ngap.PDUSessionResourceSetupListSURes{
		{PDUSessionID: ngap.PDUSessionID(psi), PDUSessionResourceSetupResponseTransfer: p.tunnel(at, teid)},
	}})
}

// establish sets up a session and gives its address and uplink TEID.
func (p *phone) establish(psi uint8, at netip.Addr, teid uint32) (netip.Addr, uint32) {
	p.t.Helper()
	p.sendSM(nas.ULNASTransport{RequestType: new(uint8(nas.RequestInitial))}, psi, establishment(psi, psi))
	transfer, a := p.requested()
	p.setUp(psi, at, teid)
	return a.Address.IPv4, uint32(transfer.ULNGUUPTNLInformation.GTPTunnel.GTPTEID)
}

// releaseOrder takes the release of a session's resources.
func (p *phone) releaseOrder(psi uint8) *ngap.PDUSessionResourceReleaseCommand {
	p.t.Helper()
	m := expect[*ngap.PDUSessionResourceReleaseCommand](p.node)
	require.EqualValues(p.t, psi, m.PDUSessionResourceToReleaseListRelCmd[0].PDUSessionID)
	return m
}

func (p *phone) resourcesReleased(psi uint8) {
	p.t.Helper()
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceReleaseResponseTransfer{})
	require.NoError(p.t, err)
	p.send(&ngap.PDUSessionResourceReleaseResponse{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, PDUSessionResourceReleasedListRelRes: ngap.PDUSessionResourceReleasedListRelRes{
		{PDUSessionID: ngap.PDUSessionID(psi), PDUSessionResourceReleaseResponseTransfer: transfer},
	}})
}

var peer = netip.MustParseAddr("127.0.0.1")

func TestEstablishment(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	p.sendSM(nas.ULNASTransport{RequestType: new(uint8(nas.RequestInitial)), DNN: new(nas.DNN("internet")), SNSSAI: &nas.SNSSAI{SST: 2}}, 5, establishment(5, 9))
	m := expect[*ngap.PDUSessionResourceSetupRequest](p.node)
	item := m.PDUSessionResourceSetupListSUReq[0]
	require.EqualValues(t, 5, item.PDUSessionID)
	require.Equal(t, "2", item.SNSSAI.String())
	transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](item.PDUSessionResourceSetupRequestTransfer)
	require.NoError(t, err)
	a := smIn[*nas.EstablishmentAccept](p, p.open(item.PDUSessionNASPDU).(*nas.DLNASTransport))

	require.Equal(t, nas.SM{SessionID: 5, PTI: 9}, a.SM)
	require.Equal(t, netip.MustParseAddr("10.45.0.1"), a.Address.IPv4)
	require.EqualValues(t, 1e9, a.AMBR.Uplink.BitsPerSecond())
	options, err := nas.DecodeOptions(a.ExtendedOptions)
	require.NoError(t, err)
	require.Equal(t, []nas.Option{{ID: nas.OptionDNSv4, Data: []byte{8, 8, 8, 8}}, {ID: nas.OptionMTUv4, Data: []byte{0x05, 0x78}}}, options)
	require.Len(t, a.Flows, 4)
	require.Len(t, a.Rules, 3, "the last flow has no filter")
	for dst, qfi := range map[string]map[uint8]uint8{"192.0.2.1": {1: 2, 17: 1}, "198.51.100.9": {1: 2, 17: 3}} {
		for protocol, want := range qfi {
			packet := append(unhex(t, "4500001c0000000040"), protocol, 0, 0)
			packet = append(packet, 10, 45, 0, 1)
			packet = append(append(packet, netip.MustParseAddr(dst).AsSlice()...), 0x10, 0, 0x13, 0x89, 0, 8, 0, 0) // to port 5001
			got, ok := a.Rules.Classify(nas.Uplink, packet)
			require.True(t, ok)
			require.Equal(t, want, got, "%s protocol %d", dst, protocol)
		}
	}

	require.Equal(t, ngap.PDUSessionTypeIPv4, transfer.PDUSessionType)
	require.Len(t, transfer.QosFlowSetupRequestList, 4)
	gbr := transfer.QosFlowSetupRequestList[2].QosFlowLevelQosParameters
	require.EqualValues(t, 10e6, gbr.GBRQosInformation.GuaranteedFlowBitRateDL)
	require.EqualValues(t, 20e6, gbr.GBRQosInformation.MaximumFlowBitRateUL)
	require.NotNil(t, gbr.ReflectiveQosAttribute)
	require.Nil(t, transfer.QosFlowSetupRequestList[0].QosFlowLevelQosParameters.GBRQosInformation)

	p.setUp(5, peer, 0x1234)
	s := p.state().UEs[0].Sessions
	require.Equal(t, []SessionState{{ID: 5, Address: "10.45.0.1", UplinkTEID: uint32(transfer.ULNGUUPTNLInformation.GTPTunnel.GTPTEID), DownlinkTEID: 0x1234, N3IWF: "127.0.0.1", QFIs: "1,2,3,4"}}, s)
}

func TestRefusedSessions(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	// Not forwarded to the SMF.
	for _, m := range []*nas.ULNASTransport{
		{ContainerType: 2, Container: []byte{1}, SessionID: new(uint8(1))},
		{ContainerType: nas.ContainerN1SM, Container: nas.MustEncode(establishment(1, 1))},
		{ContainerType: nas.ContainerN1SM, Container: nas.MustEncode(establishment(1, 1)), SessionID: new(uint8(16))},
		{ContainerType: nas.ContainerN1SM, Container: nas.MustEncode(establishment(1, 1)), SessionID: new(uint8(2))},
		{ContainerType: nas.ContainerN1SM, Container: nas.MustEncode(establishment(1, 1)), SessionID: new(uint8(1)), SNSSAI: &nas.SNSSAI{SST: 9}},
	} {
		p.secure(m)
		d := nasOf[*nas.DLNASTransport](p)
		require.Equal(t, nas.CauseNotForwarded, *d.Cause)
		require.Equal(t, m.Container, d.Container)
	}
	// Refused by the SMF.
	p.sendSM(nas.ULNASTransport{DNN: new(nas.DNN("nowhere"))}, 1, establishment(1, 1))
	require.Equal(t, nas.SMCauseUnknownDNN, smOf[*nas.EstablishmentReject](p).Cause)
	six := establishment(1, 1)
	six.SessionType = new(nas.SessionIPv6)
	p.sendSM(nas.ULNASTransport{}, 1, six)
	require.Equal(t, nas.SMCauseIPv4Only, smOf[*nas.EstablishmentReject](p).Cause)
	p.sendSM(nas.ULNASTransport{RequestType: new(uint8(nas.RequestExisting))}, 1, establishment(1, 1))
	require.Equal(t, nas.SMCauseSessionDoesNotExist, smOf[*nas.EstablishmentReject](p).Cause)
	p.sendSM(nas.ULNASTransport{}, 1, &nas.ReleaseRequest{SM: nas.SM{SessionID: 1, PTI: 2}})
	require.Equal(t, nas.SMCauseInvalidSession, smOf[*nas.ReleaseReject](p).Cause)
	p.sendSM(nas.ULNASTransport{}, 1, &nas.ModificationRequest{SM: nas.SM{SessionID: 1, PTI: 2}})
	smOf[*nas.ModificationReject](p)
	p.secure(&nas.ULNASTransport{ContainerType: nas.ContainerN1SM, Container: []byte{0x2e, 1, 7, 0xff}, SessionID: new(uint8(1))})
	require.Equal(t, nas.SM{SessionID: 1, PTI: 7}, smOf[*nas.SMStatus](p).SM)

	four := establishment(1, 1)
	four.SessionType = new(nas.SessionIPv4v6)
	p.sendSM(nas.ULNASTransport{DNN: new(nas.DNN("ims"))}, 1, four)
	_, a := p.requested()
	require.Equal(t, nas.SMCauseIPv4Only, *a.Cause)
}

func TestSetUpFails(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	p.sendSM(nas.ULNASTransport{}, 1, establishment(1, 3))
	p.requested()
	p.sendSM(nas.ULNASTransport{}, 1, establishment(1, 3)) // the UE repeats itself
	failure, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceSetupUnsuccessfulTransfer{Cause: ngap.CauseRadioNetworkRadioResourcesNotAvailable.Cause()})
	require.NoError(t, err)
	p.send(&ngap.PDUSessionResourceSetupResponse{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, PDUSessionResourceFailedToSetupListSURes: ngap.PDUSessionResourceFailedToSetupListSURes{
		{PDUSessionID: 1, PDUSessionResourceSetupUnsuccessfulTransfer: failure},
	}})
	require.Equal(t, nas.SM{SessionID: 1, PTI: 3}, smOf[*nas.EstablishmentReject](p).SM)
	require.Empty(t, p.state().UEs[0].Sessions)
	require.Zero(t, p.core.UPF().Stats().Sessions)
}

func TestPoolIsExhausted(t *testing.T) {
	p := connected(t, newCore(t, func(c *Config) { c.Pool = "10.45.0.0/30" })).phone(1).register()
	for psi := range uint8(2) {
		p.establish(psi+1, peer, uint32(psi)+1)
	}
	p.sendSM(nas.ULNASTransport{}, 3, establishment(3, 3))
	require.Equal(t, nas.SMCauseInsufficientResources, smOf[*nas.EstablishmentReject](p).Cause)
}

func TestUEReleases(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	p.establish(1, peer, 7)
	p.sendSM(nas.ULNASTransport{}, 1, &nas.ReleaseRequest{SM: nas.SM{SessionID: 1, PTI: 8}})
	command := smIn[*nas.ReleaseCommand](p, p.open(p.releaseOrder(1).NASPDU).(*nas.DLNASTransport))
	require.Equal(t, nas.SM{SessionID: 1, PTI: 8}, command.SM)
	p.resourcesReleased(1)
	p.sendSM(nas.ULNASTransport{}, 1, &nas.ReleaseComplete{SM: command.SM})
	require.Empty(t, p.state().UEs[0].Sessions)
	require.Zero(t, p.core.UPF().Stats().Sessions)
}

func TestNetworkReleases(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	p.establish(1, peer, 7)
	p.quiet()
	require.ErrorIs(t, p.core.ReleaseSession(p.imsi, 2), ErrNoSession)
	require.NoError(t, p.core.ReleaseSession(p.imsi, 1))
	command := smIn[*nas.ReleaseCommand](p, p.open(p.releaseOrder(1).NASPDU).(*nas.DLNASTransport))
	require.Equal(t, nas.SM{SessionID: 1}, command.SM, "PTI 0: nobody asked")
	require.NoError(t, p.core.ReleaseSession(p.imsi, 1), "once more, while it goes on")
	p.resourcesReleased(1)
	require.Empty(t, p.state().UEs[0].Sessions)
}

// TestSameIDAgain: an initial request of a known id ends the old session first.
func TestSameIDAgain(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	_, old := p.establish(1, peer, 7)
	p.sendSM(nas.ULNASTransport{RequestType: new(uint8(nas.RequestInitial))}, 1, establishment(1, 2))
	require.Nil(t, p.releaseOrder(1).NASPDU, "nothing for the UE, which wants it so")
	p.resourcesReleased(1)
	transfer, _ := p.requested()
	require.NotEqual(t, old, uint32(transfer.ULNGUUPTNLInformation.GTPTunnel.GTPTEID))
	require.Equal(t, 1, p.core.UPF().Stats().Sessions)
}

func TestN3IWFLosesSession(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	p.establish(1, peer, 7)
	transfer, err := ngap.EncodeTransfer(&ngap.PDUSessionResourceNotifyReleasedTransfer{Cause: ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause()})
	require.NoError(t, err)
	p.send(&ngap.PDUSessionResourceNotify{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, PDUSessionResourceReleasedListNot: ngap.PDUSessionResourceReleasedListNot{{PDUSessionID: 1, PDUSessionResourceNotifyReleasedTransfer: transfer}}})
	require.Equal(t, nas.SMCauseReactivationRequested, smOf[*nas.ReleaseCommand](p).Cause)
	require.Len(t, p.state().UEs[0].Sessions, 1)
	p.sendSM(nas.ULNASTransport{}, 1, &nas.ReleaseComplete{SM: nas.SM{SessionID: 1}})
	require.Empty(t, p.state().UEs[0].Sessions)
}

// n3 opens the N3IWF's end of the user plane.
func n3(t *testing.T) *net.UDPConn {
	c, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback(), gtpu.Port)))
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// TestUserPlane: a ping through the tunnels that NGAP has agreed on; the way back ends with the session.
func TestUserPlane(t *testing.T) {
	c := newCore(t, nil)
	p := connected(t, c).phone(1).register()
	conn := n3(t)
	at := conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr()
	address, teid := p.establish(1, at, 0xabcd)
	p.quiet()
	to := net.UDPAddrFromAddrPort(c.UPF().LocalAddr())
	ping := func() []byte {
		ip := append(unhex(t, "4500001c00010000400100000a2d0001c0000201"), 8, 0, 0xf7, 0xfe, 0, 1, 0, 0)
		copy(ip[12:], address.AsSlice())
		binary.BigEndian.PutUint16(ip[10:], checksum(ip[:20]))
		b := make([]byte, gtpu.GPDUHeaderLen)
		gtpu.PutUplink(b, teid, 2, len(ip))
		return append(b, ip...)
	}
	_, err := conn.WriteTo(ping(), to)
	require.NoError(t, err)
	b := make([]byte, 2048)
	size, err := conn.Read(b)
	require.NoError(t, err)
	m, err := gtpu.Decode(b[:size])
	require.NoError(t, err)
	require.EqualValues(t, 0xabcd, m.TEID)
	require.EqualValues(t, 2, m.Container.QFI)
	require.Equal(t, address.AsSlice(), m.Payload[16:20])
	require.Zero(t, m.Payload[20], "ICMP echo reply")

	// The N3IWF says that it does not know the tunnel: the core gives the session up.
	_, err = conn.WriteTo(gtpu.AppendErrorIndication(nil, 0xabcd, at, gtpu.Port), to)
	require.NoError(t, err)
	p.releaseOrder(1)
	p.resourcesReleased(1)
	require.Empty(t, p.state().UEs[0].Sessions)
	_, err = conn.WriteTo(ping(), to)
	require.NoError(t, err)
	size, err = conn.Read(b)
	require.NoError(t, err)
	m, err = gtpu.Decode(b[:size])
	require.NoError(t, err)
	require.Equal(t, gtpu.ErrorIndication, m.Type)
}

func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	return ^uint16(sum>>16 + sum&0xffff)
}

// idle takes a registered UE with sessions 1 and 2 to idle.
func (p *phone) idle() {
	p.t.Helper()
	p.establish(1, peer, 1)
	p.establish(2, peer, 2)
	p.send(&ngap.UEContextReleaseRequest{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, Cause: ngap.CauseRadioNetworkUserInactivity.Cause()})
	p.released(ngap.CauseRadioNetworkUserInactivity)
}

func (p *phone) serviceRequest(m *nas.ServiceRequest) []byte {
	guti, err := p.guti.GUTI()
	require.NoError(p.t, err)
	m.KSI, m.ServiceType, m.Identity = 0, 1, guti.STMSI()
	full := nas.MustEncode(m)
	outer := &nas.ServiceRequest{ServiceType: 1, Identity: m.Identity, Container: p.security.CipherContainer(security.Uplink, p.security.SendCount(), full)}
	return p.protect(security.Integrity, outer)
}

func TestServiceRequest(t *testing.T) {
	n := connected(t, newCore(t, func(c *Config) { c.Ciphering = true }))
	p := n.phone(1).register()
	p.idle()
	s := n.state()
	require.Empty(t, s.UEs)
	require.Len(t, s.Idle[0].Sessions, 2)
	require.Zero(t, s.Idle[0].Sessions[0].DownlinkTEID)

	data, status := nas.SessionBitmap(1<<1|1<<3), nas.SessionBitmap(1<<1|1<<2)
	count := p.security.SendCount()
	p.initial(p.serviceRequest(&nas.ServiceRequest{UplinkDataStatus: &data, SessionStatus: &status}))
	m := p.contextSetUp(count)
	require.Len(t, m.PDUSessionResourceSetupListCxtReq, 1)
	item := m.PDUSessionResourceSetupListCxtReq[0]
	require.EqualValues(t, 1, item.PDUSessionID)
	require.Nil(t, item.NASPDU)
	p.send(&ngap.InitialContextSetupResponse{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, PDUSessionResourceSetupListCxtRes: ngap.PDUSessionResourceSetupListCxtRes{
		{PDUSessionID: 1, PDUSessionResourceSetupResponseTransfer: p.tunnel(peer, 0x77)},
	}})
	a := nasOf[*nas.ServiceAccept](p)
	require.Equal(t, status, *a.SessionStatus)
	require.EqualValues(t, 1<<3, *a.ReactivationResult, "session 3 is not there")
	s = n.state()
	require.Empty(t, s.Idle)
	require.EqualValues(t, 0x77, s.UEs[0].Sessions[0].DownlinkTEID)
	require.Zero(t, s.UEs[0].Sessions[1].DownlinkTEID)

	// Connected, the second session is wanted too, and the first one is gone at the UE.
	data, status = 1<<2, 1<<2
	p.secure(&nas.ServiceRequest{ServiceType: 1, Identity: p.guti, UplinkDataStatus: &data, SessionStatus: &status})
	_, none := p.requested()
	require.Nil(t, none)
	require.Zero(t, *nasOf[*nas.ServiceAccept](p).ReactivationResult)
	p.setUp(2, peer, 0x78)
	s = n.state()
	require.Len(t, s.UEs[0].Sessions, 1)
	require.EqualValues(t, 0x78, s.UEs[0].Sessions[0].DownlinkTEID)
}

func TestServiceRequestOfNobody(t *testing.T) {
	n := connected(t, newCore(t, nil))
	p := n.phone(1).register()
	p.idle()
	for _, change := range []func(b []byte) []byte{
		func(b []byte) []byte { b[5] ^= 1; return b },   // MAC
		func(b []byte) []byte { b[7+9] ^= 1; return b }, // S-TMSI
		func(b []byte) []byte { return b[7:] },          // not protected
	} {
		p.initial(change(p.serviceRequest(&nas.ServiceRequest{})))
		kept := p.security
		p.security = nil
		require.Equal(t, nas.CauseIdentityUnknown, nasOf[*nas.ServiceReject](p).Cause)
		p.security = kept
		p.released(ngap.CauseNasUnspecified)
	}
	require.Len(t, n.state().Idle, 1, "the UE itself is untouched")
	require.NoError(t, n.core.ReleaseSession(p.imsi, 1))
	require.Len(t, n.core.State().Idle[0].Sessions, 1)
	require.NoError(t, n.core.Deregister(p.imsi))
	require.Empty(t, n.core.State().Idle)
	require.Zero(t, n.core.UPF().Stats().Sessions)
}

// TestReconnect: a UE that lost its N3IWF comes back through another one before the first has noticed.
func TestReconnect(t *testing.T) {
	c := newCore(t, nil)
	first, second := connected(t, c), connected(t, c)
	p := first.phone(1).register()
	p.establish(1, peer, 5)
	p.quiet()
	was := *p
	p.node = second
	count, data := p.security.SendCount(), nas.SessionBitmap(1<<1)
	p.initial(p.serviceRequest(&nas.ServiceRequest{UplinkDataStatus: &data}))
	p.contextSetUp(count)
	was.released(ngap.CauseRadioNetworkReleaseDueTo5gcGeneratedReason)
	first.quiet()
	p.send(&ngap.InitialContextSetupResponse{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, PDUSessionResourceSetupListCxtRes: ngap.PDUSessionResourceSetupListCxtRes{
		{PDUSessionID: 1, PDUSessionResourceSetupResponseTransfer: p.tunnel(peer, 0x99)},
	}})
	nasOf[*nas.ServiceAccept](p)
	s := second.state()
	require.Len(t, s.UEs, 1)
	require.EqualValues(t, 0x99, s.UEs[0].Sessions[0].DownlinkTEID)
}

// TestInitialRegistrationEndsSessions (TS 24.501 5.5.1.2.2).
func TestInitialRegistrationEndsSessions(t *testing.T) {
	n := connected(t, newCore(t, nil))
	p := n.phone(1).register()
	p.idle()
	count := p.security.SendCount()
	p.initial(p.protect(security.Integrity, p.registrationRequest(p.guti)))
	p.contextSetUp(count)
	p.accepted()
	require.Empty(t, n.state().UEs[0].Sessions)
}
