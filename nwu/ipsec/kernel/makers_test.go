// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// A peer on either maker talks to a gateway on either maker, with every algorithm, over moves of the peer and of the gateway and over a rekey.
func TestKernelMeetsUser(t *testing.T) {
	n := newNetwork(t)
	for name, ends := range map[string]func(t *testing.T) (gw, ue *end){
		"user UE, kernel gateway": func(t *testing.T) (gw, ue *end) { return kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false) },
		"kernel UE, user gateway": func(t *testing.T) (gw, ue *end) { return userEnd(t, n.gw, true), kernelEnd(t, n.peer, false, nil) },
		"kernel UE, kernel gateway": func(t *testing.T) (gw, ue *end) {
			return kernelEnd(t, n.gw, true, nil), kernelEnd(t, n.peer, false, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			gw, ue := ends(t)
			both := func(id ipsec.ChildID) {
				t.Helper()
				pass(t, ue, gw, id)
				pass(t, gw, ue, id)
			}
			id := ipsec.ChildID(1)
			for _, alg := range []algorithm{
				gcm128, {ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, 36, 0}, {ipsec.Algorithms{Encr: ipsec.EncrChaCha20Poly1305}, 36, 0},
				{ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA1_96}, 16, 20},
				{ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA256_128}, 32, 32},
				{ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA512_256}, 32, 64},
			} {
				for _, esn := range []bool{false, true} {
					connect(t, gw, ue, id, alg, func(sa *ipsec.ChildSA) { sa.ESN = esn })
					both(id)
					id++
				}
			}
			// All of them move, one after the other way: the UE to another address, the gateway to another one, both to IPv6, and back.
			ids := make([]ipsec.ChildID, 0, id)
			for i := ipsec.ChildID(1); i < id; i++ {
				ids = append(ids, i)
			}
			for i, p := range usable(t,
				path(gw.addresses[0], ue.addresses[1]), path(gw.addresses[1], ue.addresses[1]), path(gw.v6, ue.v6), path(gw.addresses[0], ue.addresses[0]),
			) {
				mirror := ipsec.Path{Local: p.Remote, Remote: p.Local, NATT: true}
				require.NoError(t, gw.Move(ipsec.Target{Path: p, Limit: ipsec.Unlimited}, ids...))
				require.NoError(t, ue.Move(ipsec.Target{Path: mirror, Limit: ipsec.Unlimited}, ids...))
				for _, id := range ids {
					both(id)
				}
				st, err := gw.Stats(ids[0])
				require.NoError(t, err)
				require.EqualValues(t, i+1, st.Moves)
				require.Equal(t, ipsec.InboundDrops{}, st.Generations[0].Drops, fmt.Sprint(p))
			}
			// A rekey, the UE first.
			atGW, atUE := connect(t, gw, ue, 1, gcm128, nil)
			both(1)
			require.NoError(t, ue.SwitchOutbound(1, atUE.InboundSPI))
			pass(t, ue, gw, 1)
			require.NoError(t, gw.SwitchOutbound(1, atGW.InboundSPI))
			both(1)
			for _, e := range []*end{gw, ue} {
				st, err := e.Stats(1)
				require.NoError(t, err)
				require.NoError(t, e.DeleteSA(1, st.Generations[0].InboundSPI, 0))
			}
			both(1)
		})
	}
}
