// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func parameter(t testing.TB, typ ParameterType, hex string) NASResponse {
	return NASResponse{Parameters: []Parameter{{typ, unhex(t, hex)}}}
}

func TestParameterForms(t *testing.T) {
	guami := &GUAMI{PLMN: PLMN{0x02, 0xf8, 0x39}, Region: 0xca, Set: 0x3f8, Pointer: 0x05}
	one, mapped := SNSSAI{SST: 1, SD: &[3]byte{1, 2, 3}}, uint8(7)
	for _, c := range []struct {
		name  string
		typ   ParameterType
		value string
		want  AN
	}{
		{"GUAMI", 1, "02f839cafe05", AN{GUAMI: guami}},
		{"GUAMI after an octet", 1, "0002f839cafe05", AN{GUAMI: guami}},
		{"GUAMI after identifier and length", 1, "770602f839cafe05", AN{GUAMI: guami}},
		{"PLMN", 2, "02f839", AN{SelectedPLMN: &PLMN{0x02, 0xf8, 0x39}}},
		{"PLMN after identifier and length", 2, "000302f839", AN{SelectedPLMN: &PLMN{0x02, 0xf8, 0x39}}},
		{"NSSAI", 3, "0401010203 0102", AN{RequestedNSSAI: []SNSSAI{one, {SST: 2}}}},
		{"NSSAI mapped", 3, "020107 0501010203 07 080101020307010203", AN{RequestedNSSAI: []SNSSAI{
			{SST: 1, MappedSST: &mapped}, {SST: 1, SD: one.SD, MappedSST: &mapped}, {SST: 1, SD: one.SD, MappedSST: &mapped, MappedSD: one.SD}}}},
		{"NSSAI after an octet", 3, "00 0401010203", AN{RequestedNSSAI: []SNSSAI{one}}},
		{"NSSAI after identifier and length", 3, "2f05 0401010203", AN{RequestedNSSAI: []SNSSAI{one}}},
		{"cause with spare bits", 4, "f3", AN{EstablishmentCause: new(CauseMOSignalling)}},
		{"cause after an octet", 4, "0003", AN{EstablishmentCause: new(CauseMOSignalling)}},
		{"NID", 5, "21436587a90b", AN{SelectedNID: new(NID(0x123456789ab))}},
		{"UE identity", 6, "f202f839cafe0000000001", AN{UEIdentity: unhex(t, "f202f839cafe0000000001")}},
		{"UE identity with identifier", 6, "77000bf202f839cafe0000000001", AN{UEIdentity: unhex(t, "f202f839cafe0000000001")}},
		{"onboarding", 7, "", AN{Onboarding: true}},
		{"GUAMI type without GUAMI", 8, "01", AN{}},
		{"unknown", 99, "00112233", AN{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			an, err := parameter(t, c.typ, c.value).AN()
			require.NoError(t, err)
			require.Equal(t, c.want, an)
			// The extended list means the same.
			m := parameter(t, c.typ, c.value)
			m.Parameters, m.Extended = nil, m.Parameters
			an, err = m.AN()
			require.NoError(t, err)
			require.Equal(t, c.want, an)
		})
	}
}

func TestMalformedParameters(t *testing.T) {
	for _, c := range []struct {
		typ   ParameterType
		value string
	}{
		{1, ""}, {1, "02f839cafe"}, {1, "770502f839cafe05"}, {1, "770602f839cafe0500"}, {1, "a2f839cafe05"},
		{2, "02f8"}, {2, "000402f839"}, {2, "02f83a"},
		{3, ""}, {3, "0301010203"[:8]}, {3, "04010102"}, {3, "00"}, {3, "0101010101010101010101010101010101" + "01"},
		{4, ""}, {4, "00000003"}, {5, "2143658709"}, {6, ""}, {8, ""},
	} {
		_, err := parameter(t, c.typ, c.value).AN()
		var perr *ParameterError
		require.ErrorAs(t, err, &perr, "%s %q", c.typ, c.value)
		require.Equal(t, c.typ, perr.Type)
	}
}

func TestFirstOfRepeatedParametersCounts(t *testing.T) {
	an, err := NASResponse{Parameters: []Parameter{{4, []byte{1}}, {4, []byte{3}}}, Extended: []Parameter{{4, []byte{0}}}}.AN()
	require.NoError(t, err)
	require.Equal(t, CauseHighPriority, *an.EstablishmentCause)
}

func TestANRoundTrip(t *testing.T) {
	sst := uint8(9)
	for _, an := range []AN{
		{},
		{
			GUAMI: &GUAMI{PLMN: PLMN{0x02, 0xf8, 0x39}, Region: 1, Set: 1023, Pointer: 63}, GUAMIType: GUAMIMapped,
			SelectedPLMN: &PLMN{0x00, 0x11, 0x10}, RequestedNSSAI: []SNSSAI{{SST: 1}, {SST: 2, MappedSST: &sst},
				{SST: 3, SD: &[3]byte{1, 2, 3}, MappedSST: &sst, MappedSD: &[3]byte{3, 2, 1}}},
			EstablishmentCause: new(CauseEmergency), SelectedNID: new(NID(0xfedcba98765)), UEIdentity: []byte{0xf4, 1, 2, 3}, Onboarding: true,
		},
	} {
		b, err := Packet{Response, 9, an.NASResponse([]byte{0x7e})}.Append(nil)
		require.NoError(t, err)
		p, err := Decode(b)
		require.NoError(t, err)
		got, err := p.Message.(NASResponse).AN()
		require.NoError(t, err)
		require.Equal(t, an, got)
	}
}

func TestEstablishmentCauseNGAP(t *testing.T) {
	want := map[EstablishmentCause]uint8{0: 0, 1: 1, 2: 4, 3: 3, 4: 4, 5: 4, 8: 8, 9: 9, 10: 7, 11: 5, 12: 6, 13: 4, 15: 4}
	for c, n := range want {
		require.Equal(t, n, c.NGAP(), c.String())
	}
}

func TestNames(t *testing.T) {
	require.Equal(t, "208-93", PLMN{0x02, 0xf8, 0x39}.String())
	require.Equal(t, "310-410", PLMN{0x13, 0x00, 0x14}.String())
	require.Equal(t, "123456789ab", NID(0x123456789ab).String())
	require.Equal(t, "requested NSSAI", ParameterRequestedNSSAI.String())
	require.Equal(t, "type 99", ParameterType(99).String())
}
