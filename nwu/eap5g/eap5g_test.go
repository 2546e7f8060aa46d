// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unhex reads hexadecimal with spaces.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

const prefix = "fe 0028af 00000003 "

// vectors are EAP packets as published test fixtures and recorded UEs have them.
var vectors = []struct {
	name, hex string
	want      Packet
}{
	{"5G-Start", "0101000e " + prefix + "0100", Packet{Request, 1, Start{}}},
	{"5G-NAS response", "0202001d " + prefix + "0200 0008 020300f110 040103 0003 7e0041", Packet{Response, 2, NASResponse{
		Parameters: []Parameter{{ParameterSelectedPLMN, []byte{0x00, 0xf1, 0x10}}, {ParameterEstablishmentCause, []byte{3}}},
		PDU:        []byte{0x7e, 0x00, 0x41},
	}}},
	{"5G-NAS request", "01030013 " + prefix + "0200 0003 7e0056", Packet{Request, 3, NASRequest{PDU: []byte{0x7e, 0, 0x56}}}},
	{"5G-Stop", "0204000e " + prefix + "0400", Packet{Response, 4, Stop{}}},
	{"5G-Notification request", "01030010 " + prefix + "0300 0000", Packet{Request, 3, NotificationRequest{}}},
	{"5G-Notification with contact", "01030016 " + prefix + "0300 0006 0104c0a87f01", Packet{Request, 3, NotificationRequest{
		Parameters: []Parameter{{1, []byte{192, 168, 127, 1}}}}}},
	{"5G-Notification response", "0203000e " + prefix + "0300", Packet{Response, 3, NotificationResponse{}}},
	{"extended parameters", "02020023 " + prefix + "0200 0000 0001 7e 000e 06 000b f202f839cafe0000000001", Packet{Response, 2, NASResponse{
		PDU: []byte{0x7e}, Extended: []Parameter{{ParameterUEIdentity, []byte{0xf2, 0x02, 0xf8, 0x39, 0xca, 0xfe, 0, 0, 0, 0, 1}}}}}},
	{"Nak", "02050006 03 0d", Packet{Response, 5, Nak{Desired: []byte{13}}}},
	{"expanded Nak", "02050014 fe 000000 00000003 fe 000000 00000000", Packet{Response, 5, Nak{Expanded: true, Desired: []byte{0}}}},
	{"EAP-Success", "03070004", Packet{Success, 7, nil}},
	{"EAP-Failure", "04070004", Packet{Failure, 7, nil}},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			b := unhex(t, v.hex)
			got, err := Decode(b)
			require.NoError(t, err)
			require.Equal(t, v.want.Code, got.Code)
			require.Equal(t, v.want.Identifier, got.Identifier)
			require.EqualExportedValues(t, v.want, got)
			again, err := got.Append(nil)
			require.NoError(t, err)
			require.Equal(t, hex.EncodeToString(b), hex.EncodeToString(again))
		})
	}
}

// TestTruncated cuts each vector at every octet, both leaving the Length field as it was and correcting it. A packet
// that is shorter than it says is always refused; one that is consistent but lacks a field as well.
func TestTruncated(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			full := unhex(t, v.hex)
			for n := range full {
				_, err := Decode(full[:n])
				require.Error(t, err, "%d octets", n)
				if n < 4 {
					continue
				}
				cut := append([]byte(nil), full[:n]...)
				cut[2], cut[3] = byte(n>>8), byte(n)
				p, err := Decode(cut)
				if err != nil {
					continue
				}
				// What still decodes must be a complete packet of its own: a Nak with fewer wishes, or a NAS response
				// that ends before its extended list.
				switch m := p.Message.(type) {
				case Nak:
				case NASResponse:
					require.Empty(t, m.Extended, "%d octets", n)
					require.Equal(t, v.want.Message.(NASResponse).PDU, m.PDU)
				default:
					t.Errorf("%d of %d octets decode as %#v", n, len(full), p)
				}
			}
		})
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		want      error
	}{
		{"length too small", "0101000d " + prefix + "0100", ErrLength},
		{"length too large", "0101000f " + prefix + "0100", ErrLength},
		{"code 0", "0001000e " + prefix + "0100", ErrCode},
		{"code 5", "0501000e " + prefix + "0100", ErrCode},
		{"Success with data", "0301000500", ErrLength},
		{"no type", "01010004", ErrTruncated},
		{"Nak as request", "010100060300", ErrCode},
		{"parameter list past the end", "02020011 " + prefix + "0200 0004 00", ErrTruncated},
		{"parameter past its list", "02020014 " + prefix + "0200 0002 0203 0000", ErrTruncated},
		{"NAS past the end", "02020012 " + prefix + "0200 0000 0001", ErrTruncated},
		{"one octet after the NAS PDU", "02020014 " + prefix + "0200 0000 0001 7e 00", ErrTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Decode(unhex(t, c.hex))
			require.ErrorIs(t, err, c.want)
		})
	}
	var method *MethodError
	_, err := Decode(unhex(t, "0201000e fe 0028b0 00000003 0200"))
	require.ErrorAs(t, err, &method)
	require.EqualValues(t, 10416, method.Vendor)
	_, err = Decode(unhex(t, "0201000e fe 0028af 00000004 0200"))
	require.ErrorAs(t, err, &method)
	require.EqualValues(t, 4, method.VendorType)
	_, err = Decode(unhex(t, "02010006 01 55"))
	require.ErrorAs(t, err, &method)
	require.EqualValues(t, 1, method.Type)
	var message *MessageError
	for _, s := range []string{"0201000e " + prefix + "0100", "0101000e " + prefix + "0400", "0201000e " + prefix + "0500"} {
		_, err = Decode(unhex(t, s))
		require.ErrorAs(t, err, &message, s)
	}
}

