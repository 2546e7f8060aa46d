// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/elliptic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

func ppk(name, secret string, mandatory bool) *PPKPolicy {
	return &PPKPolicy{
		ID: PPKID{PPKFixed, []byte(name)}, Mandatory: mandatory,
		Secret: func(id PPKID, _ Identity) ([]byte, bool) {
			return []byte(secret), id.Type == PPKFixed && string(id.Data) == name
		},
	}
}

// Tables 1 and 2 of RFC 8784 3, from both sides, with the three ways to authenticate.
func TestPPK(t *testing.T) {
	authority := newCA(t)
	for name, row := range map[string]struct {
		ue, gw *PPKPolicy
		used   bool
		fails  bool
	}{
		"both":                                   {ue: ppk("k", "s", false), gw: ppk("k", "s", false), used: true},
		"both, mandatory":                        {ue: ppk("k", "s", true), gw: ppk("k", "s", true), used: true},
		"mandatory for the initiator":            {ue: ppk("k", "s", true), gw: ppk("k", "s", false), used: true},
		"mandatory for the responder":            {ue: ppk("k", "s", false), gw: ppk("k", "s", true), used: true},
		"only the initiator":                     {ue: ppk("k", "s", false)},
		"only the responder":                     {gw: ppk("k", "s", false)},
		"only the initiator, who insists":        {ue: ppk("k", "s", true), fails: true},
		"only the responder, who insists":        {gw: ppk("k", "s", true), fails: true},
		"unknown name":                           {ue: ppk("k", "s", false), gw: ppk("other", "s", false)},
		"unknown name, the initiator insists":    {ue: ppk("k", "s", true), gw: ppk("other", "s", false), fails: true},
		"unknown name, the responder insists":    {ue: ppk("k", "s", false), gw: ppk("other", "s", true), fails: true},
		"another secret":                         {ue: ppk("k", "s", false), gw: ppk("k", "t", false), fails: true},
		"the initiator does not know its secret": {ue: &PPKPolicy{ID: PPKID{PPKFixed, []byte("k")}, Secret: ppk("x", "", true).Secret}, gw: ppk("k", "s", false), fails: true},
	} {
		for _, how := range []string{"PSK", "certificates", "EAP", "EAP, with an additional key exchange"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				w := newWorld(t, 4)
				o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
				on, peer := authorizeAll, (func(*node, Event))(nil)
				switch how {
				case "certificates":
					o.Prove, o.Verify = authority.issue(t, ecKey(t, elliptic.P256()), "ue"), NewCertificateVerifier(authority.cert)
					g.Prove, g.Verify = authority.issue(t, ecKey(t, elliptic.P256()), "gw"), o.Verify
				case "EAP", "EAP, with an additional key exchange":
					g.EAP, g.Verify = true, nil
					g.Prove = authority.issue(t, ecKey(t, elliptic.P256()), "gw")
					o.EAP, o.Prove, o.Verify = true, nil, NewCertificateVerifier(authority.cert)
					on, peer = eapOwner(1, []byte("msk"), true), eapPeer([]byte("msk"))
					if how != "EAP" {
						o.IKE, g.IKE = suite.HybridPQ().IKE, suite.HybridPQ().IKE
					}
				}
				o.PPK, g.PPK = row.ue, row.gw
				w.serve(g, on)
				ue := w.dial(o, wantChild(), peer)
				w.run(5*time.Second, nil)
				if row.fails {
					require.True(t, ue.s.Closed())
					require.Empty(t, got[Established](ue))
					w.run(2*time.Minute, nil) // where the initiator left without a word
					require.True(t, w.gw.last().s.Closed())
					require.Empty(t, got[ChildUp](w.gw.last()))
					return
				}
				require.True(t, ue.s.Established(), "%v", ue.events)
				gw := w.gw.last()
				sameKeys(t, ue.s, gw.s)
				require.Equal(t, ue.s.sa.keys, gw.s.sa.keys)
				require.Equal(t, row.used, got[Established](ue)[0].PPK)
				require.Equal(t, row.used, got[Established](gw)[0].PPK)
			})
		}
	}
}

// The keys by hand: SK_d, SK_pi and SK_pr are prf+ of the PPK over the former ones (RFC 8784 3), the others stay.
func TestPPKKeys(t *testing.T) {
	w := newWorld(t, 4)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	o.PPK, g.PPK = ppk("k", "a secret", true), ppk("k", "a secret", true)
	var log keyEpochs
	o.KeyLog = &log
	ue, _ := w.up(o, g)
	old, now, prf := log.keys[0], ue.s.sa.keys, ue.s.sa.suite.PRF
	plus := func(key, seed []byte) []byte { return prf.Sum(key, seed, []byte{1}) } // one block is as long as SK_d
	require.Equal(t, plus([]byte("a secret"), old.D), now.D)
	require.Equal(t, plus([]byte("a secret"), old.PI), now.PI)
	require.Equal(t, plus([]byte("a secret"), old.PR), now.PR)
	require.Equal(t, old.EI, now.EI)
	require.Equal(t, old.ER, now.ER)
	require.Equal(t, old.AI, now.AI)
}

// A responder looks nothing up for malformed names, and an attacker who has neither PPK nor PSK gets in with none of
// the two proofs.
func TestHostilePPK(t *testing.T) {
	for name, row := range map[string]struct {
		identity []byte
		looked   bool
	}{
		"empty": {nil, false}, "a type and no name": {[]byte{2}, false}, "too long": {make([]byte, 257), false}, "longest": {append([]byte{2}, make([]byte, 255)...), true},
	} {
		t.Run(name, func(t *testing.T) {
			_, ue, gw := hostileIntermediate(t)
			looked := false
			gw.s.opt.PPK = &PPKPolicy{Secret: func(PPKID, Identity) ([]byte, bool) { looked = true; return nil, false }}
			gw.s.hs.ppk.peer = true
			id := &message.IDi{Identification: message.Identification{Type: message.ID_FQDN, Data: []byte("ue")}}
			in := ue.hostile(gw, message.IKE_AUTH, 1, id, &message.Authentication{Method: message.AuthSharedKey, Data: make([]byte, 48)},
				notify(message.PPK_IDENTITY, row.identity), notify(message.NO_PPK_AUTH, make([]byte, 48)))
			require.NotNil(t, message.GetNotify(in, message.AUTHENTICATION_FAILED))
			require.Equal(t, row.looked, looked)
			require.True(t, gw.s.Closed())
		})
	}
}
