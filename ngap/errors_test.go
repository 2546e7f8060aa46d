// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"encoding/hex"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap/aper"
)

// pdu puts IEs, given as hex of {id, criticality, length, value}, into a message.
func pdu(t *testing.T, kind, code, criticality byte, ies ...string) []byte {
	t.Helper()
	body := []byte{0, 0, byte(len(ies))}
	for _, s := range ies {
		b, err := hex.DecodeString(s)
		require.NoError(t, err)
		body = append(body, b...)
	}
	require.Less(t, len(body), 128)
	return append([]byte{kind << 5, code, criticality << 6, byte(len(body))}, body...)
}

const (
	amfID1     = "000a00020001"
	ranID2     = "005500020002"
	nasPDU     = "0026000403" + "7e0041"
	unknownRej = "7fff0001" + "aa"
	unknownIgn = "7fff4001" + "aa"
	unknownNtf = "7fff8001" + "aa"
	causeIE    = "000f400140"
)

func TestUnknownIEs(t *testing.T) {
	for _, c := range []struct {
		name string
		b    []byte
		want Message // Answer, nil for none
	}{
		{"ignore", pdu(t, 0, 4, 1, amfID1, ranID2, nasPDU, unknownIgn), nil},
		{"notify", pdu(t, 0, 4, 1, amfID1, ranID2, unknownNtf, nasPDU), nil},
		{"reject", pdu(t, 0, 4, 1, amfID1, ranID2, nasPDU, unknownRej), &ErrorIndication{
			AMFUENGAPID: ptr(AMFUENGAPID(1)), RANUENGAPID: ptr(RANUENGAPID(2)),
			Cause: ptr(CauseProtocolAbstractSyntaxErrorReject.Cause()),
			CriticalityDiagnostics: &CriticalityDiagnostics{
				ProcedureCode:        ptr(ProcedureDownlinkNASTransport),
				TriggeringMessage:    ptr(TriggeringMessageInitiatingMessage),
				ProcedureCriticality: ptr(aper.Ignore),
				IEsCriticalityDiagnostics: CriticalityDiagnosticsIEList{
					{IECriticality: aper.Reject, IEID: 0x7fff, TypeOfError: TypeOfErrorNotUnderstood},
				},
			},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Decode(c.b)
			require.Equal(t, c.want == nil, err == nil)
			require.Equal(t, c.want, Answer(err))
			m := p.Message.(*DownlinkNASTransport)
			require.EqualValues(t, 1, m.AMFUENGAPID)
			require.EqualValues(t, []byte{0x7e, 0, 0x41}, m.NASPDU)
			require.Len(t, m.Unmodelled.IEs, 1)
			again, err := Encode(m)
			require.NoError(t, err)
			require.Equal(t, hex.EncodeToString(c.b), hex.EncodeToString(again))
			if c.name == "notify" {
				require.Equal(t, TypeOfErrorNotUnderstood, p.Notification().IEsCriticalityDiagnostics[0].TypeOfError)
				n := p.NotifyIndication()
				require.EqualValues(t, 2, *n.RANUENGAPID)
				require.True(t, n.Cause.Is(CauseProtocolAbstractSyntaxErrorIgnoreAndNotify))
				_, err := Encode(n)
				require.NoError(t, err)
			} else {
				require.Nil(t, p.Notification())
				require.Nil(t, p.NotifyIndication())
			}
		})
	}
}