func TestLimits(t *testing.T) {
	big := make([]byte, MaxNAS+1)
	_, err := Packet{Request, 1, NASRequest{PDU: big}}.Append(nil)
	require.ErrorIs(t, err, ErrTooLong)
	var list []Parameter
	for range 5 {
		list = append(list, Parameter{Type: 200, Value: make([]byte, 255)})
	}
	_, err = Packet{Response, 1, NASResponse{Parameters: list}}.Append(nil)
	require.ErrorIs(t, err, ErrTooLong)
	_, err = Packet{Response, 1, NASResponse{Parameters: []Parameter{{1, make([]byte, 256)}}}}.Append(nil)
	require.ErrorIs(t, err, ErrTooLong)
	_, err = Packet{Response, 1, Start{}}.Append(nil)
	require.ErrorIs(t, err, ErrCode)
	_, err = Packet{Code: Request}.Append(nil)
	require.ErrorIs(t, err, ErrCode)

	long := append(unhex(t, "02020000 "+prefix+"0200 0405"), make([]byte, 1029+2)...)
	long[2], long[3] = byte(len(long)>>8), byte(len(long))
	_, err = Decode(long)
	require.ErrorIs(t, err, ErrTooLong)
	for n, want := range map[int]error{MaxNAS: nil, MaxNAS + 1: ErrTooLong} {
		pdu := append(unhex(t, "02020000 "+prefix+"0200 0000"), byte(n>>8), byte(n))
		pdu = append(pdu, make([]byte, n)...)
		pdu[2], pdu[3] = byte(len(pdu)>>8), byte(len(pdu))
		_, err = Decode(pdu)
		require.ErrorIs(t, err, want, "%d octets of NAS", n)
	}
}

func TestExtensionsAreSkipped(t *testing.T) {
	p, err := Decode(unhex(t, "01010010 "+prefix+"0100 abcd"))
	require.NoError(t, err)
	require.Equal(t, Start{}, p.Message)
	p, err = Decode(unhex(t, "02020018 "+prefix+"0200 0000 0001 7e 0000 aabbcc"))
	require.NoError(t, err)
	require.Equal(t, []byte{0x7e}, p.Message.(NASResponse).PDU)
	p, err = Decode(unhex(t, "01010014 "+prefix+"0200 0001 7e aabbcc"))
	require.NoError(t, err)
	require.Equal(t, NASRequest{PDU: []byte{0x7e}}, p.Message)
	// The spare octet is ignored.
	p, err = Decode(unhex(t, "0101000e "+prefix+"01ff"))
	require.NoError(t, err)
	require.Equal(t, Start{}, p.Message)
}

func TestExtendedListWithShortLengths(t *testing.T) {
	p, err := Decode(unhex(t, "02020022 "+prefix+"0200 0000 0001 7e 000d 060b f202f839cafe0000000001"))
	require.NoError(t, err)
	an, err := p.Message.(NASResponse).AN()
	require.NoError(t, err)
	require.Equal(t, unhex(t, "f202f839cafe0000000001"), an.UEIdentity)
}
