// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// sign issues a certificate as the template says.
func (c *ca) sign(t testing.TB, key crypto.PublicKey, tmpl *x509.Certificate) *x509.Certificate {
	t.Helper()
	full := *tmpl
	if full.SerialNumber == nil {
		full.SerialNumber = big.NewInt(7)
	}
	if full.NotBefore.IsZero() {
		full.NotBefore, full.NotAfter = epoch.Add(-time.Hour), epoch.Add(1000*time.Hour)
	}
	der, err := x509.CreateCertificate(crand.Reader, &full, c.cert, key, c.key)
	require.NoError(t, err)
	cert, err := x509.ParseCertificate(der)
	require.NoError(t, err)
	return cert
}

// sub is an intermediate authority.
func (c *ca) sub(t testing.TB, name string) *ca {
	key := ecKey(t, elliptic.P256())
	return &ca{key, c.sign(t, &key.PublicKey, &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})}
}

func ed25519Key(t testing.TB) ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(crand.Reader)
	require.NoError(t, err)
	return key
}

// connect brings up a session whose gateway proves itself with p and checks the UE with v.
func connect(t *testing.T, ueOpt, gwOpt func(o *Options)) (ue, gw *node) {
	w := newWorld(t, 3)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	ueOpt(&o)
	gwOpt(&g)
	w.serve(g, authorizeAll)
	ue = w.dial(o, wantChild(), nil)
	w.run(5*time.Second, nil)
	return ue, w.gw.last()
}

// Chains with intermediates, leaf first, in several CERT payloads (RFC 7296 3.6).
func TestCertificateChains(t *testing.T) {
	root := newCA(t)
	first := root.sub(t, "first")
	second := first.sub(t, "second")
	key := ecKey(t, elliptic.P256())
	leaf := second.issue(t, key, "gw").Chain[0]
	deep := root
	long := [][]byte{}
	for range 9 {
		deep = deep.sub(t, "deep")
		long = append([][]byte{deep.cert.Raw}, long...)
	}
	deepLeaf := deep.issue(t, key, "gw").Chain[0]
	ueCert := root.issue(t, ecKey(t, elliptic.P256()), "ue")
	for name, row := range map[string]struct {
		chain   [][]byte
		anchors []*x509.Certificate
		good    bool
	}{
		"whole":                      {[][]byte{leaf, second.cert.Raw, first.cert.Raw}, []*x509.Certificate{root.cert}, true},
		"intermediates in any order": {[][]byte{leaf, first.cert.Raw, second.cert.Raw}, []*x509.Certificate{root.cert}, true},
		"with its root":              {[][]byte{leaf, second.cert.Raw, first.cert.Raw, root.cert.Raw}, []*x509.Certificate{root.cert}, true},
		"an intermediate as anchor":  {[][]byte{leaf}, []*x509.Certificate{second.cert, root.cert}, true},
		"garbage among them":         {[][]byte{leaf, {1, 2, 3}, second.cert.Raw, first.cert.Raw}, []*x509.Certificate{root.cert}, true},
		"one missing":                {[][]byte{leaf, second.cert.Raw}, []*x509.Certificate{root.cert}, false},
		"the leaf is not first":      {[][]byte{second.cert.Raw, leaf, first.cert.Raw}, []*x509.Certificate{root.cert}, false},
		"another root":               {[][]byte{leaf, second.cert.Raw, first.cert.Raw}, []*x509.Certificate{newCA(t).cert}, false},
		"its own root, untrusted":    {[][]byte{leaf, second.cert.Raw, first.cert.Raw, root.cert.Raw}, []*x509.Certificate{newCA(t).cert}, false},
		"longer than is looked at":   {append([][]byte{deepLeaf}, long...), []*x509.Certificate{root.cert}, false},
	} {
		t.Run(name, func(t *testing.T) {
			ue, gw := connect(t, func(o *Options) {
				o.Prove, o.Verify = ueCert, NewCertificateVerifier(row.anchors...)
			}, func(g *Options) {
				g.Prove, g.Verify = &CertificateProver{Key: key, Chain: row.chain}, NewCertificateVerifier(root.cert)
			})
			require.Equal(t, row.good, ue.s.Established(), "%v", ue.events)
			if !row.good {
				require.ErrorIs(t, got[Closed](ue)[0].Reason, ErrAuthentication)
				require.True(t, gw.s.Closed())
			}
		})
	}
}

