// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"encoding/hex"
	"net/netip"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

func ptr[T any](v T) *T { return &v }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var (
	plmn20893 = PLMNIdentity{0x02, 0xf8, 0x39}
	plmn00101 = PLMNIdentity{0x00, 0xf1, 0x10}
	tai20893  = TAI{PLMNIdentity: plmn20893, TAC: TAC{0, 0, 1}}
	slice123  = SNSSAI{SST: 1, SD: &SD{1, 2, 3}}
)

func address(s string) TransportLayerAddress {
	return must(NewTransportLayerAddress(netip.MustParseAddr(s)))
}

// One value of a type each, from an independent encoder.
func TestVectorTypes(t *testing.T) {
	both := must(NewTransportLayerAddress(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("2001:db8::1")))
	without := &UserLocationInformationN3IWFWithoutPortNumber{
		IPAddress: address("192.0.2.10"), TAI: &TAI{PLMNIdentity: plmn00101, TAC: TAC{0, 0, 1}},
	}
	for _, c := range []struct {
		v    any
		want string
	}{
		{ptr(RANUENGAPID(0)), "0000"},
		{ptr(RANUENGAPID(255)), "00ff"},
		{ptr(RANUENGAPID(256)), "400100"},
		{ptr(RANUENGAPID(1<<32 - 1)), "c0ffffffff"},
		{ptr(AMFUENGAPID(1)), "0001"},
		{ptr(AMFUENGAPID(65536)), "40010000"},
		{ptr(AMFUENGAPID(1<<40 - 1)), "80ffffffffff"},
		{ptr(BitRate(0)), "0000"},
		{ptr(BitRate(1e9)), "303b9aca00"},
		{ptr(BitRate(4e12)), "5003a352944000"},
		{ptr(QosFlowIdentifier(9)), "12"},
		{ptr(FiveQI(9)), "0009"},
		{ptr(FiveQI(255)), "00ff"},
		{ptr(PDUSessionID(5)), "05"},
		{ptr(PriorityLevelARP(8)), "70"},
		{ptr(PriorityLevelQos(20)), "13"},
		{ptr(PacketDelayBudget(100)), "000064"},
		{ptr(AveragingWindow(2000)), "0007d0"},
		{ptr(MaximumDataBurstVolume(4095)), "000fff"},
		{ptr(MaximumDataBurstVolume(4096)), "80021000"},
		{ptr(NetworkInstance(1)), "0000"},
		{ptr(IndexToRFSP(2)), "0001"},
		{ptr(address("10.0.0.1")), "0f800a000001"},
		{ptr(address("2001:db8::1")), "3f8020010db8000000000000000000000001"},
		{&both, "4f800a00000120010db8000000000000000000000001"},
		{ptr(must(NewGTPTunnel(netip.MustParseAddr("10.0.0.1"), 0x12345678))), "01f00a00000112345678"},
		{&CPTransportLayerInformation{EndpointIPAddress: ptr(address("10.0.0.1"))}, "07c00a000001"},
		{&CPTransportLayerInformation{EndpointIPAddressAndPort: &EndpointIPAddressAndPort{
			EndpointIPAddress: address("10.0.0.1"), PortNumber: 38412,
		}}, "8000a9000807c00a000001960c"},
		{&GlobalRANNodeID{GlobalGNBID: &GlobalGNBID{
			PLMNIdentity: plmn20893, GNBID: GNBID{GNBID: ptr(aper.Bits(0x1234, 24))},
		}}, "0002f83910001234"},
		{ptr(NewGlobalN3IWFID(plmn20893, 135)), "8002f839004380"},
		{&GlobalRANNodeID{GlobalTNGFID: &GlobalTNGFID{
			PLMNIdentity: plmn20893, TNGFID: TNGFID{TNGFID: ptr(aper.Bits(1, 32))},
		}}, "c000f000090002f8390000000001"},
		{&SNSSAI{SST: 1}, "0020"},
		{&slice123, "4020010203"},
		{&AllowedNSSAI{{SNSSAI: slice123}, {SNSSAI: SNSSAI{SST: 1}}}, "22010102030008"},
		{ptr(must(NewGUAMI(plmn20893, "cafe00"))), "0002f839cafe00"},
		{&GUAMI{PLMNIdentity: plmn20893, AMFRegionID: 2, AMFSetID: 1, AMFPointer: 5}, "0002f839020045"},
		{&FiveGSTMSI{AMFSetID: 0x3f8, FiveGTMSI: 1}, "3f800000000001"},
		{&UESecurityCapabilities{
			NRencryptionAlgorithms:             NRencryptionAlgorithms(NASAlgorithms(0xf0)),
			NRintegrityProtectionAlgorithms:    NRintegrityProtectionAlgorithms(NASAlgorithms(0xf0)),
			EUTRAencryptionAlgorithms:          EUTRAencryptionAlgorithms(aper.Bits(0, 16)),
			EUTRAintegrityProtectionAlgorithms: EUTRAintegrityProtectionAlgorithms(aper.Bits(0, 16)),
		}, "1c000e000000000000"},
		{ptr(CauseRadioNetworkUnspecified.Cause()), "0000"},
		{ptr(CauseRadioNetworkRadioConnectionWithUeLost.Cause()), "0540"},
		{ptr(CauseRadioNetworkReleaseDueToCnDetectedMobility.Cause()), "0b00"},
		{ptr(CauseRadioNetworkN26InterfaceNotAvailable.Cause()), "1000"},
		{ptr(CauseTransportUnspecified.Cause()), "28"},
		{ptr(CauseNasNormalRelease.Cause()), "40"},
		{ptr(CauseNasDeregister.Cause()), "48"},
		{ptr(CauseNasUENotInPLMNServingArea.Cause()), "5000"},
		{ptr(CauseProtocolUnspecified.Cause()), "6c"},
		{ptr(CauseMiscUnspecified.Cause()), "8a"},
		{&ResetType{NGInterface: ptr(ResetAllResetAll)}, "00"},
		{ptr(RRCEstablishmentCauseMoSignalling), "18"},
		{ptr(RRCEstablishmentCauseNotAvailable), "80"},
		{ptr(PagingDRXV128), "40"},
		{ptr(TimeToWaitV60s), "50"},
		{ptr(PDUSessionTypeIPv4v6), "20"},
		{ptr(UERetentionInformationUesRetained), "00"},
		{ptr(RelativeAMFCapacity(255)), "ff"},
		{ptr(TNLAddressWeightFactor(10)), "0a"},
		{ptr(AMFName("amf1.lab")), "0380616d66312e6c6162"},
		{ptr(RANNodeName("N3IWF")), "02004e33495746"},
		{&ExtendedRANNodeName{RANNodeNameVisibleString: "n3", RANNodeNameUTF8String: "n3"}, "60086e3300806e33"},
		{&SecurityIndication{
			IntegrityProtectionIndication:       IntegrityProtectionIndicationNotNeeded,
			ConfidentialityProtectionIndication: ConfidentialityProtectionIndicationRequired,
		}, "0800"},
		{&SecurityResult{}, "00"},
		{&UserLocationInformation{UserLocationInformationNR: &UserLocationInformationNR{
			NRCGI: NRCGI{PLMNIdentity: plmn20893, NRCellIdentity: 0x10}, TAI: tai20893,
			TimeStamp: ptr(TimeStamp(0xe1234567)),
		}}, "5002f839000000010002f839000001e1234567"},
		{ptr(must(NewUserLocationInformationN3IWF(netip.MustParseAddrPort("192.168.127.2:4500"), nil))),
			"80f8c0a87f021194"},
		{ptr(must(NewUserLocationInformationN3IWF(netip.MustParseAddrPort("192.0.2.10:4500"), nil))),
			"80f8c000020a1194"},
		{ptr(must(NewUserLocationInformationN3IWF(netip.MustParseAddrPort("192.0.2.10:4500"), without.TAI))),
			"90f8c000020a1194000000d540070000f110000001"},
		{&UserLocationInformation{UserLocationInformationN3IWFWithoutPortNumber: without},
			"c001b7400d41f0c000020a0000f110000001"},
		{&CriticalityDiagnostics{
			ProcedureCode: ptr(ProcedureNGSetup), TriggeringMessage: ptr(TriggeringMessageInitiatingMessage),
			ProcedureCriticality: ptr(aper.Reject),
			IEsCriticalityDiagnostics: CriticalityDiagnosticsIEList{
				{IECriticality: aper.Reject, IEID: IDGlobalRANNodeID, TypeOfError: TypeOfErrorMissing},
			},
		}, "7815000000001b40"},
		{&PDUSessionResourceSetupUnsuccessfulTransfer{
			Cause: CauseRadioNetworkResourcesNotAvailableForTheSlice.Cause(),
		}, "0150"},
		{&PDUSessionResourceSetupUnsuccessfulTransfer{Cause: CauseRadioNetworkRadioResourcesNotAvailable.Cause()}, "00b0"},
		{&PDUSessionResourceReleaseResponseTransfer{}, "00"},
		{&PDUSessionResourceReleaseCommandTransfer{Cause: CauseNasNormalRelease.Cause()}, "10"},
		{&PDUSessionResourceSetupResponseTransfer{DLQosFlowPerTNLInformation: QosFlowPerTNLInformation{
			UPTransportLayerInformation: must(NewGTPTunnel(netip.MustParseAddr("198.51.100.7"), 1)),
			AssociatedQosFlowList:       AssociatedQosFlowList{{QosFlowIdentifier: 1}, {QosFlowIdentifier: 5}},
		}}, "0003e0c63364070000000104010140"},
	} {
		name := reflect.TypeOf(c.v).Elem().Name()
		b, err := aper.Encode(c.v)
		require.NoError(t, err, "%s %s", name, c.want)
		require.Equal(t, c.want, hex.EncodeToString(b), name)
		back := reflect.New(reflect.TypeOf(c.v).Elem()).Interface()
		issues, err := aper.Decode(b, back)
		require.NoError(t, err, "%s %s", name, c.want)
		require.Empty(t, issues)
		require.Equal(t, c.v, back)
	}
}

