// SPDX-License-Identifier: Apache-2.0

package core

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/aper"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/aka"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/milenage"
	"github.com/open-n3iwf/n3iwf/test/lab/nas/security"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for the core.
const patience = 10 * time.Second

var addresses atomic.Uint32

// loopback returns an address of 127/8 that no other test of this machine has: N3 needs its registered port.
func loopback() netip.Addr {
	pid, n := uint32(os.Getpid()), addresses.Add(1)
	return netip.AddrFrom4([4]byte{127, 64 | byte(pid>>8)&63, byte(pid), byte(n)})
}

func testConfig() *Config {
	c := DefaultConfig()
	c.MCC, c.MNC, c.TAC, c.Transport, c.UDPPort = "208", "93", "000001", "udp", transport.EphemeralPort
	c.Listen, c.UPF, c.Pool = "127.0.0.1:38412", loopback().String(), "10.45.0.0/24"
	c.Slices = []Slice{{SST: 1, SD: "010203"}, {SST: 2}}
	c.DNNs = []DNN{{Name: "internet", DNS: []string{"8.8.8.8"}, Flows: []Flow{
		{QFI: 1, FiveQI: 9}, {QFI: 2, FiveQI: 7, Protocol: 1}, {QFI: 3, FiveQI: 2, Protocol: 17, Port: 5001, Remote: "198.51.100.0/24", Guaranteed: 10, Maximum: 20, Reflective: true}, {QFI: 4, FiveQI: 8},
	}}, {Name: "ims", Flows: []Flow{{QFI: 5, FiveQI: 5}}}}
	for i := range 3 {
		c.Subscribers = append(c.Subscribers, Subscription{IMSI: fmt.Sprintf("20893000000000%d", i+1), K: testK, OPc: testOPc})
	}
	c.Subscribers[2].Reject = uint8(nas.CauseNon3GPPNotAllowed)
	c.HomeNetworkKeys = []HomeNetworkKey{{ID: 1, Key: "c53c22208b61860b06c62e5406a7b330c2b577aa5558981510d128247d38bd1d"}}
	return c
}

const (
	testK   = "8baf473f2f8fd09487cccbd7097c6862"
	testOPc = "8e27b6af0e692e750f32667a3b14605d"
)

// newCore starts a core for the test.
func newCore(t *testing.T, change func(c *Config)) *Core {
	cfg := testConfig()
	if change != nil {
		change(cfg)
	}
	c, err := New(cfg, slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug})))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

// node is an N3IWF towards the core, over real SCTP.
type node struct {
	t    testing.TB
	core *Core
	a    transport.Association
	pdus [][]byte // everything sent and received
	ids  ngap.RANUENGAPID
	id   uint16 // of the Global N3IWF ID
	gnb  bool   // it is a gNB instead
}

