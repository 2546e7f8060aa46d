// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// TestCheckFlows goes through what a modification may say of a QoS flow (TS 38.413 8.2.3.2, 8.2.3.4, 9.3.4.3).
func TestCheckFlows(t *testing.T) {
	parameters := func(fiveQI ngap.FiveQI, gbr bool) *ngap.QosFlowLevelQosParameters {
		q := &ngap.QosFlowLevelQosParameters{QosCharacteristics: ngap.QosCharacteristics{NonDynamic5QI: &ngap.NonDynamic5QIDescriptor{FiveQI: fiveQI}}}
		if gbr {
			q.GBRQosInformation = &ngap.GBRQosInformation{MaximumFlowBitRateDL: 2e6, MaximumFlowBitRateUL: 1e6}
		}
		return q
	}
	voice, video, best := parameters(1, true), parameters(2, true), parameters(9, false)
	set := func(qfi ngap.QosFlowIdentifier, q *ngap.QosFlowLevelQosParameters) ngap.QosFlowAddOrModifyRequestItem {
		return ngap.QosFlowAddOrModifyRequestItem{QosFlowIdentifier: qfi, QosFlowLevelQosParameters: q}
	}
	none := map[int]ngap.CauseRadioNetwork{}
	for _, c := range []struct {
		name          string
		ambr, ambrNow bool // the session's is known; the request has it
		set           ngap.QosFlowAddOrModifyRequestList
		release       []ngap.QosFlowIdentifier
		done, goes    []uint8
		failed        map[int]ngap.CauseRadioNetwork
	}{
		{"a flow is added, one is changed, one stays as it is", true, false, ngap.QosFlowAddOrModifyRequestList{set(7, best), set(1, video), set(2, nil)}, nil, []uint8{7, 1, 2}, nil, none},
		{"without parameters, of a flow that is not there", true, false, ngap.QosFlowAddOrModifyRequestList{set(7, nil)}, nil, nil, nil, map[int]ngap.CauseRadioNetwork{7: ngap.CauseRadioNetworkUnkownQosFlowID}},
		{"GBR without its information", true, false, ngap.QosFlowAddOrModifyRequestList{set(7, parameters(1, false)), set(1, parameters(65, false))}, nil, nil, nil,
			map[int]ngap.CauseRadioNetwork{7: ngap.CauseRadioNetworkInvalidQosCombination, 1: ngap.CauseRadioNetworkInvalidQosCombination}},
		{"not GBR, in a session without aggregate maximum bit rate", false, false, ngap.QosFlowAddOrModifyRequestList{set(7, best), set(8, voice)}, nil, []uint8{8}, nil,
			map[int]ngap.CauseRadioNetwork{7: ngap.CauseRadioNetworkInvalidQosCombination}},
		{"not GBR, with it", false, true, ngap.QosFlowAddOrModifyRequestList{set(7, best)}, nil, []uint8{7}, nil, none},
		{"twice", true, false, ngap.QosFlowAddOrModifyRequestList{set(7, best), set(8, best), set(7, voice)}, nil, []uint8{8}, nil, map[int]ngap.CauseRadioNetwork{7: ngap.CauseRadioNetworkMultipleQosFlowIDInstances}},
		{"set and released", true, false, ngap.QosFlowAddOrModifyRequestList{set(1, best)}, []ngap.QosFlowIdentifier{1}, nil, nil, map[int]ngap.CauseRadioNetwork{1: ngap.CauseRadioNetworkMultipleQosFlowIDInstances}},
		{"released, one of them twice, one that is not there", true, false, nil, []ngap.QosFlowIdentifier{2, 9, 1, 2}, nil, []uint8{1, 2}, none},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &pduSession{ambr: c.ambr, flows: []qosFlow{{qfi: 1, fiveQI: 1}, {qfi: 2, fiveQI: 2}, {qfi: 3, fiveQI: 2}}}
			tr := &ngap.PDUSessionResourceModifyRequestTransfer{QosFlowAddOrModifyRequestList: c.set}
			if c.ambrNow {
				tr.PDUSessionAggregateMaximumBitRate = &ngap.PDUSessionAggregateMaximumBitRate{}
			}
			for _, qfi := range c.release {
				tr.QosFlowToReleaseList = append(tr.QosFlowToReleaseList, ngap.QosFlowWithCauseItem{QosFlowIdentifier: qfi})
			}
			change, bad := s.checkFlows(tr)
			failed := map[int]ngap.CauseRadioNetwork{}
			for _, f := range bad {
				require.NotContains(t, failed, int(f.QosFlowIdentifier), "told once")
				failed[int(f.QosFlowIdentifier)] = *f.Cause.RadioNetwork
			}
			var done []uint8
			for _, f := range change.set {
				done = append(done, f.qfi)
			}
			require.Equal(t, []any{c.done, c.goes, c.failed}, []any{done, change.release, failed})
		})
	}
}