// What a peer's certificate must be: valid now, for signatures, for IKE (RFC 4945 5.1.3).
func TestCertificateUse(t *testing.T) {
	root := newCA(t)
	key := ecKey(t, elliptic.P256())
	gw := root.issue(t, ecKey(t, elliptic.P256()), "gw")
	oid := func(n ...int) []asn1.ObjectIdentifier { return []asn1.ObjectIdentifier{n} }
	for name, row := range map[string]struct {
		tmpl x509.Certificate
		good bool
	}{
		"no usages":             {x509.Certificate{}, true},
		"digitalSignature":      {x509.Certificate{KeyUsage: x509.KeyUsageDigitalSignature}, true},
		"nonRepudiation":        {x509.Certificate{KeyUsage: x509.KeyUsageContentCommitment}, true},
		"keyEncipherment only":  {x509.Certificate{KeyUsage: x509.KeyUsageKeyEncipherment}, false},
		"ipsecIKE":              {x509.Certificate{UnknownExtKeyUsage: oid(1, 3, 6, 1, 5, 5, 7, 3, 17)}, true},
		"iKEIntermediate":       {x509.Certificate{UnknownExtKeyUsage: oid(1, 3, 6, 1, 5, 5, 8, 2, 2)}, true},
		"any":                   {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}, true},
		"serverAuth":            {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}, true},
		"codeSigning only":      {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}}, false},
		"an unknown usage only": {x509.Certificate{UnknownExtKeyUsage: oid(1, 3, 6, 1, 4, 1, 99999, 1)}, false},
		"codeSigning and IKE": {x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning},
			UnknownExtKeyUsage: oid(1, 3, 6, 1, 5, 5, 7, 3, 17)}, true},
		"expired":            {x509.Certificate{NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(-time.Minute)}, false},
		"not valid yet":      {x509.Certificate{NotBefore: epoch.Add(time.Hour), NotAfter: epoch.Add(2 * time.Hour)}, false},
		"expired on our day": {x509.Certificate{NotBefore: epoch.Add(-time.Hour), NotAfter: epoch.Add(time.Hour)}, true}, // today is virtual
	} {
		t.Run(name, func(t *testing.T) {
			row.tmpl.DNSNames = []string{"ue"}
			cert := root.sign(t, key.Public(), &row.tmpl)
			ue, _ := connect(t, func(o *Options) {
				o.Prove, o.Verify = &CertificateProver{Key: key, Chain: [][]byte{cert.Raw}}, NewCertificateVerifier(root.cert)
			}, func(g *Options) { g.Prove, g.Verify = gw, NewCertificateVerifier(root.cert) })
			require.Equal(t, row.good, ue.s.Established(), "%v", ue.events)
		})
	}
}