func TestMissingIEs(t *testing.T) {
	// Mandatory, reject: the failure message of the procedure where it has one.
	_, err := Decode(pdu(t, 0, 14, 0, amfID1, ranID2))
	answer := Answer(err).(*InitialContextSetupFailure)
	require.EqualValues(t, 1, answer.AMFUENGAPID)
	require.EqualValues(t, 2, answer.RANUENGAPID)
	require.True(t, answer.Cause.Is(CauseProtocolAbstractSyntaxErrorReject))
	var ids []ProtocolIEID
	for _, i := range answer.CriticalityDiagnostics.IEsCriticalityDiagnostics {
		require.Equal(t, TypeOfErrorMissing, i.TypeOfError)
		ids = append(ids, i.IEID)
	}
	require.Equal(t, []ProtocolIEID{IDGUAMI, IDAllowedNSSAI, IDUESecurityCapabilities, IDSecurityKey}, ids)
	require.ErrorContains(t, err, "GUAMI (reject) missing")

	// Without ids there is no failure message to fill.
	_, err = Decode(pdu(t, 0, 14, 0, ranID2))
	require.IsType(t, &ErrorIndication{}, Answer(err))
	require.Nil(t, Answer(err).(*ErrorIndication).AMFUENGAPID)

	_, err = Decode(pdu(t, 0, 21, 0))
	require.IsType(t, &NGSetupFailure{}, Answer(err))

	// No failure message: ERROR INDICATION.
	_, err = Decode(pdu(t, 0, 29, 0, amfID1, ranID2))
	require.IsType(t, &ErrorIndication{}, Answer(err))
	_, err = Decode(pdu(t, 0, 41, 0, causeIE))
	require.IsType(t, &ErrorIndication{}, Answer(err))

	// Mandatory, ignore: carries on, and stays missing when encoded again.
	b := pdu(t, 0, 41, 0, "0072000400010002")
	p, err := Decode(b)
	require.NoError(t, err)
	require.True(t, p.Missing(IDCause))
	require.False(t, p.Missing(IDUENGAPIDs))
	again, err := p.Encode()
	require.NoError(t, err)
	require.Equal(t, b, again)
	amf, ran := UEIDs(p.Message)
	require.EqualValues(t, 1, *amf)
	require.EqualValues(t, 2, *ran)
	p.Message.(*UEContextReleaseCommand).Cause = CauseNasNormalRelease.Cause()
	again, err = p.Encode()
	require.NoError(t, err)
	require.Equal(t, pdu(t, 0, 41, 0, "0072000400010002", causeIE), again)

	// A response fails locally.
	_, err = Decode(pdu(t, 1, 29, 0, amfID1, ranID2, unknownRej))
	require.Error(t, err)
	require.Nil(t, Answer(err))
}

func TestOrderAndRepetition(t *testing.T) {
	// Any order is taken and kept.
	b := pdu(t, 0, 46, 1, nasPDU, "00790008"+"80f8c000020a1194", ranID2, amfID1)
	p, err := Decode(b)
	require.NoError(t, err)
	again, err := p.Encode()
	require.NoError(t, err)
	require.Equal(t, b, again)

	_, err = Decode(pdu(t, 0, 4, 1, amfID1, ranID2, ranID2, nasPDU))
	answer := Answer(err).(*ErrorIndication)
	require.True(t, answer.Cause.Is(CauseProtocolAbstractSyntaxErrorFalselyConstructedMessage))
}

func TestNotComprehendedValues(t *testing.T) {
	// An enumeration value of a later release keeps its number; the criticality of its IE decides.
	const futureCause = "000f400217e0" // radioNetwork, extension, normally small 63
	p, err := Decode(pdu(t, 0, 41, 0, "0072000400010002", futureCause))
	require.NoError(t, err)
	require.Equal(t, "radioNetwork/unknown(108)", p.Message.(*UEContextReleaseCommand).Cause.String())
	require.Len(t, p.Issues, 1)
	_, err = Decode(pdu(t, 0, 41, 0, "0072000400010002", "000f000217e0"))
	require.True(t, Answer(err).(*ErrorIndication).Cause.Is(CauseProtocolAbstractSyntaxErrorReject))

	// An unknown alternative behind choice-Extensions is kept; its own criticality decides.
	for crit, fails := range map[string]bool{"00": true, "40": false} {
		ie := "00790006" + "c0" + "7ffe" + crit + "01aa"
		b := pdu(t, 0, 46, 1, amfID1, ranID2, nasPDU, ie)
		p, err := Decode(b)
		require.Equal(t, fails, err != nil, "%v", err)
		again, err := p.Encode()
		require.NoError(t, err)
		require.Equal(t, hex.EncodeToString(b), hex.EncodeToString(again))
	}
}

