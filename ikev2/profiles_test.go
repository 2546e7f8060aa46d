// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// Two sides with the same named profile come up, and what they end with is the best of it. The UE lists the child's
// algorithms, too.
func TestProfilesComeUp(t *testing.T) {
	want := map[string]string{
		suite.ProfileDefault:   "AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE25519",
		suite.ProfileLegacyLab: "AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE25519",
		suite.Profile3GPP:      "AES_GCM_16_128/PRF_HMAC_SHA2_256/ECP_256",
		suite.ProfileCNSA:      "AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384+ML_KEM_1024",
		suite.ProfileCNSA2:     "AES_GCM_16_256/PRF_HMAC_SHA2_384/ECP_384+ML_KEM_1024",
		suite.ProfileHybridPQ:  "AES_GCM_16_256/PRF_HMAC_SHA2_256/CURVE25519+ML_KEM_768",
	}
	for _, name := range suite.ProfileNames() {
		t.Run(name, func(t *testing.T) {
			p, err := suite.ByName(name)
			require.NoError(t, err)
			w := newWorld(t, 1)
			o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
			for _, side := range []*Options{&o, &g} {
				side.IKE, side.ESP, side.FullMODP = p.IKE, p.ESP, p.FullMODP
			}
			ue, gw := w.up(o, g)
			sameKeys(t, ue.s, gw.s)
			require.Equal(t, want[name], gw.s.sa.suite.String())
			require.Equal(t, ue.s.sa.suite, gw.s.sa.suite)
			encr := gw.s.Children()[0].Suite.Encr
			require.Equal(t, gw.s.sa.suite.Encr, encr)
		})
	}
}

// Every profile meets the default one, except that CNSA 2.0 insists on what that has not.
func TestProfilesMeetDefault(t *testing.T) {
	for _, name := range suite.ProfileNames() {
		for _, initiator := range []bool{true, false} {
			p, err := suite.ByName(name)
			require.NoError(t, err)
			w := newWorld(t, 1)
			o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
			side := &g
			if initiator {
				side = &o
			}
			side.IKE, side.ESP = p.IKE, p.ESP
			w.serve(g, authorizeAll)
			ue := w.dial(o, wantChild(), nil)
			w.run(10*time.Second, nil)
			if name == suite.ProfileCNSA2 {
				require.Equal(t, message.NO_PROPOSAL_CHOSEN, got[Closed](ue)[0].Reason.(*NotifyError).Type)
				continue
			}
			require.True(t, ue.s.Established(), "%s, initiator %v: %v", name, initiator, ue.events)
			sameKeys(t, ue.s, w.gw.last().s)
		}
	}
}
