// SPDX-License-Identifier: Apache-2.0

package core

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/transport"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

func TestNGSetup(t *testing.T) {
	n := dial(t, newCore(t, nil))
	n.send(n.setupRequest("000002"))
	f := expect[*ngap.NGSetupFailure](n)
	require.True(t, f.Cause.Is(ngap.CauseMiscUnknownPLMNOrSNPN))
	require.NotNil(t, f.TimeToWait)

	p := n.phone(1)
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	require.True(t, expect[*ngap.ErrorIndication](n).Cause.Is(ngap.CauseProtocolMessageNotCompatibleWithReceiverState), "not before NG Setup")

	n.send(n.setupRequest("000001"))
	r := expect[*ngap.NGSetupResponse](n)
	require.EqualValues(t, "lab-amf", r.AMFName)
	require.Equal(t, "208/93/cafe00", r.ServedGUAMIList[0].GUAMI.String())
	require.Len(t, r.PLMNSupportList[0].SliceSupportList, 2)
}

func TestFaultyMessages(t *testing.T) {
	n := connected(t, newCore(t, nil))
	n.sendBytes([]byte{0xff, 0xff})
	require.True(t, expect[*ngap.ErrorIndication](n).Cause.Is(ngap.CauseProtocolTransferSyntaxError))
	good, err := ngap.Encode(n.setupRequest("000001"))
	require.NoError(t, err)
	n.sendBytes(good[:len(good)-3])
	expect[*ngap.ErrorIndication](n)

	n.send(&ngap.UplinkNASTransport{AMFUENGAPID: 99, RANUENGAPID: 1, NASPDU: []byte{0x7e}, UserLocationInformation: n.location()})
	e := expect[*ngap.ErrorIndication](n)
	require.True(t, e.Cause.Is(ngap.CauseRadioNetworkUnknownLocalUENGAPID))
	require.EqualValues(t, 99, *e.AMFUENGAPID)

	p := n.phone(1).register()
	n.send(&ngap.UplinkNASTransport{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID + 1, NASPDU: []byte{0x7e}, UserLocationInformation: n.location()})
	require.True(t, expect[*ngap.ErrorIndication](n).Cause.Is(ngap.CauseRadioNetworkInconsistentRemoteUENGAPID))

	// Another N3IWF has no business with this UE.
	other := connected(t, n.core)
	other.send(&ngap.UEContextReleaseRequest{AMFUENGAPID: p.amfID, RANUENGAPID: p.ranID, Cause: ngap.CauseNasUnspecified.Cause()})
	require.True(t, expect[*ngap.ErrorIndication](other).Cause.Is(ngap.CauseRadioNetworkUnknownLocalUENGAPID))
	require.True(t, n.state().UEs[0].Registered)
}

func TestErrorIndicationOfTheN3IWF(t *testing.T) {
	p := connected(t, newCore(t, nil)).phone(1).register()
	cause := ngap.CauseRadioNetworkUnknownLocalUENGAPID.Cause()
	p.send(&ngap.ErrorIndication{Cause: &cause})
	require.Len(t, p.state().UEs, 1, "about nobody")
	p.send(&ngap.ErrorIndication{AMFUENGAPID: &p.amfID, RANUENGAPID: &p.ranID, Cause: &cause})
	s := p.state()
	require.Empty(t, s.UEs)
	require.Len(t, s.Idle, 1)
}

func TestReset(t *testing.T) {
	n := connected(t, newCore(t, nil))
	a, b := n.phone(1).register(), n.phone(2).register()
	list := ngap.UEAssociatedLogicalNGConnectionList{{AMFUENGAPID: &a.amfID}, {RANUENGAPID: new(ngap.RANUENGAPID(77))}}
	n.send(&ngap.NGReset{Cause: ngap.CauseMiscUnspecified.Cause(), ResetType: ngap.ResetType{PartOfNGInterface: &list}})
	require.Len(t, expect[*ngap.NGResetAcknowledge](n).UEAssociatedLogicalNGConnectionList, 2)
	s := n.state()
	require.Len(t, s.UEs, 1)
	require.Equal(t, b.imsi, s.UEs[0].IMSI)
	all := ngap.ResetAllResetAll
	n.send(&ngap.NGReset{Cause: ngap.CauseMiscUnspecified.Cause(), ResetType: ngap.ResetType{NGInterface: &all}})
	require.Empty(t, expect[*ngap.NGResetAcknowledge](n).UEAssociatedLogicalNGConnectionList)
	s = n.state()
	require.Empty(t, s.UEs)
	require.Len(t, s.Idle, 2)
}

func TestConfigurationUpdate(t *testing.T) {
	n := connected(t, newCore(t, nil))
	n.send(&ngap.RANConfigurationUpdate{SupportedTAList: n.setupRequest("000001").SupportedTAList})
	expect[*ngap.RANConfigurationUpdateAcknowledge](n)
	n.send(&ngap.RANConfigurationUpdate{SupportedTAList: n.setupRequest("000009").SupportedTAList})
	expect[*ngap.RANConfigurationUpdateFailure](n)
}

// TestLostAssociation: the UEs of an N3IWF that is gone, or that starts anew, are idle.
func TestLostAssociation(t *testing.T) {
	c := newCore(t, nil)
	n, other := connected(t, c), connected(t, c)
	n.phone(1).register()
	other.phone(2).register()
	n.send(n.setupRequest("000001"))
	expect[*ngap.NGSetupResponse](n)
	s := n.state()
	require.Len(t, s.UEs, 1)
	require.Len(t, s.Idle, 1)
	require.NoError(t, other.a.Close())
	require.Eventually(t, func() bool { return len(c.State().UEs) == 0 }, patience, 10*time.Millisecond)
	require.Len(t, c.State().Idle, 2)
}

func TestStreams(t *testing.T) {
	n := connected(t, newCore(t, nil))
	p := n.phone(1)
	p.initial(nas.MustEncode(p.registrationRequest(p.suci())))
	m, err := n.a.Receive(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, uint16(transport.NonUEStream), m.Stream, "UE-associated signalling has streams of its own")
	require.EqualValues(t, transport.PPID, m.PPID)
}