// Which certificate is whose (RFC 4945 3.1).
func TestCertificateNames(t *testing.T) {
	root := newCA(t)
	key := ecKey(t, elliptic.P256())
	cert := root.sign(t, key.Public(), &x509.Certificate{
		Subject:  pkix.Name{Country: []string{"CH"}, Organization: []string{"Example  Net"}, CommonName: "Gateway 1"},
		DNSNames: []string{"gw.example.org", "*.wild.example.org"}, EmailAddresses: []string{"Joe@example.org"},
		IPAddresses: []net.IP{net.ParseIP("192.0.2.1"), net.ParseIP("2001:db8::1")},
	})
	dn := func(rdn ...pkix.AttributeTypeAndValue) []byte {
		var seq pkix.RDNSequence
		for _, a := range rdn {
			seq = append(seq, []pkix.AttributeTypeAndValue{a})
		}
		der, err := asn1.Marshal(seq)
		require.NoError(t, err)
		return der
	}
	attr := func(n int, value any) pkix.AttributeTypeAndValue {
		return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, n}, Value: value}
	}
	text := func(tag int, s string) asn1.RawValue { return asn1.RawValue{Tag: tag, Bytes: []byte(s)} }
	for name, row := range map[string]struct {
		id   Identity
		good bool
	}{
		"FQDN":                       {fqdn("gw.example.org"), true},
		"FQDN in capitals":           {fqdn("GW.Example.ORG"), true},
		"FQDN with the final dot":    {fqdn("gw.example.org."), true},
		"another FQDN":               {fqdn("gw.example.com"), false},
		"a host behind a wildcard":   {fqdn("a.wild.example.org"), false},
		"the wildcard itself":        {fqdn("*.wild.example.org"), false},
		"an address as FQDN":         {fqdn("192.0.2.1"), false},
		"an empty FQDN":              {fqdn(""), false},
		"the common name as FQDN":    {fqdn("Gateway 1"), false},
		"FQDN with a zero octet":     {fqdn("gw.example.org\x00.evil"), false},
		"mail":                       {Identity{message.ID_RFC822_ADDR, []byte("Joe@EXAMPLE.org")}, true},
		"another mailbox":            {Identity{message.ID_RFC822_ADDR, []byte("joe@example.org")}, false},
		"a mail address without @":   {Identity{message.ID_RFC822_ADDR, []byte("example.org")}, false},
		"IPv4":                       {Identity{message.ID_IPV4_ADDR, []byte{192, 0, 2, 1}}, true},
		"another IPv4":               {Identity{message.ID_IPV4_ADDR, []byte{192, 0, 2, 2}}, false},
		"IPv6":                       {Identity{message.ID_IPV6_ADDR, netip.MustParseAddr("2001:db8::1").AsSlice()}, true},
		"IPv4 in IPv6's place":       {Identity{message.ID_IPV6_ADDR, []byte{192, 0, 2, 1}}, false},
		"IPv6 in IPv4's place":       {Identity{message.ID_IPV4_ADDR, netip.MustParseAddr("2001:db8::1").AsSlice()}, false},
		"the subject":                {Identity{message.ID_DER_ASN1_DN, cert.RawSubject}, true},
		"in another string type":     {Identity{message.ID_DER_ASN1_DN, dn(attr(6, text(19, "ch")), attr(10, text(12, "example net")), attr(3, text(12, "gateway 1")))}, true},
		"another subject":            {Identity{message.ID_DER_ASN1_DN, dn(attr(6, text(19, "CH")), attr(10, text(12, "Example Net")), attr(3, text(12, "Gateway 2")))}, false},
		"a part of the subject":      {Identity{message.ID_DER_ASN1_DN, dn(attr(6, text(19, "CH")), attr(10, text(12, "Example Net")))}, false},
		"the subject in other order": {Identity{message.ID_DER_ASN1_DN, dn(attr(10, text(12, "Example Net")), attr(6, text(19, "CH")), attr(3, text(12, "Gateway 1")))}, false},
		"no DER":                     {Identity{message.ID_DER_ASN1_DN, []byte("CN=Gateway 1")}, false},
		"an empty name":              {Identity{message.ID_DER_ASN1_DN, nil}, false},
		"trailing octets":            {Identity{message.ID_DER_ASN1_DN, append(append([]byte{}, cert.RawSubject...), 0)}, false},
		"a general name":             {Identity{message.ID_DER_ASN1_GN, []byte{0x82, 1, 'a'}}, false},
		"a key ID":                   {Identity{message.ID_KEY_ID, cert.SubjectKeyId}, false},
	} {
		require.Equal(t, row.good, names(cert, row.id), name)
	}
	require.False(t, names(&x509.Certificate{}, Identity{message.ID_DER_ASN1_DN, nil}), "no name is nobody's")
}

// Every identity type with a shared key, where the peer's identity finds the secret.
func TestIdentitiesWithPSK(t *testing.T) {
	for _, id := range []Identity{
		fqdn("ue.example.org"), {message.ID_RFC822_ADDR, []byte("ue@example.org")}, {message.ID_KEY_ID, []byte{1, 0, 2, 255}},
		{message.ID_IPV4_ADDR, []byte{198, 51, 100, 7}}, {message.ID_IPV6_ADDR, netip.MustParseAddr("2001:db8::7").AsSlice()},
		{message.ID_DER_ASN1_DN, []byte{0x30, 0}}, {message.ID_DER_ASN1_GN, []byte{0x82, 1, 'a'}},
	} {
		t.Run(id.String(), func(t *testing.T) {
			var asked Identity
			ue, gw := connect(t, func(o *Options) { o.Identity = id }, func(g *Options) {
				g.Verify = &PSK{Secret: func(peer Identity) ([]byte, error) { asked = peer; return []byte("a shared secret"), nil }}
			})
			require.True(t, ue.s.Established())
			require.Equal(t, id, got[Established](gw)[0].Peer)
			require.Equal(t, id, asked)
		})
	}
}

