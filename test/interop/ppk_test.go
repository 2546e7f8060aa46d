// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

const ppkSecret = "a post-quantum secret of both sides"

// withCharonPPK gives charon a PPK, and makes it insist on it or not.
func withCharonPPK(name, secret string, required bool) func(c *connection) {
	return func(c *connection) {
		c.lines = "ppk_id = " + name + "; ppk_required = no"
		if required {
			c.lines = "ppk_id = " + name + "; ppk_required = yes"
		}
		c.top = "secrets { ; ppk-1 { ; id-1 = " + name + "; secret = \"" + secret + "\" } }"
	}
}

// ourPPK is the same for us.
func ourPPK(name, secret string, mandatory bool) func(o *ikev2.Options) {
	return func(o *ikev2.Options) {
		o.PPK = &ikev2.PPKPolicy{
			ID: ikev2.PPKID{Type: ikev2.PPKFixed, Data: []byte(name)}, Mandatory: mandatory,
			Secret: func(id ikev2.PPKID, _ ikev2.Identity) ([]byte, bool) { return []byte(secret), string(id.Data) == name },
		}
	}
}

// RFC 8784 3 with every way to authenticate, and the two proofs of an initiator that does not insist. TestPPK has the
// keys of rekeys and the refusal of another secret.
func TestPPKAuthentication(t *testing.T) {
	for _, required := range []bool{true, false} {
		name := "optional"
		if required {
			name = "required"
		}
		bothRoles(t, "PSK and PPK, "+name, func(t *testing.T, r role) {
			w := connect(t, r, setup{charon: withCharonPPK("lab", ppkSecret, required), ours: ourPPK("lab", ppkSecret, required)})
			require.True(t, wait[ikev2.Established](w.e, "IKE SA", nil).PPK)
			w.c.logs("N(USE_PPK)", "N(PPK_ID)")
			require.Equal(t, !required, w.c.logged("N(NO_PPK)"))
			w.agree()
			w.lost(0)
		})
	}
	bothRoles(t, "certificates and PPK", func(t *testing.T, r role) {
		w := connect(t, r, withPKI(newPKI(t, p256, p256, false), r, setup{charon: withCharonPPK("lab", ppkSecret, false), ours: ourPPK("lab", ppkSecret, false)}))
		require.True(t, wait[ikev2.Established](w.e, "IKE SA", nil).PPK)
		w.lost(0)
	})
	bothRoles(t, "names that the other does not know, both optional", func(t *testing.T, r role) {
		theirs := withCharonPPK("theirs", ppkSecret, false)
		w := connect(t, r, setup{ours: ourPPK("ours", ppkSecret, false), charon: func(c *connection) {
			if theirs(c); r == weInitiate {
				c.lines = "ppk_required = no" // a responder with a ppk_id takes no other
			}
		}})
		require.False(t, wait[ikev2.Established](w.e, "IKE SA", nil).PPK)
		w.lost(0)
	})
	bothRoles(t, "we insist and charon has none", func(t *testing.T, r role) {
		w := connect(t, r, setup{down: true, ours: ourPPK("lab", ppkSecret, true)})
		if r == charonInitiates {
			_, err := w.c.ctl("--initiate", "--child", "c1", "--timeout", "10")
			require.Error(t, err)
			w.c.logs("received AUTHENTICATION_FAILED notify error")
			return
		}
		w.initiate()
		require.ErrorIs(t, wait[ikev2.Closed](w.e, "the end", nil).Reason, ikev2.ErrPPK)
	})
	p := newPKI(t, p256, p256, false)
	for _, name := range []string{"eap-mschapv2", "eap-md5"} {
		bothRoles(t, name+" and PPK", func(t *testing.T, r role) {
			ppk := withCharonPPK("lab", ppkSecret, true)
			set := setup{
				files: func(c *charon) { p.give(c, theirs(r)) },
				charon: func(c *connection) {
					ppk(c)
					c.local = "auth = " + name + "; id = ue@example.org; eap_id = ue@example.org"
					c.remote = "auth = pubkey; id = gw.example.org"
					if r == weInitiate {
						c.local, c.remote = "auth = pubkey; certs = gw.pem; id = gw.example.org", "auth = "+name+"; id = ue@example.org"
					}
				},
				ours: func(o *ikev2.Options) {
					ourPPK("lab", ppkSecret, true)(o)
					o.EAP, o.Prove, o.Verify = true, p.prover("gw"), nil
					if r == weInitiate {
						o.Prove, o.Verify = nil, ikev2.NewCertificateVerifier(p.root)
					}
				},
			}
			var server, peer method = &mschapServer{mschap{secret: secret}}, &mschapPeer{mschap{secret: secret, user: eapUser}}
			if name == "eap-md5" {
				server, peer = &md5Server{secret: secret}, &md5Peer{secret: secret}
			}
			if set.on = serve(server); r == weInitiate {
				set.on = answer(peer)
			}
			w := connect(t, r, set)
			require.True(t, wait[ikev2.Established](w.e, "IKE SA", nil).PPK)
			w.c.logs("N(PPK_ID)")
			w.lost(0)
		})
	}
}
