// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// secondGateway gives the gateway its second address.
func secondGateway(n *network) { n.in(n.gw, "ip addr add "+gwAddr2+"/24 dev b1") }

// RFC 5685. The other gateway is the second address of the same host.
func TestRedirect(t *testing.T) {
	other := ikev2.Gateway{Addr: addr(gwAddr2)}
	t.Run("charon initiates/we redirect it in IKE_SA_INIT", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{network: secondGateway, ours: func(o *ikev2.Options) {
			o.Redirect = func(p ikev2.Path, from ikev2.Gateway) ikev2.Gateway {
				if p.Local.Addr() == addr(gwAddr) {
					return other
				}
				return ikev2.Gateway{}
			}
		}})
		w.c.logs("parsed IKE_SA_INIT response 0 [ N(REDIR) ]", "N(REDIR_FROM)")
		w.arrived(ueAddr1, gwAddr2)
		w.lost(0)
	})
	t.Run("charon initiates/we redirect it in IKE_AUTH, as far as charon 5.9.8 goes", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{
			network: secondGateway, down: true,
			on: func(e *edge, s *ikev2.Session, ev ikev2.Event) bool {
				if _, ok := ev.(ikev2.AuthRequest); ok && s.Path().Local.Addr() == addr(gwAddr) {
					e.take(s, s.AuthorizeChild(time.Now(), ikev2.Authorization{Redirect: other}))
					return true
				}
				return false
			},
		})
		// charon 5.9.8 understands it and then frees something twice.
		_, _ = w.c.ctl("--initiate", "--child", "c1", "--timeout", "10")
		w.c.logs("redirected to 10.101.0.1", "initiating IKE_SA n3[1] to 10.101.0.1")
	})
	t.Run("charon initiates/we redirect it when it is connected", func(t *testing.T) {
		w := connect(t, charonInitiates, setup{network: secondGateway})
		first := w.e.session()
		w.e.call(func(s *ikev2.Session, now time.Time) ikev2.Output { return s.Redirect(now, nil, other) })
		eventually(t, "a new session", func() bool { return w.e.session() != first && len(got[ikev2.ChildUp](w.e)) == 2 })
		require.ErrorIs(t, wait[ikev2.Closed](w.e, "the old session's end", nil).Reason, ikev2.ErrDeleted)
		w.arrived(ueAddr1, gwAddr2)
		w.lost(100)
	})
	t.Run("we initiate/charon redirects us when we are connected", func(t *testing.T) {
		var want ikev2.InitiatorOptions
		w := connect(t, weInitiate, setup{
			network: secondGateway,
			charon:  func(c *connection) { c.lines = "local_addrs = " + gwAddr + "," + gwAddr2 },
			want: func(o *ikev2.InitiatorOptions) {
				o.AcceptRedirect = true
				want = *o
			},
		})
		first := w.e.session()
		w.c.must("--redirect", "--ike", "n3", "--gateway", gwAddr2)
		told := wait[ikev2.Redirected](w.e, "the redirect", nil)
		require.Equal(t, other, told.To)
		next, err := told.Follow(time.Now(), want)
		require.NoError(t, err)
		next.Child.Tag = &tunnel{}
		path := ikev2.Path{Local: netip.AddrPortFrom(addr(ueAddr1), 500), Remote: netip.AddrPortFrom(told.To.Addr, 500)}
		w.e.wait(func() {
			s, out := ikev2.NewInitiator(time.Now(), w.ourOptions(), next, path)
			w.e.adopt(s)
			w.e.take(s, out)
		})
		eventually(t, "the second child is up", func() bool { return len(got[ikev2.ChildUp](w.e)) == 2 })
		w.e.wait(func() { w.e.take(first, first.Delete(time.Now())) })
		w.c.logs("N(REDIR_FROM)")
		w.arrived(ueAddr1, gwAddr2)
		w.lost(100)
	})
}

// RFC 8784.
func TestPPK(t *testing.T) {
	const key = "a second secret, of 32 octets ..."
	policy := func(secret string, mandatory bool) func(o *ikev2.Options) {
		return func(o *ikev2.Options) {
			o.PPK = &ikev2.PPKPolicy{
				ID:        ikev2.PPKID{Type: ikev2.PPKFixed, Data: []byte("ppk.example.org")},
				Secret:    func(ikev2.PPKID, ikev2.Identity) ([]byte, bool) { return []byte(secret), secret != "" },
				Mandatory: mandatory,
			}
		}
	}
	charonPPK := func(r role, required string) func(c *connection) {
		return func(c *connection) {
			c.lines = "ppk_required = " + required
			if r == charonInitiates {
				c.lines += "; ppk_id = ppk.example.org"
			}
			c.top = "secrets {; ppk-1 {; id = ppk.example.org; secret = \"" + key + "\"; }; }"
		}
	}
	bothRoles(t, "both mix it into the keys, also of rekeys", func(t *testing.T, r role) {
		w := connect(t, r, setup{charon: charonPPK(r, "yes"), ours: policy(key, true)})
		require.True(t, wait[ikev2.Established](w.e, "IKE SA", nil).PPK)
		w.c.logs("using PPK for PPK_ID 'ppk.example.org'")
		w.childRekeyedByCharon()
		w.c.must("--rekey", "--ike", "n3")
		wait[ikev2.SPIForgotten](w.e, "the rekey", nil)
		w.alive()
		w.lost(0)
	})
	bothRoles(t, "one side has none, and neither insists", func(t *testing.T, r role) {
		ours := policy("", false)
		if r == weInitiate {
			ours = nil
		}
		w := connect(t, r, setup{charon: charonPPK(r, "no"), ours: ours})
		require.False(t, wait[ikev2.Established](w.e, "IKE SA", nil).PPK)
		w.lost(0)
	})
	bothRoles(t, "another secret is refused", func(t *testing.T, r role) {
		w := connect(t, r, setup{down: true, charon: charonPPK(r, "yes"), ours: policy("something else", true)})
		if r == charonInitiates {
			_, err := w.c.ctl("--initiate", "--child", "c1", "--timeout", "10")
			require.Error(t, err)
		} else {
			w.initiate()
		}
		wait[ikev2.Closed](w.e, "refusal", nil)
		require.Empty(t, got[ikev2.ChildUp](w.e))
	})
}
