// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"
)

// certificateError says what is wrong with a key of nwu.
type certificateError struct{ key, what, do string }

func (e *certificateError) Error() string {
	return "nwu." + e.key + ": " + e.what + "; " + e.do
}

// Load reads the certificate chain, leaf first, and its private key, and checks that they belong together.
func (c Certificate) Load() (chain []*x509.Certificate, key crypto.Signer, err error) {
	chain, err = c.loadChain()
	if err != nil {
		return nil, nil, err
	}
	key, err = c.loadKey()
	if err != nil {
		return nil, nil, err
	}
	if public, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(chain[0].PublicKey) {
		return nil, nil, &certificateError{"certificate.key", "does not belong to the first certificate of the chain (" + chain[0].Subject.String() + ")",
			"put the certificate of this key first, or name its key"}
	}
	return chain, key, nil
}

// LoadCertificate is Certificate.Load with everything that is asked of the N3IWF's own certificate: it must be valid now
// and name the identity.
func (n NWu) LoadCertificate(now time.Time) (chain []*x509.Certificate, key crypto.Signer, err error) {
	chain, key, err = n.Certificate.Load()
	if err != nil {
		return nil, nil, err
	}
	if wrong := n.checkLeaf(chain[0], now); len(wrong) > 0 {
		return nil, nil, wrong[0]
	}
	return chain, key, nil
}

// checkLeaf says what is wrong with a certificate as the N3IWF's own.
func (n NWu) checkLeaf(leaf *x509.Certificate, now time.Time) (wrong []*certificateError) {
	if !now.Before(leaf.NotAfter) {
		wrong = append(wrong, &certificateError{"certificate.chain", "expired on " + leaf.NotAfter.UTC().Format(time.RFC3339), "replace the certificate"})
	}
	if !now.After(leaf.NotBefore) {
		wrong = append(wrong, &certificateError{"certificate.chain", "is not valid before " + leaf.NotBefore.UTC().Format(time.RFC3339),
			"check this machine's clock, or replace the certificate"})
	}
	switch {
	case n.Identity == "":
		wrong = append(wrong, &certificateError{"certificate.chain", "has no DNS name or IP address as subject alternative name",
			"issue it with the FQDN that UEs use, such as n3iwf.5gc.mnc001.mcc001.pub.3gppnetwork.org (TS 23.003 28.3.2.2)"})
	case !names(leaf, n.Identity):
		wrong = append(wrong, &certificateError{"identity", fmt.Sprintf("%q is no subject alternative name of the certificate", n.Identity),
			fmt.Sprintf("choose one of %s, or issue the certificate for it", list(leaf.DNSNames, leaf.IPAddresses))})
	}
	return wrong
}

func (c Certificate) loadChain() ([]*x509.Certificate, error) {
	blocks, err := readPEM(c.Chain)
	if err != nil {
		return nil, &certificateError{"certificate.chain", err.Error(), "name a readable PEM file with the certificate and its intermediates"}
	}
	var chain []*x509.Certificate
	for _, b := range blocks {
		if b.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(b.Bytes)
		if err != nil {
			return nil, &certificateError{"certificate.chain", fmt.Sprintf("certificate %d cannot be read: %v", len(chain)+1, err), "replace the file"}
		}
		chain = append(chain, cert)
	}
	if len(chain) == 0 {
		return nil, &certificateError{"certificate.chain", "holds no certificate", "give PEM with a CERTIFICATE block, the N3IWF's own first"}
	}
	for i := 1; i < len(chain); i++ {
		if chain[i-1].CheckSignatureFrom(chain[i]) != nil {
			return nil, &certificateError{"certificate.chain", fmt.Sprintf("certificate %d (%s) did not issue certificate %d (%s)", i+1, chain[i].Subject, i, chain[i-1].Subject),
				"order the file: own certificate, its issuer, that one's issuer"}
		}
	}
	return chain, nil
}

func (c Certificate) loadKey() (crypto.Signer, error) {
	blocks, err := readPEM(string(c.Key))
	if err != nil {
		return nil, &certificateError{"certificate.key", err.Error(), "name a readable PEM file with the private key"}
	}
	for _, b := range blocks {
		if !strings.HasSuffix(b.Type, "PRIVATE KEY") {
			continue
		}
		if strings.HasPrefix(b.Type, "ENCRYPTED") || b.Headers["DEK-Info"] != "" {
			return nil, &certificateError{"certificate.key", "is encrypted", "decrypt it with openssl pkey and protect the file instead"}
		}
		key, err := parseKey(b.Bytes)
		if err != nil {
			return nil, &certificateError{"certificate.key", err.Error(), "use RSA of at least 2048 bits, or ECDSA P-256, P-384 or P-521"}
		}
		return key, nil
	}
	return nil, &certificateError{"certificate.key", "holds no private key", "give PEM with a PRIVATE KEY block"}
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
