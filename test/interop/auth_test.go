// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

func TestAuthentication(t *testing.T) {
	bothRoles(t, "PSK", func(t *testing.T, r role) {
		w := connect(t, r, setup{})
		est := wait[ikev2.Established](w.e, "IKE SA", nil)
		require.Equal(t, map[role]ikev2.Identity{charonInitiates: ueID(), weInitiate: gwID()}[r], est.Peer)
		require.True(t, est.MOBIKE)
		w.agree()
		w.lost(0)
	})
	bothRoles(t, "PSK, wrong secret is refused", func(t *testing.T, r role) {
		w := connect(t, r, setup{down: true, charon: func(c *connection) { c.psk = "something-else" }})
		if r == charonInitiates {
			_, err := w.c.ctl("--initiate", "--child", "c1", "--timeout", "10")
			require.Error(t, err)
			w.c.logs("received AUTHENTICATION_FAILED notify error")
			require.ErrorIs(t, wait[ikev2.Closed](w.e, "refusal", nil).Reason, ikev2.ErrAuthentication)
			return
		}
		w.initiate()
		require.Equal(t, &ikev2.NotifyError{Type: message.AUTHENTICATION_FAILED, Data: []byte{}}, normal(wait[ikev2.Closed](w.e, "refusal", nil).Reason))
	})

	// Every kind of key once on either side, fragmented because certificates are long, by RFC 7427.
	for _, kind := range []struct {
		key  keyKind
		name string // in charon's log
	}{
		{rsa2048, "RSA_EMSA_PKCS1_SHA2_"}, {p256, "ECDSA_WITH_SHA256_DER"}, {p384, "ECDSA_WITH_SHA384_DER"}, {ed, "ED25519"},
	} {
		bothRoles(t, "certificates, "+string(kind.key)+" (RFC 7427)", func(t *testing.T, r role) {
			w := connect(t, r, withPKI(newPKI(t, kind.key, kind.key, false), r, setup{}))
			w.c.logs("' (myself) with "+kind.name, "' with "+kind.name)
			certs := got[ikev2.AuthRequest](w.e)
			require.True(t, r == weInitiate || len(certs[0].Certificates) == 1)
			w.agree()
			w.lost(0)
		})
	}
	bothRoles(t, "certificates, RSASSA-PSS (RFC 7427)", func(t *testing.T, r role) {
		p := newPKI(t, rsa2048, rsa2048, false)
		w := connect(t, r, withPKI(p, r, setup{
			charon: func(c *connection) { c.daemon = "rsa_pss = yes" },
			ours:   func(o *ikev2.Options) { o.Prove.(*ikev2.CertificateProver).PSS = true },
		}))
		w.c.logs("' (myself) with RSA_EMSA_PSS", "' with RSA_EMSA_PSS")
		w.lost(0)
	})
	bothRoles(t, "certificates, ECDSA P-256 without RFC 7427", func(t *testing.T, r role) {
		w := connect(t, r, withPKI(newPKI(t, p256, p256, false), r, setup{
			charon: func(c *connection) { c.daemon = "signature_authentication = no" },
		}))
		w.c.logs("' (myself) with ECDSA-256 signature", "' with ECDSA-256 signature")
		w.lost(0)
	})
	bothRoles(t, "certificates, RSA without RFC 7427 (SHA-1, only where allowed)", func(t *testing.T, r role) {
		p := newPKI(t, rsa2048, rsa2048, false)
		w := connect(t, r, withPKI(p, r, setup{
			charon: func(c *connection) { c.daemon = "signature_authentication = no" },
			ours:   func(o *ikev2.Options) { o.Verify.(*ikev2.CertificateVerifier).SHA1 = true },
		}))
		w.c.logs("' (myself) with RSA signature", "' with RSA signature")
		w.lost(0)
	})
	bothRoles(t, "certificates, authority below the root", func(t *testing.T, r role) {
		w := connect(t, r, withPKI(newPKI(t, p256, rsa2048, true), r, setup{}))
		if r == charonInitiates {
			require.Len(t, got[ikev2.AuthRequest](w.e)[0].Certificates, 2)
		}
		w.c.logs(`using untrusted intermediate certificate "O=interop, CN=intermediate of ` + ours(r) + `"`)
		w.lost(0)
	})
	bothRoles(t, "certificates, of an unknown authority are refused", func(t *testing.T, r role) {
		p := newPKI(t, p256, p256, false)
		stranger := newPKI(t, p256, p256, false)
		w := connect(t, r, withPKI(p, r, setup{down: true, ours: func(o *ikev2.Options) {
			o.Prove, o.Verify = stranger.prover(ours(r)), ikev2.NewCertificateVerifier(stranger.root)
		}}))
		if r == charonInitiates {
			_, err := w.c.ctl("--initiate", "--child", "c1", "--timeout", "10")
			require.Error(t, err)
			w.c.logs("received AUTHENTICATION_FAILED notify error")
			require.ErrorIs(t, wait[ikev2.Closed](w.e, "refusal", nil).Reason, ikev2.ErrAuthentication)
			return
		}
		w.initiate()
		wait[ikev2.Closed](w.e, "refusal", nil)
		w.c.logs("no trusted ECDSA public key found for 'ue@example.org'")
	})
	// One side by a certificate, the other by a secret.
	bothRoles(t, "mixed, gateway certificate and UE PSK", func(t *testing.T, r role) {
		p := newPKI(t, p256, p256, false)
		w := connect(t, r, setup{
			charon: func(c *connection) {
				if r == charonInitiates {
					c.remote = "auth = pubkey; id = gw.example.org"
				} else {
					c.local = "auth = pubkey; certs = gw.pem; id = gw.example.org"
				}
			},
			files: func(c *charon) { p.give(c, theirs(r)) },
			ours: func(o *ikev2.Options) {
				if r == charonInitiates {
					o.Prove = p.prover("gw")
				} else {
					o.Verify = ikev2.NewCertificateVerifier(p.root)
				}
			},
		})
		w.lost(0)
	})
}

