// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto/elliptic"
	"crypto/x509"
	"testing"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// FuzzAdditionalKeyExchange is a peer with the right keys that sends anything in IKE_INTERMEDIATE (before IKE_AUTH) or
// IKE_FOLLOWUP_KE (in the middle of a rekey). Whatever comes, no SA comes up that was not agreed, and nothing stays.
func FuzzAdditionalKeyExchange(f *testing.F) {
	f.Add(true, []byte{34, 4, 0, 36, 0, 0})
	f.Add(true, []byte{41, 4, 0, 0, 0x40, 0x39, 34, 4, 0, 36, 0, 0})
	f.Add(false, []byte{34, 4, 0, 36, 0, 0, 41, 6, 0, 0, 0x40, 0x39, 1, 2})
	f.Add(false, []byte{41, 4, 0, 0, 0, 47})
	f.Fuzz(func(t *testing.T, intermediate bool, in []byte) {
		var payloads []message.Payload
		for len(in) >= 2 {
			n := min(int(in[1]), len(in)-2)
			body := in[2 : 2+n]
			if message.PayloadType(in[0]) == message.PayloadKE && n >= 4 {
				body = append(append([]byte{}, body...), make([]byte, 1184-n+4)...) // else no fuzzer gets to the length
			}
			payloads = append(payloads, &rawPayload{message.PayloadType(in[0]), body})
			in = in[2+n:]
		}
		w := newWorld(t, 1)
		if intermediate {
			o, g := hybrid(w, "ue", suite.CURVE25519, suite.ML_KEM_768), hybrid(w, "gw", suite.CURVE25519, suite.ML_KEM_768)
			w.serve(g, authorizeAll)
			ue := w.dial(o, wantChild(), nil)
			w.run(time.Second, func() bool { return ue.s.state == stateAuth && len(ue.s.sa.outstanding) == 1 })
			w.wire = nil
			ue.hostile(w.gw.last(), message.IKE_INTERMEDIATE, 1, payloads...)
			w.run(2*time.Minute, nil)
			if gw := w.gw.last(); gw.s.Established() && !ue.s.Established() || w.gw.front.HalfOpen() != 0 {
				t.Fatal("something stays")
			}
			return
		}
		ue, gw := followed(w, suite.ML_KEM_768)
		ue.take(ue.s.RekeyChild(w.now, ue.s.Children()[0].InboundSPI))
		w.run(time.Second, func() bool {
			return len(ue.s.sa.outstanding) == 1 && ue.s.sa.outstanding[0].exchange == message.IKE_FOLLOWUP_KE
		})
		mid := ue.s.sa.outstanding[0].mid
		w.wire = nil
		for _, d := range ue.s.seal(ue.s.sa, message.IKE_FOLLOWUP_KE, false, mid, payloads) {
			gw.take(gw.s.Receive(w.now, reverse(ue.s.Path()), d))
		}
		w.run(20*time.Minute, nil)
		if len(ue.s.followUps) != 0 || len(gw.s.followUps) != 0 || ue.s.following != 0 && !ue.s.Closed() || len(gw.s.reserved) != 0 {
			t.Fatal("state stays")
		}
	})
}

// FuzzIdentity compares any identity with a certificate: only what is in it is its name.
func FuzzIdentity(f *testing.F) {
	root := newCA(f)
	cert, err := x509.ParseCertificate(root.issue(f, ecKey(f, elliptic.P256()), "gw").Chain[0])
	if err != nil {
		f.Fatal(err)
	}
	f.Add(byte(message.ID_DER_ASN1_DN), cert.RawSubject)
	f.Add(byte(message.ID_FQDN), []byte("gw"))
	f.Add(byte(message.ID_IPV4_ADDR), []byte{192, 0, 2, 1})
	f.Fuzz(func(t *testing.T, kind byte, data []byte) {
		id := Identity{Type: message.IDType(kind), Data: data}
		if names(cert, id) {
			switch id.Type {
			case message.ID_FQDN, message.ID_IPV4_ADDR, message.ID_DER_ASN1_DN:
			default:
				t.Fatalf("%v is not in the certificate", id)
			}
		}
	})
}

// FuzzPeerCertificates gives a verifier any certificates and AUTH data.
func FuzzPeerCertificates(f *testing.F) {
	root := newCA(f)
	p := root.issue(f, ecKey(f, elliptic.P256()), "ue")
	f.Add(byte(message.AuthDigitalSignature), []byte{10, 1, 2}, p.Chain[0], root.cert.Raw)
	f.Add(byte(message.AuthECDSA256), make([]byte, 64), p.Chain[0], []byte{})
	v := NewCertificateVerifier(root.cert)
	f.Fuzz(func(t *testing.T, method byte, data, leaf, next []byte) {
		ctx := &AuthContext{Octets: []byte("octets"), Time: epoch, Prover: fqdn("ue")}
		if v.Verify(ctx, message.AuthMethod(method), data, [][]byte{leaf, next}) == nil {
			t.Fatal("nobody has signed this")
		}
	})
}
