// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

var (
	gcm128  = suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}.Transform()
	gcm256  = suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 256}.Transform()
	cbc128  = suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 128}.Transform()
	cbc256  = suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}.Transform()
	noInteg = suite.AUTH_NONE.Transform()
	sha1    = suite.AUTH_HMAC_SHA1_96.Transform()
	sha256  = suite.AUTH_HMAC_SHA2_256_128.Transform()
	prf1    = suite.PRF_HMAC_SHA1.Transform()
	prf256  = suite.PRF_HMAC_SHA2_256.Transform()
	g2      = suite.GroupID(2).Transform()
	g14     = suite.MODP_2048.Transform()
	g19     = suite.ECP_256.Transform()
	g31     = suite.CURVE25519.Transform()
	gNone   = suite.GroupNone.Transform()
	esn0    = message.Transform{Type: message.TransformESN, ID: 0}
	esn1    = message.Transform{Type: message.TransformESN, ID: 1}
)

func ike(number uint8, t ...message.Transform) message.Proposal {
	return message.Proposal{Number: number, Protocol: message.ProtocolIKE, Transforms: t}
}

func esp(number uint8, t ...message.Transform) message.Proposal {
	return message.Proposal{Number: number, Protocol: message.ProtocolESP, SPI: []byte{0, 0, 1, 0}, Transforms: t}
}

func TestSelectIKE(t *testing.T) {
	odd := func(t message.Transform) message.Transform { t.Extra = "\x80\x11\x00\x01"; return t }
	tests := []struct {
		name    string
		policy  []message.Proposal
		offered []message.Proposal
		ke      suite.GroupID
		want    *message.Proposal
	}{
		{"our order of proposals decides", nil,
			[]message.Proposal{ike(1, cbc128, prf256, sha256, g19), ike(2, gcm128, prf256, g19)}, suite.ECP_256,
			ptr(ike(2, gcm128, prf256, g19))},
		{"our order of key lengths decides", nil,
			[]message.Proposal{ike(7, gcm128, gcm256, prf256, g19)}, suite.ECP_256, ptr(ike(7, gcm256, prf256, g19))},
		{"the group of the KE payload wins", nil,
			[]message.Proposal{ike(1, gcm128, prf256, g31, g19, g14)}, suite.MODP_2048, ptr(ike(1, gcm128, prf256, g14))},
		{"another group must be asked for", nil,
			[]message.Proposal{ike(1, gcm128, prf256, g2, g14, g19)}, 2, ptr(ike(1, gcm128, prf256, g19))},
		{"INTEG NONE beside an AEAD is answered", nil,
			[]message.Proposal{ike(1, gcm128, prf256, noInteg, g19)}, suite.ECP_256, ptr(ike(1, gcm128, prf256, noInteg, g19))},
		{"an AEAD with an HMAC only is no proposal", nil,
			[]message.Proposal{ike(1, gcm128, prf256, sha256, g19)}, suite.ECP_256, nil},
		{"mixed ciphers fall to the one that fits", nil,
			[]message.Proposal{ike(1, gcm128, cbc128, prf256, sha256, g19)}, suite.ECP_256, ptr(ike(1, cbc128, prf256, sha256, g19))},
		{"CBC without integrity", nil, []message.Proposal{ike(1, cbc128, prf256, g19)}, suite.ECP_256, nil},
		{"CBC with INTEG NONE", nil, []message.Proposal{ike(1, cbc128, prf256, noInteg, g19)}, suite.ECP_256, nil},
		{"no PRF", nil, []message.Proposal{ike(1, gcm128, g19)}, suite.ECP_256, nil},
		{"no group", nil, []message.Proposal{ike(1, gcm128, prf256)}, suite.ECP_256, nil},
		{"SHA-1 is off", nil, []message.Proposal{ike(1, cbc256, prf1, sha1, g14)}, suite.MODP_2048, nil},
		{"SHA-1 in the lab", suite.LegacyLab().IKE, []message.Proposal{ike(1, cbc256, prf1, sha1, g14)}, suite.MODP_2048,
			ptr(ike(1, cbc256, prf1, sha1, g14))},
		{"SHA-2 before SHA-1 in the lab", suite.LegacyLab().IKE,
			[]message.Proposal{ike(1, cbc256, prf1, prf256, sha1, sha256, g14)}, suite.MODP_2048, ptr(ike(1, cbc256, prf256, sha256, g14))},
		{"MODP-1024 does not exist", suite.LegacyLab().IKE, []message.Proposal{ike(1, cbc256, prf1, sha1, g2)}, 2, nil},
		{"transforms of two proposals are not mixed", nil,
			[]message.Proposal{ike(1, gcm128, prf1, g19), ike(2, gcm128, prf256, g2)}, suite.ECP_256, nil},
		{"an unknown transform type spoils the proposal", nil,
			[]message.Proposal{ike(1, gcm128, prf256, g19, message.Transform{Type: 13, ID: 36}), ike(2, cbc128, prf256, sha256, g19)}, suite.ECP_256,
			ptr(ike(2, cbc128, prf256, sha256, g19))},
		{"an unknown transform ID is skipped", nil,
			[]message.Proposal{ike(1, message.Transform{Type: 1, ID: 99}, gcm128, prf256, g19)}, suite.ECP_256, ptr(ike(1, gcm128, prf256, g19))},
		{"an unknown attribute is skipped", nil,
			[]message.Proposal{ike(1, odd(gcm256), gcm128, prf256, g19)}, suite.ECP_256, ptr(ike(1, gcm128, prf256, g19))},
		{"AES without key length", nil, []message.Proposal{ike(1, message.Transform{Type: 1, ID: 20}, prf256, g19)}, suite.ECP_256, nil},
		{"ChaCha20", nil, []message.Proposal{ike(1, message.Transform{Type: 1, ID: 28}, prf256, g31)}, suite.CURVE25519,
			ptr(ike(1, message.Transform{Type: 1, ID: 28}, prf256, g31))},
		{"ESP where IKE belongs", nil, []message.Proposal{esp(1, gcm128, esn0)}, suite.ECP_256, nil},
		{"an SPI where none belongs", nil, []message.Proposal{{Protocol: message.ProtocolIKE, SPI: make([]byte, 8), Transforms: []message.Transform{gcm128, prf256, g19}}}, suite.ECP_256, nil},
		{"doubled transforms", nil, []message.Proposal{ike(1, gcm128, gcm128, prf256, prf256, g19, g19)}, suite.ECP_256, ptr(ike(1, gcm128, prf256, g19))},
		{"nothing", nil, nil, suite.ECP_256, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			policy := tt.policy
			if policy == nil {
				policy = suite.Default().IKE
			}
			before := suite.Offer(tt.offered, nil)
			c, err := suite.SelectIKE(policy, tt.offered, 0, tt.ke)
			if tt.want == nil {
				require.ErrorIs(t, err, suite.ErrNoProposalChosen)
				return
			}
			require.NoError(t, err)
			require.Equal(t, *tt.want, c.Peer)
			require.True(t, c.IKE.Supported())
			require.Len(t, before, len(tt.offered))

			accepted, err := suite.AcceptIKE(tt.offered, []message.Proposal{c.Answer(nil)}, 0)
			require.NoError(t, err)
			require.Equal(t, c.IKE, accepted.IKE)
		})
	}
}

