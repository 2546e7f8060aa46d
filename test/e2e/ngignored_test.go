// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/ngap/aper"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// opaque are elements that nothing but a radio access has a use for, and whose content the N3IWF does not look at.
func opaque(ids ...uint16) *aper.Unmodelled {
	u := &aper.Unmodelled{}
	for _, id := range ids {
		u.IEs = append(u.IEs, aper.RawIE{ID: id, Criticality: aper.Ignore, Value: []byte{0, 0}})
	}
	return u
}

// adorn gives a message of the AMF all that TS 29.413 5.3 has an N3IWF pass over. It tells how many elements those are.
func adorn(t *testing.T, w *world, m ngap.Message) (n int) {
	plmn := guami(t, "cafe00").PLMNIdentity
	address, err := ngap.NewTransportLayerAddress(netip.MustParseAddr("192.0.2.9"))
	require.NoError(t, err)
	restrictions := &ngap.MobilityRestrictionList{ServingPLMN: plmn}
	trace := &ngap.TraceActivation{TraceCollectionEntityIPAddress: address, URIAddress: "http://trace.example"}
	location := &ngap.LocationReportingRequestType{}
	target := &ngap.TargetNSSAIInformation{TargetNSSAI: ngap.TargetNSSAI{{SNSSAI: ngap.NewSNSSAI(1, nil)}}, IndexToRFSP: 1}
	rates := ngap.UESliceMaximumBitRateList{{SNSSAI: ngap.NewSNSSAI(1, nil), UESliceMaximumBitRateDL: 1, UESliceMaximumBitRateUL: 1}}
	masked := new(ngap.MaskedIMEISV(0x0110000000ffff00))
	switch m := m.(type) {
	case *ngap.InitialContextSetupRequest:
		m.TraceActivation, m.MobilityRestrictionList, m.UERadioCapability, m.IndexToRFSP, m.MaskedIMEISV = trace, restrictions, ngap.UERadioCapability{1}, new(ngap.IndexToRFSP(7)), masked
		m.EmergencyFallbackIndicator, m.RRCInactiveTransitionReportRequest = &ngap.EmergencyFallbackIndicator{}, new(ngap.RRCInactiveTransitionReportRequest)
		m.RedirectionVoiceFallback, m.LocationReportingRequestType, m.SRVCCOperationPossible = new(ngap.RedirectionVoiceFallback), location, new(ngap.SRVCCOperationPossible)
		m.IABAuthorized, m.EnhancedCoverageRestriction, m.ExtendedConnectedTime = new(ngap.IABAuthorized), new(ngap.EnhancedCoverageRestriction), new(ngap.ExtendedConnectedTime)
		m.UEDifferentiationInfo, m.CEmodeBrestricted, m.UERadioCapabilityID = &ngap.UEDifferentiationInfo{}, new(ngap.CEmodeBrestricted), ngap.UERadioCapabilityID{1}
		m.RGLevelWirelineAccessCharacteristics, m.TargetNSSAIInformation, m.UESliceMaximumBitRateList = ngap.RGLevelWirelineAccessCharacteristics{1}, target, rates
		m.Unmodelled = opaque(18, 118, 165, 215, 216, 217, 218, 219, 234, 254)
		for i := range m.PDUSessionResourceSetupListCxtReq {
			adornTransfer(t, w, &m.PDUSessionResourceSetupListCxtReq[i].PDUSessionResourceSetupRequestTransfer)
		}
		return 30
	case *ngap.DownlinkNASTransport:
		m.RANPagingPriority, m.MobilityRestrictionList, m.IndexToRFSP, m.SRVCCOperationPossible = new(ngap.RANPagingPriority(1)), restrictions, new(ngap.IndexToRFSP(7)), new(ngap.SRVCCOperationPossible)
		m.AllowedNSSAI = ngap.AllowedNSSAI{{SNSSAI: ngap.NewSNSSAI(1, nil)}}
		m.EnhancedCoverageRestriction, m.ExtendedConnectedTime, m.UEDifferentiationInfo = new(ngap.EnhancedCoverageRestriction), new(ngap.ExtendedConnectedTime), &ngap.UEDifferentiationInfo{}
		m.CEmodeBrestricted, m.UERadioCapability, m.UECapabilityInfoRequest = new(ngap.CEmodeBrestricted), ngap.UERadioCapability{1}, new(ngap.UECapabilityInfoRequest)
		m.EndIndication, m.UERadioCapabilityID, m.TargetNSSAIInformation, m.MaskedIMEISV = new(ngap.EndIndication), ngap.UERadioCapabilityID{1}, target, masked
		m.Unmodelled = opaque(400, 414, 443)
		return 18
	case *ngap.PDUSessionResourceSetupRequest:
		m.RANPagingPriority, m.UESliceMaximumBitRateList = new(ngap.RANPagingPriority(1)), rates
		for i := range m.PDUSessionResourceSetupListSUReq {
			adornTransfer(t, w, &m.PDUSessionResourceSetupListSUReq[i].PDUSessionResourceSetupRequestTransfer)
		}
		return 2
	case *ngap.PDUSessionResourceModifyRequest:
		m.RANPagingPriority = new(ngap.RANPagingPriority(1))
		for i := range m.PDUSessionResourceModifyListModReq {
			octets := &m.PDUSessionResourceModifyListModReq[i].PDUSessionResourceModifyRequestTransfer
			transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceModifyRequestTransfer](*octets)
			require.NoError(t, err)
			tunnel, err := ngap.NewGTPTunnel(w.addr(hostOtherAMF), 9)
			require.NoError(t, err)
			transfer.NetworkInstance, transfer.CommonNetworkInstance, transfer.SecurityIndication = new(ngap.NetworkInstance(7)), ngap.CommonNetworkInstance{1}, &ngap.SecurityIndication{}
			transfer.AdditionalULNGUUPTNLInformation, transfer.RedundantULNGUUPTNLInformation = ngap.UPTransportLayerInformationList{{NGUUPTNLInformation: tunnel}}, &tunnel
			transfer.Unmodelled = opaque(317, 319, 435)
			*octets, err = ngap.EncodeTransfer(transfer)
			require.NoError(t, err)
		}
		return 9
	case *ngap.PDUSessionResourceReleaseCommand:
		m.RANPagingPriority = new(ngap.RANPagingPriority(1))
		return 1
	case *ngap.UEContextModificationRequest:
		m.RANPagingPriority, m.SecurityKey, m.IndexToRFSP = new(ngap.RANPagingPriority(1)), &ngap.SecurityKey{1}, new(ngap.IndexToRFSP(7))
		m.UESecurityCapabilities, m.EmergencyFallbackIndicator, m.RRCInactiveTransitionReportRequest = &ngap.UESecurityCapabilities{}, &ngap.EmergencyFallbackIndicator{}, new(ngap.RRCInactiveTransitionReportRequest)
		m.SRVCCOperationPossible, m.IABAuthorized, m.UERadioCapabilityID = new(ngap.SRVCCOperationPossible), new(ngap.IABAuthorized), ngap.UERadioCapabilityID{1}
		m.RGLevelWirelineAccessCharacteristics, m.UESliceMaximumBitRateList = ngap.RGLevelWirelineAccessCharacteristics{1}, rates
		m.Unmodelled = opaque(18, 165, 215, 216, 217, 218, 219, 326, 328, 329, 359, 345, 346, 347, 367, 373, 374, 375, 376, 377, 378, 400, 430)
		return 34
	}
	return 0
}