func TestVectorTransfers(t *testing.T) {
	fresh := map[string]func() any{
		"PDUSessionResourceSetupRequestTransfer":      func() any { return new(PDUSessionResourceSetupRequestTransfer) },
		"PDUSessionResourceSetupResponseTransfer":     func() any { return new(PDUSessionResourceSetupResponseTransfer) },
		"PDUSessionResourceSetupUnsuccessfulTransfer": func() any { return new(PDUSessionResourceSetupUnsuccessfulTransfer) },
		"PDUSessionResourceModifyRequestTransfer":     func() any { return new(PDUSessionResourceModifyRequestTransfer) },
		"PDUSessionResourceModifyResponseTransfer":    func() any { return new(PDUSessionResourceModifyResponseTransfer) },
		"PDUSessionResourceReleaseCommandTransfer":    func() any { return new(PDUSessionResourceReleaseCommandTransfer) },
	}
	for _, v := range readVectors(t, "testdata/transfers.txt") {
		x := fresh[v.name]()
		issues, err := aper.Decode(v.b, x)
		require.NoError(t, err, v.name)
		require.Empty(t, issues)
		b, err := aper.Encode(x)
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(v.b), hex.EncodeToString(b), v.name)
	}
}

// The values of one transfer, read by hand from its annotated encoding.
func TestSetupRequestTransferValues(t *testing.T) {
	tunnel := func(teid uint32) UPTransportLayerInformation {
		return must(NewGTPTunnel(netip.MustParseAddr("10.100.50.233"), teid))
	}
	v := readVectors(t, "testdata/transfers.txt")[0]
	x, err := DecodeTransfer[PDUSessionResourceSetupRequestTransfer](v.b)
	require.NoError(t, err)
	require.Equal(t, &PDUSessionResourceSetupRequestTransfer{
		PDUSessionAggregateMaximumBitRate: &PDUSessionAggregateMaximumBitRate{
			PDUSessionAggregateMaximumBitRateDL: 1e9, PDUSessionAggregateMaximumBitRateUL: 200e6,
		},
		ULNGUUPTNLInformation:           tunnel(1),
		AdditionalULNGUUPTNLInformation: UPTransportLayerInformationList{{NGUUPTNLInformation: tunnel(2)}},
		PDUSessionType:                  PDUSessionTypeIPv4,
		QosFlowSetupRequestList: QosFlowSetupRequestList{
			{QosFlowIdentifier: 1, QosFlowLevelQosParameters: QosFlowLevelQosParameters{
				QosCharacteristics: QosCharacteristics{NonDynamic5QI: &NonDynamic5QIDescriptor{FiveQI: 9}},
				AllocationAndRetentionPriority: AllocationAndRetentionPriority{
					PriorityLevelARP: 8,
				},
			}},
			{QosFlowIdentifier: 2, QosFlowLevelQosParameters: QosFlowLevelQosParameters{
				QosCharacteristics: QosCharacteristics{Dynamic5QI: &Dynamic5QIDescriptor{
					PriorityLevelQos: 20, PacketDelayBudget: 100,
					PacketErrorRate: PacketErrorRate{PERScalar: 1, PERExponent: 6},
					AveragingWindow: ptr(AveragingWindow(2000)), MaximumDataBurstVolume: ptr(MaximumDataBurstVolume(1354)),
				}},
				AllocationAndRetentionPriority: AllocationAndRetentionPriority{
					PriorityLevelARP:        1,
					PreEmptionCapability:    PreEmptionCapabilityMayTriggerPreEmption,
					PreEmptionVulnerability: PreEmptionVulnerabilityPreEmptable,
				},
				GBRQosInformation: &GBRQosInformation{
					MaximumFlowBitRateDL: 10e6, MaximumFlowBitRateUL: 5e6,
					GuaranteedFlowBitRateDL: 1e6, GuaranteedFlowBitRateUL: 500e3,
				},
				ReflectiveQosAttribute: ptr(ReflectiveQosAttributeSubjectTo),
			}},
		},
	}, x)
}