func TestIdentities(t *testing.T) {
	dn := func(p *pki, name string) ikev2.Identity {
		return ikev2.Identity{Type: message.ID_DER_ASN1_DN, Data: p.leaves[name].RawSubject}
	}
	p := newPKI(t, p256, p256, false)
	for _, row := range []struct {
		name     string
		psk      bool
		ue, gw   ikev2.Identity
		ueC, gwC string // as charon writes them
	}{
		{name: "DER DN", ue: dn(p, "ue"), gw: dn(p, "gw"), ueC: `"O=interop, CN=ue"`, gwC: `"O=interop, CN=gw"`},
		{
			name: "IPv4 in certificates", ue: ikev2.Identity{Type: message.ID_IPV4_ADDR, Data: addr(ueAddr1).AsSlice()},
			gw: ikev2.Identity{Type: message.ID_IPV4_ADDR, Data: addr(gwAddr).AsSlice()}, ueC: ueAddr1, gwC: gwAddr,
		},
		{
			name: "RFC822 and IPv6 in certificates", ue: ueID(), ueC: "ue@example.org",
			gw: ikev2.Identity{Type: message.ID_IPV6_ADDR, Data: addr(gwAddr6).AsSlice()}, gwC: gwAddr6,
		},
		{
			name: "KEY_ID with PSK", psk: true, ue: ikev2.Identity{Type: message.ID_KEY_ID, Data: []byte{1, 0, 0xfe}},
			gw: ikev2.Identity{Type: message.ID_KEY_ID, Data: []byte("gateway")}, ueC: `"@#0100fe"`, gwC: `"keyid:gateway"`,
		},
		{
			name: "FQDN with PSK", psk: true, ue: ikev2.Identity{Type: message.ID_FQDN, Data: []byte("ue.example.org")},
			gw: gwID(), ueC: "ue.example.org", gwC: "gw.example.org",
		},
	} {
		bothRoles(t, row.name, func(t *testing.T, r role) {
			mine, peer, mineC, peerC := row.gw, row.ue, row.gwC, row.ueC
			if r == weInitiate {
				mine, peer, mineC, peerC = peer, mine, peerC, mineC
			}
			auth := "auth = psk; id = "
			if !row.psk {
				auth = "auth = pubkey; id = "
			}
			set := setup{
				charon: func(c *connection) {
					c.local, c.remote = auth+peerC, auth+mineC
					if !row.psk {
						c.local += "; certs = " + theirs(r) + ".pem"
					}
				},
				want: func(want *ikev2.InitiatorOptions) { want.Peer = peer },
				ours: func(o *ikev2.Options) {
					o.Identity = mine
					if !row.psk {
						o.Prove, o.Verify = p.prover(ours(r)), ikev2.NewCertificateVerifier(p.root)
					}
				},
				files: func(c *charon) { p.give(c, theirs(r)) },
			}
			w := connect(t, r, set)
			require.Equal(t, peer, wait[ikev2.Established](w.e, "IKE SA", nil).Peer)
			w.lost(0)
		})
	}
}

// ours and theirs are the names of the two ends in a role.
func ours(r role) string {
	if r == charonInitiates {
		return "gw"
	}
	return "ue"
}

func theirs(r role) string {
	if r == charonInitiates {
		return "ue"
	}
	return "gw"
}

// withPKI makes both sides use certificates, with messages short enough to be fragmented.
func withPKI(p *pki, r role, set setup) setup {
	charonAuth, ourAuth := set.charon, set.ours
	set.charon = func(c *connection) {
		mine, peer := "gw.example.org", "ue@example.org"
		if r == charonInitiates {
			mine, peer = peer, mine
		}
		c.local = fmt.Sprintf("auth = pubkey; certs = %s.pem; id = %s", theirs(r), mine)
		c.remote = "auth = pubkey; id = " + peer
		c.daemon = "fragment_size = 600"
		if charonAuth != nil {
			charonAuth(c)
		}
	}
	set.files = func(c *charon) { p.give(c, theirs(r)) }
	set.ours = func(o *ikev2.Options) {
		o.Prove, o.Verify, o.FragmentSize = p.prover(ours(r)), ikev2.NewCertificateVerifier(p.root), 500
		if ourAuth != nil {
			ourAuth(o)
		}
	}
	return set
}

// normal makes two NotifyErrors without data equal.
func normal(err error) error {
	if n, ok := err.(*ikev2.NotifyError); ok && len(n.Data) == 0 {
		return &ikev2.NotifyError{Type: n.Type, Data: []byte{}}
	}
	return err
}
