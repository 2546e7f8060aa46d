// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

// certificatePair is a chain and its key, with the key of the configuration where it stands.
type certificatePair struct {
	FurtherCertificate
	at string
}

// pairs are the certificate and the further ones.
func (c Certificate) pairs() []certificatePair {
	all := []certificatePair{{FurtherCertificate{c.Chain, c.Key, c.Issuers}, "nwu.certificate"}}
	for i, f := range c.Further {
		all = append(all, certificatePair{f, fmt.Sprintf("nwu.certificate.further[%d]", i)})
	}
	return all
}

// Load reads the certificate chain, leaf first, and its private key, and checks that they belong together. The further ones
// are left alone.
func (c Certificate) Load() (chain []*x509.Certificate, key crypto.Signer, err error) {
	own, err := c.pairs()[0].load()
	return own.Chain, own.Key, err
}

// OwnCertificate is what the N3IWF proves itself with: the chain, leaf first, its key, and the authorities above it that
// were named.
type OwnCertificate struct {
	Chain   []*x509.Certificate
	Key     crypto.Signer
	Issuers []*x509.Certificate
}

// Equal tells whether two are the same; keys are, when their certificates are.
func (c OwnCertificate) Equal(d OwnCertificate) bool {
	same := (*x509.Certificate).Equal
	return slices.EqualFunc(c.Chain, d.Chain, same) && slices.EqualFunc(c.Issuers, d.Issuers, same)
}

func (p certificatePair) load() (OwnCertificate, error) {
	chain, err := p.loadChain()
	if err != nil {
		return OwnCertificate{}, err
	}
	key, err := p.loadKey()
	if err != nil {
		return OwnCertificate{}, err
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(chain[0].PublicKey) {
		return OwnCertificate{}, wrongKey(p.at+".key", "does not belong to the first certificate of the chain ("+chain[0].Subject.String()+")",
			"put the certificate of this key first, or name its key")
	}
	own := OwnCertificate{Chain: chain, Key: key}
	if p.Issuers != "" {
		own.Issuers, err = p.certificates("issuers", p.Issuers, "name a readable PEM file with the authorities above the chain, or remove the key")
	}
	return own, err
}

// LoadCertificates is Certificate.Load for all of them, with everything that is asked of the N3IWF's own certificates: they
// must be valid now and name the identity.
func (n NWu) LoadCertificates(now time.Time) (all []OwnCertificate, err error) {
	for _, p := range n.Certificate.pairs() {
		own, err := p.load()
		if err != nil {
			return nil, err
		}
		if wrong := n.checkLeaf(p.at, own.Chain[0], now); len(wrong) > 0 {
			return nil, wrong[0]
		}
		all = append(all, own)
	}
	return all, nil
}

func wrongKey(key, what, do string) *KeyError { return &KeyError{Key: key, What: what, Do: do} }

// checkLeaf says what is wrong with a certificate as the N3IWF's own.
func (n NWu) checkLeaf(at string, leaf *x509.Certificate, now time.Time) (wrong []*KeyError) {
	chain, identity := at+".chain", "nwu.identity"
	if at != "nwu.certificate" {
		identity = chain // the identity fits the first one
	}
	if !now.Before(leaf.NotAfter) {
		wrong = append(wrong, wrongKey(chain, "expired on "+leaf.NotAfter.UTC().Format(time.RFC3339), "replace the certificate"))
	}
	if !now.After(leaf.NotBefore) {
		wrong = append(wrong, wrongKey(chain, "is not valid before "+leaf.NotBefore.UTC().Format(time.RFC3339),
			"check this machine's clock, or replace the certificate"))
	}
	switch {
	case n.Identity == "":
		wrong = append(wrong, wrongKey(chain, "has no DNS name or IP address as subject alternative name",
			"issue it with the FQDN that UEs use, such as n3iwf.5gc.mnc001.mcc001.pub.3gppnetwork.org (TS 23.003 28.3.2.2)"))
	case !names(leaf, n.Identity):
		wrong = append(wrong, wrongKey(identity, fmt.Sprintf("%q is no subject alternative name of the certificate", n.Identity),
			fmt.Sprintf("choose one of %s, or issue the certificate for it", list(leaf.DNSNames, leaf.IPAddresses))))
	}
	return wrong
}

func (p certificatePair) loadChain() ([]*x509.Certificate, error) {
	chain, err := p.certificates("chain", p.Chain, "name a readable PEM file with the certificate and its intermediates")
	if err != nil {
		return nil, err
	}
	for i := 1; i < len(chain); i++ {
		if chain[i-1].CheckSignatureFrom(chain[i]) != nil {
			return nil, wrongKey(p.at+".chain", fmt.Sprintf("certificate %d (%s) did not issue certificate %d (%s)", i+1, chain[i].Subject, i, chain[i-1].Subject),
				"order the file: own certificate, its issuer, that one's issuer")
		}
	}
	return chain, nil
}

// certificates reads those of a PEM file or text that stands at the key of that name.
func (p certificatePair) certificates(name, from, do string) ([]*x509.Certificate, error) {
	key := p.at + "." + name
	blocks, err := readPEM(from)
	if err != nil {
		return nil, wrongKey(key, err.Error(), do)
	}
	var all []*x509.Certificate
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, wrongKey(key, fmt.Sprintf("certificate %d cannot be read: %v", len(all)+1, err), "replace the file")
		}
		all = append(all, cert)
	}
	if len(all) == 0 {
		do := "give PEM with a CERTIFICATE block, the N3IWF's own first"
		if name == "issuers" {
			do = "give PEM with a CERTIFICATE block for each authority"
		}
		return nil, wrongKey(key, "holds no certificate", do)
	}
	return all, nil
}