func dial(t *testing.T, c *Core) *node {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := transport.Dial(ctx, transport.Options{Mode: transport.ModeUDP, Remote: c.Addr().AddrPorts(), RemoteUDPPort: int(c.Addr().UDPPort), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	n := &node{t: t, core: c, a: a, id: uint16(addresses.Add(1))}
	t.Cleanup(func() { a.Close() }) //nolint:errcheck // the core may be gone before
	return n
}

// connected returns a node behind NG Setup.
func connected(t *testing.T, c *Core) *node {
	n := dial(t, c)
	n.send(n.setupRequest("000001"))
	expect[*ngap.NGSetupResponse](n)
	return n
}

func (n *node) setupRequest(tac string) *ngap.NGSetupRequest {
	plmn, err := ngap.NewPLMNIdentity("208", "93")
	require.NoError(n.t, err)
	code, err := ngap.ParseTAC(tac)
	require.NoError(n.t, err)
	id := ngap.NewGlobalN3IWFID(plmn, n.id)
	if n.gnb {
		id = ngap.GlobalRANNodeID{GlobalGNBID: &ngap.GlobalGNBID{PLMNIdentity: plmn, GNBID: ngap.GNBID{GNBID: new(aper.Bits(uint64(n.id), 24))}}}
	}
	return &ngap.NGSetupRequest{
		GlobalRANNodeID: id, RANNodeName: "test",
		SupportedTAList: ngap.SupportedTAList{{TAC: code, BroadcastPLMNList: ngap.BroadcastPLMNList{{PLMNIdentity: plmn, TAISliceSupportList: ngap.SliceSupportList{{SNSSAI: ngap.NewSNSSAI(1, nil)}}}}}},
	}
}

func (n *node) send(m ngap.Message) {
	n.t.Helper()
	b, err := ngap.Encode(m)
	require.NoError(n.t, err)
	n.sendBytes(b)
}

func (n *node) sendBytes(b []byte) {
	n.t.Helper()
	n.pdus = append(n.pdus, b)
	require.NoError(n.t, n.a.Send(n.t.Context(), 0, b))
}

func (n *node) receive() *ngap.PDU {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), patience)
	defer cancel()
	m, err := n.a.Receive(ctx)
	require.NoError(n.t, err)
	n.pdus = append(n.pdus, m.Data)
	pdu, err := ngap.Decode(m.Data)
	require.NoError(n.t, err)
	return pdu
}

// expect receives one message, which must be a T.
func expect[T ngap.Message](n *node) T {
	n.t.Helper()
	pdu := n.receive()
	m, ok := pdu.Message.(T)
	require.True(n.t, ok, "received %s", pdu)
	return m
}

// quiet holds that the core has nothing to say: the answer to a later message comes next.
func (n *node) quiet() {
	n.t.Helper()
	n.send(&ngap.RANConfigurationUpdate{RANNodeName: "test"})
	expect[*ngap.RANConfigurationUpdateAcknowledge](n)
}

// phone is a UE behind a node.
type phone struct {
	*node
	imsi  string
	sim   milenage.Subscriber
	sqn   milenage.SQN // the highest accepted
	able  nas.SecurityCapability
	ranID ngap.RANUENGAPID
	amfID ngap.AMFUENGAPID

	kamf     aka.Key
	security *security.Context
	guti     nas.MobileIdentity
	key      ngap.SecurityKey // of the last context set-up
}

func (n *node) phone(i int) *phone {
	key := func(s string) [16]byte { return [16]byte(unhex(n.t, s)) }
	return &phone{node: n, imsi: fmt.Sprintf("20893000000000%d", i), sim: milenage.Subscriber{K: key(testK), OPc: key(testOPc)}, able: nas.NewSecurityCapability([]int{0, 2}, []int{2})}
}

func (p *phone) suci() nas.MobileIdentity {
	plmn, err := nas.NewPLMN("208", "93")
	require.NoError(p.t, err)
	return nas.NewNullSUCI(plmn, p.imsi[5:], "0").Identity()
}

func (n *node) location() ngap.UserLocationInformation {
	t := n.t
	if n.gnb {
		s := n.setupRequest("000001").SupportedTAList[0]
		plmn := s.BroadcastPLMNList[0].PLMNIdentity
		return ngap.UserLocationInformation{UserLocationInformationNR: &ngap.UserLocationInformationNR{
			NRCGI: ngap.NRCGI{PLMNIdentity: plmn, NRCellIdentity: 7}, TAI: ngap.TAI{PLMNIdentity: plmn, TAC: s.TAC},
		}}
	}
	l, err := ngap.NewUserLocationInformationN3IWF(netip.MustParseAddrPort("192.0.2.7:4500"), nil)
	require.NoError(t, err)
	return l
}