func TestUnknownProcedures(t *testing.T) {
	paging := func(criticality byte) []byte { return pdu(t, 0, 200, criticality, amfID1) }
	p, err := Decode(paging(1))
	require.Error(t, err)
	require.Nil(t, Answer(err))
	require.Nil(t, p.Message)
	again, err := p.Encode()
	require.NoError(t, err)
	require.Equal(t, paging(1), again)

	_, err = Decode(paging(0))
	d := Answer(err).(*ErrorIndication)
	require.True(t, d.Cause.Is(CauseProtocolAbstractSyntaxErrorReject))
	require.Equal(t, &CriticalityDiagnostics{
		ProcedureCode: ptr(ProcedureCode(200)), TriggeringMessage: ptr(TriggeringMessageInitiatingMessage),
		ProcedureCriticality: ptr(aper.Reject),
	}, d.CriticalityDiagnostics)
	_, err = Decode(paging(2))
	require.True(t, Answer(err).(*ErrorIndication).Cause.Is(CauseProtocolAbstractSyntaxErrorIgnoreAndNotify))
}

func TestTransferSyntaxErrors(t *testing.T) {
	_, err := Decode(nil)
	d := Answer(err).(*ErrorIndication)
	require.True(t, d.Cause.Is(CauseProtocolTransferSyntaxError))
	require.Nil(t, d.CriticalityDiagnostics)

	// Cut inside an IE: the ids read before it go into the answer, even for a procedure with a failure message.
	p, err := Decode(pdu(t, 0, 14, 0, amfID1, ranID2, "001c000200"))
	require.NotNil(t, p)
	var ae *aper.Error
	require.True(t, errors.As(err, &ae))
	require.Equal(t, aper.Truncated, ae.Kind)
	d = Answer(err).(*ErrorIndication)
	require.True(t, d.Cause.Is(CauseProtocolTransferSyntaxError))
	require.EqualValues(t, 1, *d.AMFUENGAPID)
	require.EqualValues(t, 2, *d.RANUENGAPID)
	_, err = Encode(d)
	require.NoError(t, err)

	// An error inside ERROR INDICATION is never answered.
	_, err = Decode(pdu(t, 0, 9, 1, "000a0001"))
	require.Error(t, err)
	require.Nil(t, Answer(err))
	_, err = Decode(pdu(t, 0, 9, 1, unknownRej))
	require.Error(t, err)
	require.Nil(t, Answer(err))

	require.Nil(t, Answer(nil))
	require.Nil(t, Answer(errors.New("other")))
	require.True(t, CauseOf(errors.New("other")).Is(CauseProtocolUnspecified))
}

func TestTransferErrors(t *testing.T) {
	_, err := DecodeTransfer[PDUSessionResourceSetupRequestTransfer]([]byte{0, 0, 0})
	require.True(t, CauseOf(err).Is(CauseProtocolAbstractSyntaxErrorReject))
	_, err = DecodeTransfer[PDUSessionResourceSetupRequestTransfer]([]byte{0})
	require.True(t, CauseOf(err).Is(CauseProtocolTransferSyntaxError))
	_, err = EncodeTransfer(&PDUSessionResourceSetupUnsuccessfulTransfer{})
	require.ErrorContains(t, err, "0 alternatives of CHOICE Cause")
}

func TestEncodeErrors(t *testing.T) {
	for _, c := range []struct {
		m    Message
		want string
	}{
		{&NGSetupRequest{}, "NGSetupRequest: aper: GlobalRANNodeID: out of bounds: 0 alternatives"},
		{&UplinkNASTransport{AMFUENGAPID: 1 << 40}, "AMFUENGAPID: out of bounds: 1099511627776 outside of 0..1099511627775"},
		{&OverloadStart{AMFTrafficLoadReductionIndication: ptr(TrafficLoadReductionIndication(0))}, "0 outside of 1..99"},
		{&NGSetupResponse{}, "AMFName: out of bounds: empty string"},
		{&NGSetupResponse{AMFName: "a\n"}, "character outside"},
		{&NGSetupResponse{AMFName: "a"}, "ServedGUAMIList: out of bounds: 0 items, must be 1 to 256"},
		{&NGSetupResponse{AMFName: "a", ServedGUAMIList: ServedGUAMIList{{GUAMI: GUAMI{AMFSetID: 1 << 10}}}},
			"ServedGUAMIList[0].GUAMI.AMFSetID: out of bounds: 0x400 has more than 10 bits"},
	} {
		_, err := Encode(c.m)
		require.ErrorContains(t, err, c.want)
	}
}