func (p certificatePair) loadKey() (crypto.Signer, error) {
	at := p.at + ".key"
	blocks, err := readPEM(string(p.Key))
	if err != nil {
		return nil, wrongKey(at, err.Error(), "name a readable PEM file with the private key")
	}
	for _, b := range blocks {
		if !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			continue
		}
		if strings.HasPrefix(b.Type, "ENCRYPTED") || b.Headers["DEK-Info"] != "" {
			return nil, wrongKey(at, "is encrypted", "decrypt it with openssl pkey and protect the file instead")
		}
		key, err := parseKey(b.Bytes)
		if err != nil {
			return nil, wrongKey(at, err.Error(), "use RSA of at least 2048 bits, ECDSA P-256, P-384 or P-521, or Ed25519")
		}
		return key, nil
	}
	return nil, wrongKey(at, "holds no private key", "give PEM with a PRIVATE KEY block")
}

func parseKey(der []byte) (crypto.Signer, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		if k, e := x509.ParsePKCS1PrivateKey(der); e == nil {
			key = k
		} else if k, e := x509.ParseECPrivateKey(der); e == nil {
			key = k
		} else {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
	}
	switch k := key.(type) {
	case *rsa.PrivateKey:
		if bits := k.N.BitLen(); bits < 2048 {
			return nil, fmt.Errorf("is RSA of only %d bits", bits)
		}
		return k, nil
	case *ecdsa.PrivateKey:
		if bits := k.Curve.Params().BitSize; bits < 256 {
			return nil, fmt.Errorf("is on the curve %s", k.Curve.Params().Name)
		}
		return k, nil
	case ed25519.PrivateKey:
		return k, nil
	}
	return nil, fmt.Errorf("is a %T, which IKEv2 here cannot sign with", key)
}

func isPEM(s string) bool { return strings.Contains(s, "-----BEGIN ") }

// readPEM returns the blocks of PEM text or of the file that is named.
func readPEM(s string) ([]*pem.Block, error) {
	if s == "" {
		return nil, errors.New("is missing")
	}
	text := []byte(s)
	if !isPEM(s) {
		if strings.ContainsAny(s, "\n\x00") {
			return nil, errors.New("is neither a file name nor PEM text")
		}
		var err error
		if text, err = os.ReadFile(s); err != nil {
			return nil, fmt.Errorf("cannot be read: %w", err)
		}
	}
	var blocks []*pem.Block
	for {
		var b *pem.Block
		if b, text = pem.Decode(text); b == nil {
			return blocks, nil
		}
		blocks = append(blocks, b)
	}
}

// firstName returns the certificate's first DNS name, else its first IP address, else nothing.
func firstName(c *x509.Certificate) string {
	if len(c.DNSNames) > 0 {
		return c.DNSNames[0]
	}
	if len(c.IPAddresses) > 0 {
		return c.IPAddresses[0].String()
	}
	return ""
}

// names says whether the certificate has the identity as a subject alternative name.
func names(c *x509.Certificate, identity string) bool {
	if a, err := netip.ParseAddr(identity); err == nil {
		for _, ip := range c.IPAddresses {
			if b, ok := netip.AddrFromSlice(ip); ok && b.Unmap() == a.Unmap() {
				return true
			}
		}
		return false
	}
	return c.VerifyHostname(identity) == nil
}