// TestSessionForTheRelay: what the relay is told of a PDU session: DSCP of its flows on N3 and of its child SAs by 5QI, as configured, reflective QoS and the maximum
// rates of GBR flows, and which child SA carries what. User data of a flow without child SA goes through the default one.
func TestSessionForTheRelay(t *testing.T) {
	_, ues := newLine(t, 1, 1)
	u := ues[0]
	c := u.nf.cfg
	c.N3.DSCP = []config.FiveQIDSCP{{FiveQI: 1, DSCP: 46}, {FiveQI: 7, DSCP: 18}}
	c.NWu.UserPlane.DSCP, c.NWu.UserPlane.EnforceRates = []config.FiveQIDSCP{{FiveQI: 1, DSCP: 34}}, true
	u.inner[0], u.path.NATT = netip.MustParseAddr("10.60.0.9"), true
	up := netip.MustParseAddr("10.60.0.1")
	voice := qosFlow{qfi: 5, fiveQI: 1, gbr: newFlowRates(2e6, 1e6)}
	s := &pduSession{ue: u, id: 1, flows: []qosFlow{{qfi: 1, fiveQI: 9, reflective: true}, {qfi: 2, fiveQI: 7}, voice, {qfi: 6, fiveQI: 8}}}
	child := func(id uint64, dflt bool, of qosFlow, qfis ...uint8) *childSA {
		return &childSA{id: ipsec.ChildID(id), session: s, qfis: qfis, key: flowKeyOf(&c.NWu.UserPlane, of), dflt: dflt, up: up, current: &ikev2.ChildSA{}}
	}
	s.children = []*childSA{child(1, true, s.flows[0], 1, 2), child(2, false, voice, 5), {id: ipsec.ChildID(3), session: s, up: up}}
	got := s.relayConfig()
	require.Equal(t, []relay.Flow{
		{QFI: 1, Reflective: true, Child: ipsec.ChildID(1)}, {QFI: 2, DSCP: 18, Child: ipsec.ChildID(1)}, {QFI: 5, DSCP: 46, Child: ipsec.ChildID(2), Rates: voice.gbr.limits}, {QFI: 6},
	}, got.Flows)
	require.Equal(t, ipsec.ChildID(1), got.Default)
	require.Len(t, got.Children, 2, "one that is not up is not told of")
	require.Equal(t, []uint8{0, 34}, []uint8{got.Children[0].DSCP, got.Children[1].DSCP})
	require.Equal(t, []netip.Addr{u.inner[0], up}, []netip.Addr{got.Children[1].UE, got.Children[1].UP})
	require.Equal(t, u.limits(), got.Rates)
	c.NWu.UserPlane.EnforceRates = false
	got = s.relayConfig()
	require.Equal(t, []relay.Rates{{}, {}}, []relay.Rates{got.Rates, got.Flows[2].Rates})
}

// TestSelectorsOfChildSAs: what goes through the SAs of a UE is NAS over TCP between its inner address and the NAS address, or GRE between that and the user-plane address,
// whatever selectors IKE has agreed on (TS 24.502 8.2, 8.3, RFC 4301 5.2).
func TestSelectorsOfChildSAs(t *testing.T) {
	_, ues := newLine(t, 1, 1)
	u := ues[0]
	nas, up, inner := netip.MustParseAddr("10.60.0.1"), netip.MustParseAddr("10.60.0.3"), netip.MustParseAddr("10.60.0.9")
	u.nf.cfg.NWu.UEPools = config.UEPools{IPv4: []netip.Prefix{netip.MustParsePrefix("10.60.0.0/24")}, IPv6: []netip.Prefix{netip.MustParsePrefix("fd00::/64")}}
	u.nf.cfg.NWu.NAS.IPv4, u.nf.cfg.NWu.NAS.IPv6 = nas, netip.MustParseAddr("fd00::1") // of which family the UE has no address
	u.inner[0] = inner
	sa := &ikev2.ChildSA{}
	signalling := u.ipsecChild(&childSA{}, sa)
	require.Equal(t, []ipsec.Selector{ipsec.HostSelector(nas, 6)}, signalling.Local)
	require.Equal(t, []ipsec.Selector{ipsec.HostSelector(inner, 6)}, signalling.Remote)
	user := u.ipsecChild(&childSA{session: &pduSession{ue: u}, up: up, key: flowKey{dscp: 34}}, sa)
	require.Equal(t, []ipsec.Selector{ipsec.HostSelector(up, 47)}, user.Local)
	require.Equal(t, []ipsec.Selector{ipsec.HostSelector(inner, 47)}, user.Remote)
	require.EqualValues(t, 34, user.DSCP)
}

// TestLongestInnerOfAChildSA: the configured path MTU, less what the outer headers and ESP take.
func TestLongestInnerOfAChildSA(t *testing.T) {
	_, ues := newLine(t, 1, 1)
	u := ues[0]
	c := &childSA{up: netip.MustParseAddr("10.60.0.1"), current: &ikev2.ChildSA{Suite: suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}}}}
	require.Zero(t, u.longestInner(c), "outer packets may be fragmented")
	u.nf.cfg.NWu.UserPlane.PathMTU = 1358
	path := ipsec.Path(u.session.ChildPath())
	require.Equal(t, longestInner(1358, path, ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}), u.longestInner(c))
}

// TestConfigurationOfInnerAddresses: the mask or prefix length is that of the pool, so that the NAS and user-plane addresses are on the UE's link (RFC 7296 3.15.1).
func TestConfigurationOfInnerAddresses(t *testing.T) {
	require.Equal(t, []message.ConfigAttribute{
		{Type: message.INTERNAL_IP4_ADDRESS, Value: []byte{10, 60, 0, 9}}, {Type: message.INTERNAL_IP4_NETMASK, Value: []byte{255, 255, 240, 0}},
	}, addressAttributes(netip.MustParseAddr("10.60.0.9"), netip.MustParsePrefix("10.60.0.0/20")))
	six := netip.MustParseAddr("fd00:60::9")
	require.Equal(t, []message.ConfigAttribute{{Type: message.INTERNAL_IP6_ADDRESS, Value: append(six.AsSlice(), 64)}},
		addressAttributes(six, netip.MustParsePrefix("fd00:60::/64")))
}