// Every kind of key signs with the hash that the peer and the key have in common (RFC 7427 4, RFC 8420).
func TestSignatureMethods(t *testing.T) {
	root := newCA(t)
	for name, row := range map[string]struct {
		key    crypto.Signer
		pss    bool
		hashes []suite.HashID // what the peer announces; nil: no notify
		method message.AuthMethod
		fails  bool
	}{
		"ECDSA P-256":                  {ecKey(t, elliptic.P256()), false, suite.SignatureHashes, message.AuthDigitalSignature, false},
		"ECDSA P-384":                  {ecKey(t, elliptic.P384()), false, suite.SignatureHashes, message.AuthDigitalSignature, false},
		"ECDSA P-521":                  {ecKey(t, elliptic.P521()), false, suite.SignatureHashes, message.AuthDigitalSignature, false},
		"ECDSA P-256, only SHA-512":    {ecKey(t, elliptic.P256()), false, []suite.HashID{suite.HashSHA2_512}, message.AuthDigitalSignature, false},
		"ECDSA P-521, only SHA-256":    {ecKey(t, elliptic.P521()), false, []suite.HashID{suite.HashSHA2_256}, message.AuthDigitalSignature, false},
		"RSA":                          {rsaKey(t), false, suite.SignatureHashes, message.AuthDigitalSignature, false},
		"RSA-PSS":                      {rsaKey(t), true, suite.SignatureHashes, message.AuthDigitalSignature, false},
		"RSA-PSS, only SHA-384":        {rsaKey(t), true, []suite.HashID{suite.HashSHA2_384}, message.AuthDigitalSignature, false},
		"Ed25519":                      {ed25519Key(t), false, suite.SignatureHashes, message.AuthDigitalSignature, false},
		"Ed25519, peer has SHA-2 only": {ed25519Key(t), false, []suite.HashID{suite.HashSHA2_256}, 0, true},
		"ECDSA, peer has EdDSA only":   {ecKey(t, elliptic.P256()), false, []suite.HashID{suite.HashIdentity}, 0, true},
		"ECDSA P-256, classic":         {ecKey(t, elliptic.P256()), false, nil, message.AuthECDSA256, false},
		"ECDSA P-384, classic":         {ecKey(t, elliptic.P384()), false, nil, message.AuthECDSA384, false},
		"ECDSA P-521, classic":         {ecKey(t, elliptic.P521()), false, nil, message.AuthECDSA521, false},
		"Ed25519, classic":             {ed25519Key(t), false, nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			p := root.issue(t, row.key, "ue")
			p.PSS = row.pss
			ctx := &AuthContext{Octets: []byte("octets"), Time: epoch, Prover: fqdn("ue"), PeerHashes: row.hashes}
			method, data, err := p.Prove(ctx)
			if row.fails {
				require.ErrorIs(t, err, suite.ErrNoSignatureMethod)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.method, method)
			v := NewCertificateVerifier(root.cert)
			require.NoError(t, v.Verify(ctx, method, data, p.Chain))
			ctx.Octets = []byte("0ctets")
			require.ErrorIs(t, v.Verify(ctx, method, data, p.Chain), suite.ErrSignature)
		})
	}
}

// Of several certificates the peer gets the one whose authority its CERTREQ names, if it understands its signature.
func TestCertificateChoice(t *testing.T) {
	one, two := newCA(t), newCA(t)
	below := two.sub(t, "below")
	edOne := one.issue(t, ed25519Key(t), "gw")
	ecOne := one.issue(t, ecKey(t, elliptic.P256()), "gw")
	ecTwo := below.issue(t, ecKey(t, elliptic.P256()), "gw")
	ecTwo.Chain = append(ecTwo.Chain, below.cert.Raw)
	edOne.Issuers, ecOne.Issuers, ecTwo.Issuers = []*x509.Certificate{one.cert}, []*x509.Certificate{one.cert}, []*x509.Certificate{two.cert}
	all := CertificateChoice{edOne, ecOne, ecTwo}
	hash := func(c *x509.Certificate) []byte { s := sha1.Sum(c.RawSubjectPublicKeyInfo); return s[:] }
	for name, row := range map[string]struct {
		hashes  []suite.HashID
		request [][]byte
		want    *CertificateProver
	}{
		"no wish":                           {suite.SignatureHashes, nil, edOne},
		"its authority":                     {suite.SignatureHashes, [][]byte{hash(two.cert)}, ecTwo},
		"an intermediate of it":             {suite.SignatureHashes, [][]byte{hash(below.cert)}, ecTwo},
		"the preferred of two":              {suite.SignatureHashes, [][]byte{hash(two.cert), hash(one.cert)}, edOne},
		"no EdDSA":                          {[]suite.HashID{suite.HashSHA2_256}, [][]byte{hash(one.cert)}, ecOne},
		"no RFC 7427":                       {nil, nil, ecOne},
		"an authority that we have not":     {suite.SignatureHashes, [][]byte{hash(newCA(t).cert)}, edOne},
		"understanding goes before wishing": {[]suite.HashID{suite.HashIdentity}, [][]byte{hash(two.cert)}, edOne},
		"nothing fits":                      {[]suite.HashID{suite.HashSHA1}, nil, edOne},
	} {
		require.Same(t, row.want, all.Choose(&AuthContext{PeerHashes: row.hashes, PeerAuthorities: row.request}), name)
	}
	// Over the wire, with both authorities in one CERTREQ of the UE: it trusts either alone.
	for _, trust := range []*ca{one, two} {
		ue, _ := connect(t, func(o *Options) {
			o.Prove, o.Verify = one.issue(t, ecKey(t, elliptic.P256()), "ue"), NewCertificateVerifier(trust.cert)
		}, func(g *Options) { g.Prove, g.Verify = all, NewCertificateVerifier(one.cert) })
		require.True(t, ue.s.Established(), "%v", ue.events)
	}
}

