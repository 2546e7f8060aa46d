// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

func addke(i int, g suite.GroupID) message.Transform {
	return message.Transform{Type: message.TransformADDKE1 + message.TransformType(i-1), ID: uint16(g)}
}

// RFC 9370 2.2.2: one method of each offered type, NONE only where it is offered, none twice.
func TestSelectAdditional(t *testing.T) {
	policy := func(t ...message.Transform) []message.Proposal {
		return []message.Proposal{ike(0, append([]message.Transform{gcm128, prf256, g31}, t...)...)}
	}
	offer := func(t ...message.Transform) []message.Proposal {
		return []message.Proposal{ike(1, append([]message.Transform{gcm128, prf256, g31}, t...)...)}
	}
	k768, k1024, none := suite.ML_KEM_768, suite.ML_KEM_1024, suite.GroupNone
	for _, tt := range []struct {
		name            string
		policy, offered []message.Proposal
		want            *suite.Additional
	}{
		{"none at all", policy(), offer(), ptr(suite.AdditionalKE())},
		{"ours first", policy(addke(1, k1024), addke(1, k768)), offer(addke(1, k768), addke(1, k1024)), ptr(suite.AdditionalKE(k1024))},
		{"we insist", policy(addke(1, k768)), offer(), nil},
		{"the peer insists", policy(), offer(addke(1, k768)), nil},
		{"optional for us", policy(addke(1, k768), addke(1, none)), offer(), ptr(suite.AdditionalKE())},
		{"optional for the peer", policy(), offer(addke(1, k768), addke(1, none)), ptr(suite.AdditionalKE())},
		{"optional, and done", policy(addke(1, k768), addke(1, none)), offer(addke(1, none), addke(1, k768)), ptr(suite.AdditionalKE(k768))},
		{"a method that we do not have", policy(addke(1, k768)), offer(addke(1, 35)), nil},
		{"two", policy(addke(1, k768), addke(2, k1024)), offer(addke(2, k1024), addke(1, k768)), ptr(suite.AdditionalKE(k768, k1024))},
		{"none twice, and so the first one gives way", policy(addke(1, k768), addke(1, k1024), addke(2, k768)),
			offer(addke(1, k768), addke(1, k1024), addke(2, k768)), ptr(suite.AdditionalKE(k1024, k768))},
		{"none twice, at all", policy(addke(1, k768), addke(2, k768)), offer(addke(1, k768), addke(2, k768)), nil},
		{"not the first one again", policy(addke(1, suite.CURVE25519)), offer(addke(1, suite.CURVE25519)), nil},
		{"a gap", policy(addke(7, k768)), offer(addke(7, k768)), ptr(suite.Additional{6: k768})},
		{"type 13", policy(), offer(message.Transform{Type: 13}), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := suite.SelectIKE(tt.policy, tt.offered, 0, suite.CURVE25519)
			if tt.want == nil {
				require.ErrorIs(t, err, suite.ErrNoProposalChosen)
				return
			}
			require.NoError(t, err)
			require.Equal(t, *tt.want, c.IKE.Additional)
			// The initiator reads it the same way.
			a, err := suite.AcceptIKE(tt.offered, []message.Proposal{c.Answer(nil)}, 0)
			require.NoError(t, err)
			require.Equal(t, c.IKE, a.IKE)
		})
	}
}

// What an initiator insisted on must be in the answer, and only what it offered.
func TestAcceptAdditional(t *testing.T) {
	k768, k1024 := suite.ML_KEM_768, suite.ML_KEM_1024
	offered := []message.Proposal{ike(1, gcm128, prf256, g31, addke(1, k768), addke(2, k1024), addke(2, 0), addke(3, k768), addke(3, 0))}
	for name, tt := range map[string]struct {
		answer []message.Transform
		good   bool
	}{
		"all":             {[]message.Transform{addke(1, k768), addke(2, k1024), addke(3, 0)}, true},
		"optional left":   {[]message.Transform{addke(1, k768)}, true},
		"mandatory left":  {[]message.Transform{addke(2, k1024)}, false},
		"mandatory NONE":  {[]message.Transform{addke(1, 0)}, false},
		"another":         {[]message.Transform{addke(1, k1024)}, false},
		"one twice":       {[]message.Transform{addke(1, k768), addke(3, k768)}, false},
		"one not offered": {[]message.Transform{addke(1, k768), addke(4, k1024)}, false},
		"NONE where none": {[]message.Transform{addke(1, k768), addke(4, 0)}, true},
	} {
		_, err := suite.AcceptIKE(offered, []message.Proposal{ike(1, append([]message.Transform{gcm128, prf256, g31}, tt.answer...)...)}, 0)
		require.Equal(t, tt.good, err == nil, "%s: %v", name, err)
	}
}

func TestESPAdditional(t *testing.T) {
	offered := []message.Proposal{esp(1, gcm128, g31, addke(1, suite.ML_KEM_1024), esn0)}
	// A policy without groups takes what comes, outside IKE_AUTH.
	c, err := suite.SelectESP([]message.Proposal{esp(0, gcm128, esn0)}, offered, suite.CURVE25519, false)
	require.NoError(t, err)
	require.Equal(t, suite.AdditionalKE(suite.ML_KEM_1024), c.ESP.Additional)
	require.Equal(t, "AES_GCM_16_128/CURVE25519+ML_KEM_1024", c.ESP.String())
	c, err = suite.SelectESP([]message.Proposal{esp(0, gcm128, esn0)}, offered, suite.GroupNone, true)
	require.NoError(t, err)
	require.Equal(t, suite.AdditionalKE(), c.ESP.Additional)
	require.Equal(t, suite.GroupNone, c.ESP.Group)
	// One with groups and without additional ones does not.
	_, err = suite.SelectESP([]message.Proposal{esp(0, gcm128, g31, esn0)}, offered, suite.CURVE25519, false)
	require.ErrorIs(t, err, suite.ErrNoProposalChosen)
}

func TestPolicyWithoutAdditional(t *testing.T) {
	require.False(t, suite.OffersAdditional(suite.Default().IKE))
	require.True(t, suite.OffersAdditional(suite.HybridPQ().IKE))
	require.Equal(t, suite.Default().IKE, suite.WithoutAdditional(suite.HybridPQ().IKE))
	require.Empty(t, suite.WithoutAdditional(suite.CNSA2().IKE))
	require.Len(t, suite.WithoutAdditional(suite.CNSA().IKE), 1)
	optional := suite.WithAdditional(suite.CNSA2().IKE, suite.ML_KEM_768, suite.GroupNone)
	require.Equal(t, suite.WithoutAdditional(suite.CNSA().IKE), suite.WithoutAdditional(optional))
	s := suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: 256}, PRF: suite.PRF_HMAC_SHA2_384, Group: suite.ECP_384,
		Additional: suite.AdditionalKE(suite.ML_KEM_1024)}
	require.Equal(t, suite.Offer(suite.CNSA2().IKE, nil)[0], s.Proposal(1, nil))
	require.Equal(t, "AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384+ML_KEM_1024", s.String())
}