func TestSelectRekeyIKE(t *testing.T) {
	spi := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	p := ike(1, gcm128, prf256, g19)
	p.SPI = spi
	c, err := suite.SelectIKE(suite.Default().IKE, []message.Proposal{p}, 8, suite.ECP_256)
	require.NoError(t, err)
	require.Equal(t, spi, c.Peer.SPI)
	require.Equal(t, []byte("responde"), c.Answer([]byte("responde")).SPI)
	_, err = suite.SelectIKE(suite.Default().IKE, []message.Proposal{ike(1, gcm128, prf256, g19)}, 8, suite.ECP_256)
	require.ErrorIs(t, err, suite.ErrNoProposalChosen)
}

func TestSelectESP(t *testing.T) {
	d := suite.Default().ESP
	tests := []struct {
		name    string
		policy  []message.Proposal
		offered message.Proposal
		ke      suite.GroupID
		first   bool
		want    *message.Proposal
		group   suite.GroupID
	}{
		{"AEAD with ESN", d, esp(1, gcm128, esn0, esn1), 0, true, ptr(esp(1, gcm128, esn1)), 0},
		{"no ESN", d, esp(1, gcm128, esn0), 0, true, ptr(esp(1, gcm128, esn0)), 0},
		{"ESN left out means none", d, esp(1, gcm128), 0, true, ptr(esp(1, gcm128)), 0},
		{"CBC", d, esp(3, cbc256, sha256, esn0), 0, true, ptr(esp(3, cbc256, sha256, esn0)), 0},
		{"CBC without integrity", d, esp(3, cbc256, esn0), 0, true, nil, 0},
		{"SHA-1", d, esp(3, cbc256, sha1, esn0), 0, true, nil, 0},
		{"SHA-1 in the lab", suite.LegacyLab().ESP, esp(3, cbc256, sha1, esn0), 0, true, ptr(esp(3, cbc256, sha1, esn0)), 0},
		{"a PRF does not belong here", d, esp(1, gcm128, prf256, esn0), 0, true, nil, 0},
		{"groups in IKE_AUTH are disregarded", d, esp(1, gcm128, g19, g2, esn0), 0, true, ptr(esp(1, gcm128, esn0)), 0},
		{"no PFS", d, esp(1, gcm128, esn0), 0, false, ptr(esp(1, gcm128, esn0)), 0},
		{"PFS as the peer wants", d, esp(1, gcm128, g19, g31, esn0), suite.ECP_256, false, ptr(esp(1, gcm128, g19, esn0)), suite.ECP_256},
		{"PFS with another group than KE", d, esp(1, gcm128, g2, g31, esn0), 2, false, ptr(esp(1, gcm128, g31, esn0)), suite.CURVE25519},
		{"PFS if we like", d, esp(1, gcm128, g19, gNone, esn0), 0, false, ptr(esp(1, gcm128, gNone, esn0)), 0},
		{"PFS if we like and KE is there", d, esp(1, gcm128, gNone, g19, esn0), suite.ECP_256, false, ptr(esp(1, gcm128, g19, esn0)), suite.ECP_256},
		{"policy demands PFS", suite.WithGroups(d, suite.ECP_256), esp(1, gcm128, esn0), 0, false, nil, 0},
		{"policy demands PFS, which comes", suite.WithGroups(d, suite.ECP_256), esp(1, gcm128, g14, g19, esn0), suite.MODP_2048, false,
			ptr(esp(1, gcm128, g19, esn0)), suite.ECP_256},
		{"policy may do without PFS", suite.WithGroups(d, suite.ECP_256, suite.GroupNone), esp(1, gcm128, esn0), 0, false, ptr(esp(1, gcm128, esn0)), 0},
		{"MODP-1024 alone", d, esp(1, gcm128, g2, esn0), 2, false, nil, 0},
		{"SPI of a wrong length", d, message.Proposal{Number: 1, Protocol: message.ProtocolESP, SPI: make([]byte, 8), Transforms: []message.Transform{gcm128, esn0}}, 0, true, nil, 0},
		{"AH", d, message.Proposal{Number: 1, Protocol: message.ProtocolAH, SPI: make([]byte, 4), Transforms: []message.Transform{sha256, esn0}}, 0, true, nil, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			offered := []message.Proposal{tt.offered}
			c, err := suite.SelectESP(tt.policy, offered, tt.ke, tt.first)
			if tt.want == nil {
				require.ErrorIs(t, err, suite.ErrNoProposalChosen)
				return
			}
			require.NoError(t, err)
			require.Equal(t, *tt.want, c.Peer)
			require.Equal(t, tt.group, c.ESP.Group)
			require.Equal(t, slices.Contains(tt.want.Transforms, esn1), c.ESP.ESN)

			accepted, err := suite.AcceptESP(offered, []message.Proposal{c.Answer([]byte{0, 0, 2, 0})}, tt.first)
			require.NoError(t, err)
			require.Equal(t, c.ESP, accepted.ESP)
			require.Equal(t, []byte{0, 0, 2, 0}, accepted.Peer.SPI)
		})
	}
}

