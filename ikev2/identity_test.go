// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Who answers is said by IDr alone: over every address it is the same identity, the owner hears whom the initiator wanted,
// and an initiator that wanted somebody else refuses.
func TestIDrWhateverTheAddress(t *testing.T) {
	for _, path := range []Path{
		{Local: ap(ueAddr, 500), Remote: ap(gwAddr, 500)}, {Local: ap(ueAddr, 500), Remote: ap(gwAddr2, 500)},
		{Local: ap(ueAddr6, 500), Remote: ap(gwAddr6, 500)}, fromTo(ueAddr2, gwAddr2),
	} {
		for wanted, up := range map[string]bool{"": true, "gw": true, "somebody else": false} {
			w := newWorld(t, 530)
			w.path = path
			msk := []byte("msk")
			o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
			o.EAP, o.Prove, g.EAP, g.Verify = true, nil, true, nil
			var asked Identity
			o.Verify = &PSK{Secret: func(peer Identity) ([]byte, error) { asked = peer; return []byte("a shared secret"), nil }}
			w.serve(g, eapOwner(2, msk, true))
			want := wantChild()
			if wanted != "" {
				want.Peer = fqdn(wanted)
			}
			ue := w.dial(o, want, eapPeer(msk))
			w.run(5*time.Second, nil)
			gw := w.gw.last()
			require.Equal(t, want.Peer, got[EAPStart](gw)[0].Wanted)
			require.Equal(t, up, ue.s.Established(), "%v, wanted %q: %v", path, wanted, ue.events)
			require.Equal(t, up, gw.s.Established())
			if up {
				require.Equal(t, fqdn("gw"), asked)
				require.Equal(t, fqdn("gw"), got[Established](ue)[0].Peer)
				require.Equal(t, path.Remote.Addr(), gw.s.Path().Local.Addr())
			} else {
				require.ErrorContains(t, got[Closed](ue)[0].Reason, "the responder is")
			}
		}
	}
}
