// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Secret is what all nodes of a cluster know. Whoever has it can take over all UEs.
type Secret [32]byte

// ParseSecret reads 64 hexadecimal digits, with white space around.
func ParseSecret(text string) (s Secret, err error) {
	b, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(b) != len(s) {
		return s, errors.New("want 64 hexadecimal digits; make them with: openssl rand -hex 32")
	}
	return Secret(b), nil
}

// Derive makes a key for one purpose (HKDF-SHA-256, RFC 5869).
func (s Secret) Derive(purpose string) [32]byte {
	b, err := hkdf.Key(sha256.New, s[:], nil, "open-n3iwf cluster "+purpose, 32)
	if err != nil {
		panic(err) // the length is right
	}
	return [32]byte(b)
}

var errStranger = errors.New("the other end does not know the secret of this cluster; give cluster.key the same content at all nodes")

// tlsConfig makes both ends prove the secret and accept nobody else.
func (s Secret) tlsConfig() (*tls.Config, error) {
	seed := s.Derive("tls")
	private := ed25519.NewKeyFromSeed(seed[:])
	public := private.Public().(ed25519.PublicKey)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "n3iwf cluster"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), // the secret is what is changed
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		return nil, fmt.Errorf("cluster certificate: %w", err)
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: private}},
		ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true,
		InsecureSkipVerify: true, // of names and chains, which have no meaning here: the key is compared instead
		VerifyConnection: func(state tls.ConnectionState) error {
			for _, c := range state.PeerCertificates[:min(1, len(state.PeerCertificates))] {
				if key, ok := c.PublicKey.(ed25519.PublicKey); ok && key.Equal(public) {
					return nil
				}
			}
			return errStranger
		},
	}, nil
}