func TestAcceptRefusesWhatWasNotOffered(t *testing.T) {
	offered := []message.Proposal{esp(1, gcm128, gcm256, esn0), esp(2, cbc128, sha256, esn0, esn1)}
	for name, answer := range map[string][]message.Proposal{
		"nothing":                    nil,
		"two proposals":              {esp(1, gcm128, esn0), esp(2, cbc128, sha256, esn0)},
		"another number":             {esp(3, gcm128, esn0)},
		"another algorithm":          {esp(1, cbc128, sha256, esn0)},
		"two ciphers":                {esp(1, gcm128, gcm256, esn0)},
		"ESN that was not offered":   {esp(1, gcm128, esn1)},
		"integrity left out":         {esp(2, cbc128, esn0)},
		"integrity NONE":             {esp(2, cbc128, noInteg, esn0)},
		"another protocol":           {ike(1, gcm128, prf256, g19)},
		"a group that was not asked": {esp(1, gcm128, g19, esn0)},
		"no cipher":                  {esp(1, esn0)},
		"SPI missing":                {{Number: 1, Protocol: message.ProtocolESP, Transforms: []message.Transform{gcm128, esn0}}},
	} {
		_, err := suite.AcceptESP(offered, answer, false)
		require.ErrorIs(t, err, suite.ErrBadAnswer, name)
	}
	_, err := suite.AcceptIKE([]message.Proposal{ike(1, gcm128, prf256, g19)}, []message.Proposal{ike(1, gcm128, g19)}, 0)
	require.ErrorIs(t, err, suite.ErrBadAnswer, "no PRF")
	// An answer may say NONE where nothing was offered.
	c, err := suite.AcceptESP(offered, []message.Proposal{esp(1, gcm128, noInteg, esn0)}, false)
	require.NoError(t, err)
	require.Equal(t, suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}}, c.ESP)
}

