// SPDX-License-Identifier: Apache-2.0

package nas_test

import (
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func plain(t testing.TB, name string) []byte {
	t.Helper()
	for _, v := range plainVectors {
		if v.name == name {
			return unhex(t, v.hex)
		}
	}
	t.Fatalf("no vector %q", name)
	return nil
}

// TestVectors decodes every published message and encodes it again. No octet may be lost as an unknown element.
func TestVectors(t *testing.T) {
	require.Len(t, plainVectors, 48)
	for _, v := range plainVectors {
		t.Run(v.name, func(t *testing.T) {
			m, err := nas.Decode(unhex(t, v.hex))
			require.NoError(t, err)
			again, err := nas.Encode(m)
			require.NoError(t, err)
			require.Equal(t, v.hex, hex.EncodeToString(again))
		})
	}
}

func TestRegistrationRequestFields(t *testing.T) {
	m, err := nas.Decode(plain(t, "RegistrationRequest_full(in container)"))
	require.NoError(t, err)
	r := m.(*nas.RegistrationRequest)
	require.Equal(t, nas.RegistrationInitial|nas.FollowOn, r.RegistrationType)
	require.Equal(t, nas.NoKey, r.KSI)
	s, err := r.Identity.SUCI()
	require.NoError(t, err)
	require.Equal(t, "208-93", s.PLMN.String())
	require.Equal(t, "0", s.RoutingIndicator)
	require.Equal(t, "0000000003", nas.DecodeMSIN(s.Output))
	require.Equal(t, "suci-0-208-93-0-0-0-0000000003", r.Identity.String())
	require.Equal(t, r.Identity, nas.NewNullSUCI(s.PLMN, "0000000003", "0").Identity())
	require.True(t, r.SecurityCapability.Cipher(0) && r.SecurityCapability.Cipher(2) && !r.SecurityCapability.Cipher(4))
	require.True(t, !r.SecurityCapability.Integrity(0) && r.SecurityCapability.Integrity(2))
	require.Equal(t, nas.SecurityCapability{0xf0, 0x70}, nas.NewSecurityCapability([]int{0, 1, 2, 3}, []int{1, 2, 3}))
	require.Equal(t, nas.NSSAI{{SST: 1, HasSD: true, SD: [3]byte{1, 2, 3}}}, r.RequestedNSSAI)
}

func TestRegistrationAcceptFields(t *testing.T) {
	m, err := nas.Decode(plain(t, "RegistrationAccept"))
	require.NoError(t, err)
	a := m.(*nas.RegistrationAccept)
	require.EqualValues(t, nas.ResultNon3GPP, a.Result)
	g, err := a.GUTI.GUTI()
	require.NoError(t, err)
	require.Equal(t, nas.GUTI{GUAMI: nas.GUAMI{PLMN: nas.PLMN{0x02, 0xf8, 0x39}, Region: 0xca, Set: 0x3f8, Pointer: 0}, TMSI: 1}, g)
	require.Equal(t, a.GUTI, g.Identity())
	tmsi, err := g.STMSI().TMSI()
	require.NoError(t, err)
	require.EqualValues(t, 1, tmsi)
	require.Equal(t, nas.TAIList{{PLMN: g.PLMN, TAC: [3]byte{0, 0, 1}}}, a.TAIList)
	require.Equal(t, 12*time.Minute, a.Non3GPPDeregistration.Duration())
	require.Nil(t, a.T3512)
}

func TestEstablishmentAcceptFields(t *testing.T) {
	m, err := nas.Decode(plain(t, "DLNASTransport(EstAccept)"))
	require.NoError(t, err)
	d := m.(*nas.DLNASTransport)
	require.EqualValues(t, 1, *d.SessionID)
	m, err = nas.Decode(d.Container)
	require.NoError(t, err)
	a := m.(*nas.EstablishmentAccept)
	require.Equal(t, nas.SM{SessionID: 1, PTI: 1}, a.SM)
	require.Equal(t, nas.SessionIPv4, a.SessionType)
	require.EqualValues(t, 1, a.SSCMode)
	require.Equal(t, netip.MustParseAddr("10.60.0.1"), a.Address.IPv4)
	require.EqualValues(t, 100_000_000, a.AMBR.Downlink.BitsPerSecond())
	require.Equal(t, nas.DNN("internet"), *a.DNN)
	require.Equal(t, nas.QoSRules{{ID: 1, Operation: nas.RuleCreate, Default: true, Filters: []nas.PacketFilter{
		{Direction: nas.BothWays, ID: 1, Components: []nas.FilterComponent{{Type: nas.MatchAll}}}},
		Precedence: new(uint8(255)), QFI: new(uint8(1))}}, a.Rules)
	five, ok := a.Flows[0].FiveQI()
	require.True(t, ok)
	require.EqualValues(t, 9, five)
	options, err := nas.DecodeOptions(a.ExtendedOptions)
	require.NoError(t, err)
	require.Equal(t, []nas.Option{{ID: nas.OptionDNSv4, Data: []byte{8, 8, 8, 8}}}, options)
	require.Equal(t, a.ExtendedOptions, nas.EncodeOptions(options...))
}

// TestTruncated holds that no truncation of a message panics, and that one within the mandatory part is an error.
func TestTruncated(t *testing.T) {
	for _, v := range plainVectors {
		full := unhex(t, v.hex)
		want, err := nas.Decode(full)
		require.NoError(t, err)
		for n := range full {
			m, err := nas.Decode(full[:n])
			if err == nil {
				require.Equal(t, want.Type(), m.Type())
				require.NotEqual(t, want, m, "%s cut to %d octets", v.name, n)
			}
		}
	}
	for _, s := range []string{"7e0041", "7e004179", "7e00417900", "7e004179000d01", "7e0044", "7e005d02", "7e005d020002f0", "7e0068010001"} {
		var e *nas.Error
		_, err := nas.Decode(unhex(t, s))
		require.ErrorAs(t, err, &e, s)
		require.Equal(t, nas.CauseInvalidMandatory, e.Cause)
	}
}

func TestDecodeErrors(t *testing.T) {
	for s, want := range map[string]error{
		"": nas.ErrTruncated, "7e00": nas.ErrTruncated, "2e0101": nas.ErrTruncated,
		"7e02aabbccdd007e0043": nas.ErrProtected, "070041": nas.ErrDiscriminator,
	} {
		_, err := nas.Decode(unhex(t, s))
		require.ErrorIs(t, err, want, s)
	}
	for _, s := range []string{"7e00ff", "2e0101ff", "7e00c1", "2e010141"} {
		var e *nas.Error
		_, err := nas.Decode(unhex(t, s))
		require.ErrorAs(t, err, &e, s)
		require.Equal(t, nas.CauseMessageTypeUnknown, e.Cause)
	}
}

func TestOptionalElements(t *testing.T) {
	// Unknown half-octet, TLV and TLV-E elements, a repeated one and a malformed one, around a known one.
	m, err := nas.Decode(unhex(t, "7e0042 0102 c5 3f02aaaa 7d0001bb 0503000000 5d012c 5d012d 15020401 21020100"))
	require.NoError(t, err)
	a := m.(*nas.RegistrationAccept)
	require.Equal(t, nas.Timer2(0x2c), *a.Non3GPPDeregistration, "the first counts")
	require.Nil(t, a.AllowedNSSAI, "malformed is absent")
	require.Equal(t, []byte{1, 0}, a.NetworkFeatures, "what follows is read")
	// One that runs past the end.
	var e *nas.Error
	_, err = nas.Decode(unhex(t, "7e0042 0102 5d02"))
	require.ErrorAs(t, err, &e)
	require.Equal(t, nas.CauseProtocolError, e.Cause)
	_, err = nas.Decode(unhex(t, "7e0056 00 020000 2100"))
	require.ErrorAs(t, err, &e)
	require.Equal(t, "RAND", e.IE)
}

// TestEveryMessageRoundTrips fills every element of every message and decodes what is encoded.
func TestEveryMessageRoundTrips(t *testing.T) {
	for _, m := range nas.AllMessages() {
		fill(t, reflect.ValueOf(m).Elem())
		b, err := nas.Encode(m)
		require.NoError(t, err, m.Type())
		got, err := nas.Decode(b)
		require.NoError(t, err, m.Type())
		require.Equal(t, m, got)
	}
}

// fill sets each field to a value that is valid for its type.
func fill(t *testing.T, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		tag := v.Type().Field(i).Tag.Get("nas")
		if f.Type() == reflect.TypeOf(nas.SM{}) {
			f.Set(reflect.ValueOf(nas.SM{SessionID: 5, PTI: 7}))
			continue
		}
		if f.Kind() == reflect.Pointer {
			f.Set(reflect.New(f.Type().Elem()))
			f = f.Elem()
		}
		switch p := f.Addr().Interface().(type) {
		case *nas.NSSAI:
			*p = nas.NSSAI{{SST: 1}, {SST: 2, Mapped: &nas.SNSSAI{SST: 3}}, {SST: 1, HasSD: true, SD: [3]byte{1, 2, 3}}}
		case *nas.SNSSAI:
			*p = nas.SNSSAI{SST: 1, HasSD: true, SD: [3]byte{1, 2, 3}, Mapped: &nas.SNSSAI{SST: 3, HasSD: true, SD: [3]byte{3}}}
		case *nas.TAIList:
			*p = nas.TAIList{{PLMN: nas.PLMN{1, 2, 3}}, {PLMN: nas.PLMN{3, 2, 1}, TAC: [3]byte{0, 0, 7}}}
		case *nas.TAI:
			*p = nas.TAI{PLMN: nas.PLMN{1, 2, 3}, TAC: [3]byte{1}}
		case *nas.DNN:
			*p = "ims.example"
		case *nas.PDUAddress:
			*p = nas.PDUAddress{Type: nas.SessionIPv4v6, InterfaceID: [8]byte{7: 1}, IPv4: netip.MustParseAddr("10.1.2.3")}
		case *nas.QoSRules:
			*p = nas.QoSRules{{ID: 3, Operation: nas.RuleDeleteFilters, Filters: []nas.PacketFilter{{ID: 2}}},
				{ID: 4, Operation: nas.RuleCreate, Filters: []nas.PacketFilter{{Direction: nas.Uplink, ID: 1, Components: []nas.FilterComponent{
					{Type: nas.RemotePort, Value: []byte{0, 53}}, {Type: nas.ProtocolNext, Value: []byte{17}}}}}, Precedence: new(uint8(9)), QFI: new(uint8(5))}}
		case *nas.FlowDescriptions:
			*p = nas.FlowDescriptions{{QFI: 5, Operation: nas.FlowCreate, Extended: true, Parameters: []nas.FlowParameter{{ID: nas.Flow5QI, Value: []byte{5}}}},
				{QFI: 6, Operation: nas.FlowDelete}}
		case *nas.AMBR:
			*p = nas.AMBR{Downlink: nas.NewBitRate(100e6), Uplink: nas.NewBitRate(5e9)}
		case *nas.SessionBitmap:
			*p = 1<<1 | 1<<15
		default:
			switch f.Kind() {
			case reflect.Slice:
				f.SetBytes([]byte{1, 2, 3})
			case reflect.Array:
				f.Index(0).SetUint(0x5a)
			case reflect.Uint8:
				f.SetUint(5)
			default:
				t.Fatalf("no filling for %s %s", f.Type(), tag)
			}
		}
	}
}