func TestPLMNIdentity(t *testing.T) {
	for _, c := range []struct {
		mcc, mnc string
		want     string
	}{{"208", "93", "02f839"}, {"001", "01", "00f110"}, {"310", "410", "130014"}, {"999", "007", "997900"}} {
		p, err := NewPLMNIdentity(c.mcc, c.mnc)
		require.NoError(t, err)
		require.Equal(t, c.want, hex.EncodeToString(p[:]))
		require.Equal(t, c.mcc, p.MCC())
		require.Equal(t, c.mnc, p.MNC())
	}
	for _, c := range [][2]string{{"20", "893"}, {"2089", "3"}, {"20a", "93"}, {"208", "9"}, {"208", "9333"}, {"", ""}} {
		_, err := NewPLMNIdentity(c[0], c[1])
		require.Error(t, err, c)
	}
}

func TestIdentityHelpers(t *testing.T) {
	tac, err := ParseTAC("00000a")
	require.NoError(t, err)
	require.Equal(t, TAC{0, 0, 10}, tac)
	require.Equal(t, "00000a", tac.String())
	for _, s := range []string{"", "1000000", "xyz", "-1"} {
		_, err := ParseTAC(s)
		require.Error(t, err, s)
	}
	g := must(NewGUAMI(plmn20893, "cafe05"))
	require.Equal(t, GUAMI{PLMNIdentity: plmn20893, AMFRegionID: 0xca, AMFSetID: 0x3f8, AMFPointer: 5}, g)
	require.Equal(t, "208/93/cafe05", g.String())
	_, err = NewGUAMI(plmn20893, "cafe0")
	require.Error(t, err)
	require.Equal(t, "1-010203", slice123.String())
	require.True(t, slice123.Equal(NewSNSSAI(1, &SD{1, 2, 3})))
	require.False(t, slice123.Equal(NewSNSSAI(1, nil)))
	require.False(t, slice123.Equal(NewSNSSAI(1, &SD{1, 2, 4})))
	require.NotContains(t, SecurityKey{0xaa, 0xbb}.String(), "aa")
}

func TestTransportLayerAddress(t *testing.T) {
	a4, a6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::5")
	both := must(NewTransportLayerAddress(a6, a4))
	v4, v6, ok := both.Addrs()
	require.True(t, ok)
	require.Equal(t, a4, v4)
	require.Equal(t, a6, v6)
	require.Equal(t, "192.0.2.1+2001:db8::5", both.String())
	only6, ok := must(NewTransportLayerAddress(a6)).Addr()
	require.True(t, ok)
	require.Equal(t, a6, only6)
	mapped := must(NewTransportLayerAddress(netip.MustParseAddr("::ffff:192.0.2.1")))
	require.Equal(t, 32, mapped.N)
	for _, bad := range [][]netip.Addr{{}, {a4, a4}, {a6, a6}, {{}}} {
		_, err := NewTransportLayerAddress(bad...)
		require.Error(t, err, bad)
	}
	_, _, ok = TransportLayerAddress(aper.Bits(5, 40)).Addrs()
	require.False(t, ok)
}