// initial opens a connection with a NAS message.
func (p *phone) initial(pdu []byte) {
	p.t.Helper()
	p.ids++
	p.ranID, p.amfID = p.ids, 0
	p.send(&ngap.InitialUEMessage{RANUENGAPID: p.ranID, NASPDU: pdu, UserLocationInformation: p.location(), RRCEstablishmentCause: ngap.RRCEstablishmentCauseMoSignalling, UEContextRequest: new(ngap.UEContextRequestRequested)})
}

func (p *phone) registrationRequest(id nas.MobileIdentity) *nas.RegistrationRequest {
	return &nas.RegistrationRequest{RegistrationType: nas.RegistrationInitial | nas.FollowOn, KSI: nas.NoKey, Identity: id, SecurityCapability: p.able}
}

// uplink sends a NAS message as it is.
func (p *phone) uplink(pdu []byte) {
	p.t.Helper()
	p.send(&ngap.UplinkNASTransport{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, NASPDU: pdu, UserLocationInformation: p.location()})
}

func (p *phone) plain(m nas.Message) { p.t.Helper(); p.uplink(nas.MustEncode(m)) }

func (p *phone) protect(t security.HeaderType, m nas.Message) []byte {
	b, err := p.security.Protect(t, nas.MustEncode(m))
	require.NoError(p.t, err)
	return b
}

func (p *phone) secure(m nas.Message) {
	p.t.Helper()
	p.uplink(p.protect(security.IntegrityCiphered, m))
}

func (p *phone) sendSM(request nas.ULNASTransport, psi uint8, m nas.Message) {
	p.t.Helper()
	request.ContainerType, request.Container, request.SessionID = nas.ContainerN1SM, nas.MustEncode(m), &psi
	p.secure(&request)
}

// open takes off the protection.
func (p *phone) open(pdu []byte) nas.Message {
	p.t.Helper()
	kind, err := security.Type(pdu)
	require.NoError(p.t, err)
	if kind != security.Plain {
		require.NotNil(p.t, p.security, "protected message without a context")
		pdu, _, err = p.security.Unprotect(pdu)
		require.NoError(p.t, err)
	} else {
		require.Nil(p.t, p.security, "plain message in spite of a context")
	}
	m, err := nas.Decode(pdu)
	require.NoError(p.t, err)
	return m
}

// nasOf receives a NAS message, which must be an M.
func nasOf[M nas.Message](p *phone) M {
	p.t.Helper()
	d := expect[*ngap.DownlinkNASTransport](p.node)
	require.Equal(p.t, p.ranID, d.RANUENGAPID)
	p.amfID = d.AMFUENGAPID
	m, ok := p.open(d.NASPDU).(M)
	require.True(p.t, ok, "NAS message %x", d.NASPDU)
	return m
}

// smOf receives a 5GSM message, which must be an M.
func smOf[M nas.Message](p *phone) M {
	p.t.Helper()
	return smIn[M](p, nasOf[*nas.DLNASTransport](p))
}

func smIn[M nas.Message](p *phone, d *nas.DLNASTransport) M {
	p.t.Helper()
	inner, err := nas.Decode(d.Container)
	require.NoError(p.t, err)
	m, ok := inner.(M)
	require.True(p.t, ok, "5GSM message %x", d.Container)
	return m
}

// answer makes the response to a challenge, or the failure.
func (p *phone) answer(m *nas.AuthenticationRequest) nas.Message {
	sqn, v, err := p.sim.CheckAUTN(*m.RAND, *m.AUTN)
	if err != nil {
		return &nas.AuthenticationFailure{Cause: nas.CauseMACFailure}
	}
	if sqn <= p.sqn {
		auts := p.sim.AUTS(*m.RAND, p.sqn)
		return &nas.AuthenticationFailure{Cause: nas.CauseSynchFailure, AUTS: &auts}
	}
	p.sqn = sqn
	network := aka.ServingNetwork("208", "93")
	p.kamf = aka.KAMF(aka.KSEAF(aka.KAUSF(v, network, *m.AUTN), network), p.imsi, m.ABBA)
	res := aka.RESStar(v, network, *m.RAND)
	return &nas.AuthenticationResponse{RESStar: &res}
}