func TestValuesThatDoNotFit(t *testing.T) {
	for _, m := range []nas.Message{
		&nas.RegistrationAccept{NetworkFeatures: make([]byte, 256)},
		&nas.IdentityResponse{Identity: make([]byte, 65536)},
		&nas.RegistrationAccept{TAIList: nas.TAIList{}},
		&nas.RegistrationAccept{TAIList: make(nas.TAIList, 17)},
		&nas.ULNASTransport{DNN: new(nas.DNN("a..b"))},
		&nas.ULNASTransport{DNN: new(nas.DNN(strings.Repeat("a", 64)))},
		&nas.EstablishmentAccept{Address: &nas.PDUAddress{Type: nas.SessionIPv4}},
		&nas.EstablishmentAccept{Rules: nas.QoSRules{{Filters: make([]nas.PacketFilter, 16)}}},
	} {
		_, err := nas.Encode(m)
		var e *nas.Error
		require.True(t, errors.As(err, &e), "%#v: %v", m, err)
	}
}

func TestIdentities(t *testing.T) {
	m, err := nas.NewIMEISV("4370816125816151")
	require.NoError(t, err)
	require.Equal(t, "4573806121856151f1", hex.EncodeToString(m))
	s, err := m.Equipment()
	require.NoError(t, err)
	require.Equal(t, "4370816125816151", s)
	_, err = nas.NewIMEISV("437081612581615")
	require.Error(t, err)
	p, err := nas.NewPLMN("310", "410")
	require.NoError(t, err)
	require.Equal(t, nas.PLMN{0x13, 0x00, 0x14}, p)
	require.Equal(t, "310-410", p.String())
	for _, bad := range [][2]string{{"31", "41"}, {"310", "4"}, {"31a", "41"}, {"310", "4100"}} {
		_, err = nas.NewPLMN(bad[0], bad[1])
		require.Error(t, err)
	}
	require.Equal(t, "f02143"[2:], hex.EncodeToString(nas.SUCI{RoutingIndicator: "1234"}.Identity()[4:6]))
	for _, bad := range []string{"", "01", "02f839", "f4aabb", "f202f839cafe00000000"} {
		id := nas.MobileIdentity(unhex(t, bad))
		_, err1 := id.SUCI()
		_, err2 := id.GUTI()
		_, err3 := id.TMSI()
		require.True(t, err1 != nil && err2 != nil && err3 != nil, bad)
	}
}