func adornTransfer(t *testing.T, w *world, octets *[]byte) {
	transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupRequestTransfer](*octets)
	require.NoError(t, err)
	tunnel, err := ngap.NewGTPTunnel(w.addr(hostOtherAMF), 9)
	require.NoError(t, err)
	more := ngap.UPTransportLayerInformationList{{NGUUPTNLInformation: tunnel}}
	transfer.AdditionalULNGUUPTNLInformation, transfer.DataForwardingNotPossible, transfer.NetworkInstance = more, new(ngap.DataForwardingNotPossible), new(ngap.NetworkInstance(7))
	transfer.CommonNetworkInstance, transfer.DirectForwardingPathAvailability = ngap.CommonNetworkInstance{1}, new(ngap.DirectForwardingPathAvailability)
	transfer.RedundantULNGUUPTNLInformation, transfer.AdditionalRedundantULNGUUPTNLInformation = &tunnel, more
	transfer.RedundantCommonNetworkInstance, transfer.RedundantPDUSessionInformation = ngap.CommonNetworkInstance{1}, &ngap.RedundantPDUSessionInformation{}
	transfer.Unmodelled = opaque(318, 394)
	*octets, err = ngap.EncodeTransfer(transfer)
	require.NoError(t, err)
}

// TestPassedOver: each message of an AMF in a UE's life, with a change of flows, another identity and a service request, has every element that is of other
// accesses or that an N3IWF has no use for. Nothing of the life is another one for it, and no message is answered with an error.
func TestPassedOver(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	h := listen(w)
	elements := 0
	w.core.Alter(func(pdu []byte) [][]byte {
		p, err := ngap.Decode(pdu)
		if err != nil {
			return [][]byte{pdu}
		}
		if n := adorn(t, w, p.Message); n > 0 {
			elements += n
			if pdu, err = ngap.Encode(p.Message); err != nil {
				t.Error(err)
			}
		}
		return [][]byte{pdu}
	})
	u, p := w.online(0)
	require.NoError(t, w.core.ChangeFlows(imsi(0), 1, []core.Flow{{QFI: 6, FiveQI: 9}}))
	next[*ngap.PDUSessionResourceModifyResponse](h)
	w.sameStory(u)
	require.NoError(t, w.core.Rename(imsi(0)))
	next[*ngap.UEContextModificationResponse](h)
	_, err := p.Ping(w.ctx, 1)
	require.NoError(t, err)
	require.NoError(t, w.core.ReleaseContext(imsi(0)))
	w.idle()
	w.until("the UE has heard", func() bool { return len(u.State().Children) == 0 })
	require.NoError(t, w.within(u.ServiceRequest))
	w.pinged(u, 1)
	w.sameStory(u)
	require.NoError(t, w.core.ReleaseSession(imsi(0), 1))
	w.until("no PDU session", func() bool { return w.nf.Status().PDUSessions == 0 })
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	w.core.Alter(nil)
	require.Greater(t, elements, 150)
	require.Zero(t, tallied(&w.nf.Counters().NGAPSent, "ErrorIndication"))
	require.Zero(t, w.nf.Counters().NGAPErrors.Load())
}