func (n *node) bearer() uint8 {
	if n.gnb {
		return security.Bearer3GPP
	}
	return security.BearerNon3GPP
}

// command takes Security Mode Command into use and makes the answer.
func (p *phone) command(pdu []byte) []byte {
	p.t.Helper()
	inner, err := security.Inner(pdu)
	require.NoError(p.t, err)
	m, err := nas.Decode(inner)
	require.NoError(p.t, err)
	c, ok := m.(*nas.SecurityModeCommand)
	require.True(p.t, ok)
	require.Equal(p.t, p.able, c.ReplayedCapability)
	p.security, err = security.New(p.kamf, uint8(c.KSI), security.Algorithm(c.Algorithms>>4), security.Algorithm(c.Algorithms&15), p.bearer(), security.Uplink)
	require.NoError(p.t, err)
	_, _, err = p.security.Unprotect(pdu)
	require.NoError(p.t, err)
	imeisv, err := nas.NewIMEISV("4370816125816151")
	require.NoError(p.t, err)
	full := p.registrationRequest(p.suci())
	full.RequestedNSSAI = nas.NSSAI{{SST: 1, HasSD: true, SD: [3]byte{1, 2, 3}}}
	return p.protect(security.IntegrityCipheredNew, &nas.SecurityModeComplete{IMEISV: imeisv, Container: nas.MustEncode(full)})
}

// throughSecurity goes from the challenge to the context set-up.
func (p *phone) throughSecurity(m *nas.AuthenticationRequest) *ngap.InitialContextSetupRequest {
	p.t.Helper()
	p.plain(p.answer(m))
	p.security = nil
	p.uplink(p.command(expect[*ngap.DownlinkNASTransport](p.node).NASPDU))
	return p.contextSetUp(0)
}

// contextSetUp takes the context set-up and checks its key.
func (p *phone) contextSetUp(count uint32) *ngap.InitialContextSetupRequest {
	p.t.Helper()
	m := expect[*ngap.InitialContextSetupRequest](p.node)
	p.amfID = m.AMFUENGAPID
	p.key = m.SecurityKey
	want := aka.KN3IWF(p.kamf, count)
	if p.gnb {
		want = aka.KgNB(p.kamf, count)
	}
	require.Equal(p.t, ngap.SecurityKey(want), m.SecurityKey)
	return m
}

// accepted answers the context set-up and confirms the accept.
func (p *phone) accepted() *nas.RegistrationAccept {
	p.t.Helper()
	p.send(&ngap.InitialContextSetupResponse{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID})
	a := nasOf[*nas.RegistrationAccept](p)
	p.guti = a.GUTI
	p.secure(&nas.RegistrationComplete{})
	return a
}

// register registers from nothing.
func (p *phone) register() *phone {
	p.t.Helper()
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	p.throughSecurity(nasOf[*nas.AuthenticationRequest](p))
	p.accepted()
	return p
}

// released takes the release of the UE context and completes it.
func (p *phone) released(cause interface{ Cause() ngap.Cause }) {
	p.t.Helper()
	m := expect[*ngap.UEContextReleaseCommand](p.node)
	require.Equal(p.t, p.ranID, m.UENGAPIDs.UENGAPIDPair.RANUENGAPID)
	require.True(p.t, m.Cause.Is(cause), m.Cause)
	p.complete(m)
}

func (n *node) complete(m *ngap.UEContextReleaseCommand) {
	n.t.Helper()
	pair := m.UENGAPIDs.UENGAPIDPair
	n.send(&ngap.UEContextReleaseComplete{AMFUENGAPID: pair.AMFUENGAPID, RANUENGAPID: pair.RANUENGAPID})
}

// state is that of the core behind everything sent before.
func (n *node) state() State {
	n.t.Helper()
	n.quiet()
	return n.core.State()
}