func TestBitRates(t *testing.T) {
	for bps, want := range map[uint64]nas.BitRate{
		1: {Unit: 1, Value: 1}, 64_000: {Unit: 1, Value: 64}, 100e6: {Unit: 6, Value: 100}, 70e9: {Unit: 11, Value: 70}, 65_535e6: {Unit: 6, Value: 65535},
	} {
		r := nas.NewBitRate(bps)
		require.Equal(t, want, r)
	}
	require.EqualValues(t, 256_000*10, nas.BitRate{Unit: 5, Value: 10}.BitsPerSecond())
	require.EqualValues(t, 4e9, nas.BitRate{Unit: 12, Value: 1}.BitsPerSecond())
	require.EqualValues(t, 0, nas.BitRate{Unit: 0, Value: 1}.BitsPerSecond())
	require.EqualValues(t, 0, nas.BitRate{Unit: 200, Value: 1}.BitsPerSecond())
}

func TestTAIListTypes(t *testing.T) {
	m, err := nas.Decode(unhex(t, "7e0042 0102 541f 01 02f839 000001 000005 22 02f839 0000ff 40 02f810 000009 00 02f839 00000b"))
	require.NoError(t, err)
	a := m.(*nas.RegistrationAccept)
	var got []string
	for _, tai := range a.TAIList {
		got = append(got, tai.PLMN.String()+"/"+hex.EncodeToString(tai.TAC[:]))
	}
	require.Equal(t, []string{"208-93/000001", "208-93/000005", "208-93/0000ff", "208-93/000100", "208-93/000101", "208-01/000009", "208-93/00000b"}, got)
}