func TestProfiles(t *testing.T) {
	// Each agrees with itself, with the best of everything.
	best := map[string][2]string{
		"default":     {"AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE25519", "AES_GCM_16_256/ESN"},
		"legacy-lab":  {"AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE25519", "AES_GCM_16_256/ESN"},
		"3gpp-33.210": {"AES_GCM_16_128/PRF_HMAC_SHA2_256/ECP_256", "AES_GCM_16_128/ESN"},
		"cnsa":        {"AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384+ML_KEM_1024", "AES_GCM_16_256/ESN"},
		"cnsa-2.0":    {"AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384+ML_KEM_1024", "AES_GCM_16_256/ESN"},
		"hybrid-pq":   {"AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE25519+ML_KEM_768", "AES_GCM_16_256/ESN"},
	}
	require.Equal(t, slices.Sorted(maps.Keys(best)), suite.ProfileNames())
	_, err := suite.ByName("suite-b")
	require.ErrorContains(t, err, "legacy-lab")
	for _, name := range suite.ProfileNames() {
		p, err := suite.ByName(name)
		require.NoError(t, err)
		require.Equal(t, name, p.Name)
		legacy := name == suite.ProfileLegacyLab
		require.Equal(t, legacy, p.FullMODP)
		for _, proposal := range slices.Concat(p.IKE, p.ESP) {
			for _, tr := range proposal.Transforms {
				require.False(t, !legacy && (tr == sha1 || tr == prf1), "SHA-1 in %s", name)
				switch tr.Type {
				case message.TransformENCR:
					require.True(t, suite.Encr{ID: suite.EncrID(tr.ID), KeyBits: tr.KeyLength}.Supported())
				case message.TransformKE:
					require.True(t, suite.GroupID(tr.ID).Supported())
				}
			}
		}
		c, err := suite.SelectIKE(p.IKE, suite.Offer(p.IKE, nil), 0, suite.CURVE25519)
		require.NoError(t, err)
		require.Equal(t, best[name][0], c.IKE.String())
		e, err := suite.SelectESP(p.ESP, suite.Offer(p.ESP, []byte{0, 0, 1, 0}), 0, true)
		require.NoError(t, err)
		require.Equal(t, best[name][1], e.ESP.String())
	}
}

// The proposal of one suite has exactly one transform of each type.
func TestSuiteProposal(t *testing.T) {
	s := suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA1_96}
	require.Equal(t, esp(1, cbc256, sha1, esn0), s.Proposal(1, []byte{0, 0, 1, 0}))
	s.Group, s.ESN = suite.ECP_256, true
	require.Equal(t, esp(1, cbc256, sha1, g19, esn1), s.Proposal(1, []byte{0, 0, 1, 0}))
	k := suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 128}, PRF: suite.PRF_HMAC_SHA2_256, Group: suite.ECP_256}
	require.Equal(t, ike(2, gcm128, prf256, g19), k.Proposal(2, nil))
	c, err := suite.SelectIKE([]message.Proposal{k.Proposal(1, nil)}, []message.Proposal{k.Proposal(1, nil)}, 0, suite.ECP_256)
	require.NoError(t, err)
	require.Equal(t, k, c.IKE)
}

func ptr[T any](v T) *T { return &v }
