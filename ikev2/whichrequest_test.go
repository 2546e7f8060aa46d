// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"crypto/elliptic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// The initiator has sent its IKE_SA_INIT request with one cookie, or none, and then with another: it takes the response
// to the first for that to the second, and signs that one, which may have been lost. It is believed, in every kind of
// authentication, as long as the cookie is the responder's own.
func TestInitiatorSignsRequestWithAnotherCookie(t *testing.T) {
	authority := newCA(t)
	certificate := func(name string) *CertificateProver { return authority.issue(t, ecKey(t, elliptic.P256()), name) }
	msk := []byte("the key that EAP made, 32 octets")
	type ways map[string]func(ue, gw *Options) (forUE, forGW func(n *node, e Event))
	for kind, change := range (ways{
		"shared key": func(_, _ *Options) (_, _ func(n *node, e Event)) { return nil, authorizeAll },
		"shared key, after IKE_INTERMEDIATE": func(ue, gw *Options) (_, _ func(n *node, e Event)) {
			ue.IKE, gw.IKE = suite.WithAdditional(ue.IKE, suite.ML_KEM_768), suite.WithAdditional(gw.IKE, suite.ML_KEM_768)
			return nil, authorizeAll
		},
		"certificates": func(ue, gw *Options) (_, _ func(n *node, e Event)) {
			ue.Prove, ue.Verify = certificate("ue"), NewCertificateVerifier(authority.cert)
			gw.Prove, gw.Verify = certificate("gw"), NewCertificateVerifier(authority.cert)
			return nil, authorizeAll
		},
		"EAP": func(ue, gw *Options) (forUE, forGW func(n *node, e Event)) {
			ue.EAP, ue.Prove, ue.Verify = true, nil, nil
			gw.EAP, gw.Prove, gw.Verify = true, certificate("gw"), nil
			return eapPeer(msk), eapOwner(2, msk, true)
		},
	}) {
		for _, row := range []struct {
			came, signed string
			fails        bool
		}{
			{"none", "present", false},
			{"none", "older", false},
			{"older", "present", false},
			{"present", "older", false},
			{"present", "none", false},
			{"present", "present", false},
			{"none", "forged", true},
			{"present", "forged", true},
		} {
			t.Run(kind+": "+row.signed+" for "+row.came, func(t *testing.T) {
				w := newWorld(t, 530)
				o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
				forUE, forGW := change(&o, &g)
				w.serve(g, forGW)
				ue := w.dial(o, wantChild(), forUE)
				jar, spi, ni := &w.gw.front.cookies, ue.s.sa.spiI, ue.s.hs.ni
				cookies := map[string][]byte{
					"older":   jar.append(nil, w.now, ueAddr, spi, ni),
					"present": jar.append(nil, w.now.Add(time.Duration(jar.life.Load())), ueAddr, spi, ni),
					"forged":  bytes.Repeat([]byte{1}, cookieLen),
				}
				ue.s.hs.cookie = cookies[row.came]
				w.run(time.Second, func() bool { return len(w.gw.nodes) == 1 })
				w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
				ue.s.hs.cookie = cookies[row.signed]
				ue.s.begin(w.now)
				ue.s.sendInit()
				ue.take(ue.s.finish())
				w.translate = nil
				w.run(20*time.Second, nil)
				gw := w.gw.nodes[0]
				if row.fails {
					require.ErrorIs(t, got[Closed](gw)[0].Reason, ErrAuthentication)
					require.Empty(t, got[Established](ue))
					return
				}
				require.True(t, ue.s.Established(), "%v", ue.events)
				sameKeys(t, ue.s, gw.s)
			})
		}
	}
}

// The versions of a request are what an initiator makes of it, octet by octet.
func TestRequestWithAndWithoutCookie(t *testing.T) {
	var sent [][]byte
	w := newWorld(t, 531)
	g := pskOptions(w.rng, "gw")
	g.Limits.CookieTotal = -1
	w.sniff = func(fromUE bool, d Datagram) {
		if m, err := message.Decode(bytes.Clone(d.Data)); fromUE && err == nil && m.Exchange == message.IKE_SA_INIT {
			sent = append(sent, d.Data)
		}
	}
	w.up(pskOptions(w.rng, "ue"), g)
	require.Len(t, sent, 2)
	m, err := message.Decode(bytes.Clone(sent[1]))
	require.NoError(t, err)
	require.Equal(t, sent[1], withCookie(sent[0], message.GetNotify(m.Payloads, message.COOKIE).Data))
	require.Equal(t, sent[0], withoutCookie(sent[1]))
	require.Equal(t, sent[0], withoutCookie(sent[0]))
}

// Copies of the first request are each answered with a cookie. One that comes after another is no reason to send a third
// request, until the second has been repeated in vain: the responder has lost its secrets.
func TestLateCookieIsNotTaken(t *testing.T) {
	w := newWorld(t, 532)
	w.serve(pskOptions(w.rng, "gw"), authorizeAll)
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	sent := 0
	w.sniff = func(bool, Datagram) { sent++ }
	ue := w.dial(pskOptions(w.rng, "ue"), wantChild(), nil)
	w.run(time.Millisecond, nil)
	cookie := func(b byte) {
		h := message.Header{InitiatorSPI: ue.s.sa.spiI, Exchange: message.IKE_SA_INIT, Flags: message.FlagResponse}
		data, err := (&message.Message{Header: h, Payloads: []message.Payload{notify(message.COOKIE, []byte{b})}}).Append(nil)
		require.NoError(t, err)
		ue.take(ue.s.Receive(w.now, reverse(w.path), data))
	}
	require.Equal(t, 1, sent)
	for _, b := range []byte{1, 1, 2, 1} {
		cookie(b)
		require.Equal(t, 2, sent)
		require.Equal(t, []byte{1}, ue.s.hs.cookie)
	}
	w.run(10*time.Second, func() bool { return sent == 3 }) // it is repeated
	cookie(1)
	require.Equal(t, 3, sent)
	cookie(2)
	require.Equal(t, 4, sent)
	require.Equal(t, []byte{2}, ue.s.hs.cookie)
	// The first one comes again, from somebody who has recorded it: it has been refused.
	w.run(10*time.Second, func() bool { return sent == 5 })
	cookie(1)
	require.Equal(t, 5, sent)
	require.Equal(t, []byte{2}, ue.s.hs.cookie)
}