func TestClassify(t *testing.T) {
	m, err := nas.Decode(plain(t, "5GSM ModCommand"))
	require.NoError(t, err)
	rules := m.(*nas.ModificationCommand).Rules
	rules = append(rules, nas.QoSRule{ID: 1, Operation: nas.RuleCreate, Default: true,
		Filters: []nas.PacketFilter{{Direction: nas.BothWays, ID: 1, Components: []nas.FilterComponent{{Type: nas.MatchAll}}}}, Precedence: new(uint8(255)), QFI: new(uint8(1))})
	udp := func(src, dst string, sport, dport byte) []byte {
		b := unhex(t, "45b8001c 00000000 40110000")
		b = append(b, netip.MustParseAddr(src).AsSlice()...)
		b = append(b, netip.MustParseAddr(dst).AsSlice()...)
		return append(b, 0, sport, 0, dport, 0, 8, 0, 0)
	}
	qfi, ok := rules.Classify(nas.Uplink, udp("10.60.0.1", "8.8.8.8", 5, 53))
	require.True(t, ok)
	require.EqualValues(t, 2, qfi, "the remote address filter has the lower precedence value")
	qfi, ok = rules.Classify(nas.Uplink, udp("8.8.8.8", "10.60.0.1", 5, 53))
	require.True(t, ok)
	require.EqualValues(t, 1, qfi)
	for _, c := range []struct {
		component nas.FilterComponent
		match     bool
	}{
		{nas.FilterComponent{Type: nas.RemotePort, Value: []byte{0, 53}}, true},
		{nas.FilterComponent{Type: nas.RemotePort, Value: []byte{0, 54}}, false},
		{nas.FilterComponent{Type: nas.RemotePortRange, Value: []byte{0, 50, 0, 60}}, true},
		{nas.FilterComponent{Type: nas.LocalPort, Value: []byte{0, 5}}, true},
		{nas.FilterComponent{Type: nas.LocalPortRange, Value: []byte{0, 6, 0, 60}}, false},
		{nas.FilterComponent{Type: nas.ProtocolNext, Value: []byte{6}}, false},
		{nas.FilterComponent{Type: nas.IPv4Local, Value: []byte{10, 60, 0, 0, 255, 255, 0, 0}}, true},
		{nas.FilterComponent{Type: nas.TypeOfService, Value: []byte{0xb8, 0xfc}}, true},
		{nas.FilterComponent{Type: nas.IPv6Remote, Value: make([]byte, 17)}, false},
		{nas.FilterComponent{Type: nas.EthertypeMatches, Value: []byte{8, 0}}, false},
	} {
		rules := nas.QoSRules{{Filters: []nas.PacketFilter{{Direction: nas.Uplink, Components: []nas.FilterComponent{c.component}}}, Precedence: new(uint8(1)), QFI: new(uint8(3))}}
		_, ok := rules.Classify(nas.Uplink, udp("10.60.0.1", "8.8.8.8", 5, 53))
		require.Equal(t, c.match, ok, "%+v", c.component)
	}
	_, ok = rules.Classify(nas.Uplink, []byte{0x45})
	require.False(t, ok)
}