// CERTREQ payloads are hints from anybody: several, malformed, too many.
func TestCertificateRequests(t *testing.T) {
	hs := new(handshake)
	hs.learnRequest(&message.CertificateRequest{Encoding: message.CertHashURL, Authorities: make([]byte, 20)})
	hs.learnRequest(&message.CertificateRequest{Encoding: message.CertX509Signature, Authorities: make([]byte, 21)})
	require.True(t, hs.certWanted)
	require.Empty(t, hs.authorities)
	hs.learnRequest(&message.CertificateRequest{Encoding: message.CertX509Signature, Authorities: make([]byte, 40)})
	hs.learnRequest(&message.CertificateRequest{Encoding: message.CertX509Signature})
	require.Len(t, hs.authorities, 2)
	hs.learnRequest(&message.CertificateRequest{Encoding: message.CertX509Signature, Authorities: make([]byte, 20*3000)})
	require.Len(t, hs.authorities, maxAuthorities)
}

// A certificate, its key and the trusted authorities are replaced while sessions live; a handshake under way ends with
// what it began with.
func TestReload(t *testing.T) {
	before, after := newCA(t), newCA(t)
	w := newWorld(t, 3)
	w.workDelay = 5 * time.Millisecond
	prove, verify := NewReloadableProver(before.issue(t, ecKey(t, elliptic.P256()), "gw")), NewReloadableVerifier(NewCertificateVerifier(before.cert))
	g := pskOptions(w.rng, "gw")
	g.Prove, g.Verify = prove, verify
	options := func(c *ca) Options {
		o := pskOptions(w.rng, "ue")
		o.Prove, o.Verify = c.issue(t, ecKey(t, elliptic.P256()), "ue"), NewCertificateVerifier(c.cert)
		return o
	}
	ue, gw := w.up(options(before), g)
	replace := func() {
		prove.Store(CertificateChoice{after.issue(t, ecKey(t, elliptic.P384()), "gw")})
		verify.Store(NewCertificateVerifier(after.cert))
	}
	replace()
	ue.take(ue.s.Probe(w.now))
	w.run(time.Second, nil)
	require.Len(t, got[Alive](ue), 1, "the session lives")
	require.True(t, gw.s.Established())

	next := w.dial(options(after), wantChild(), nil)
	w.run(5*time.Second, nil)
	require.True(t, next.s.Established(), "%v", next.events)
	old := w.dial(options(before), wantChild(), nil)
	w.run(5*time.Second, nil)
	require.False(t, old.s.Established(), "the former authority is no longer trusted")

	// In the middle of a handshake, when the proof is made but not sent.
	prove.Store(before.issue(t, ecKey(t, elliptic.P256()), "gw"))
	verify.Store(NewCertificateVerifier(before.cert))
	last := w.dial(options(before), wantChild(), nil)
	n := len(w.gw.nodes)
	w.run(5*time.Second, func() bool {
		return len(w.gw.nodes) > n && w.gw.last().s.hs != nil && w.gw.last().s.hs.prover != nil
	})
	replace()
	w.run(5*time.Second, nil)
	require.True(t, last.s.Established(), "%v", last.events)
}
