// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// ppkOf is the policy of a UE with one PPK.
func ppkOf(id string, secret []byte, mandatory bool) func(*ue.Options) {
	name := ikev2.PPKID{Type: ikev2.PPKFixed, Data: []byte(id)}
	return func(o *ue.Options) {
		o.PPK = &ikev2.PPKPolicy{ID: name, Mandatory: mandatory, Secret: func(ikev2.PPKID, ikev2.Identity) ([]byte, bool) { return secret, true }}
	}
}

// UEs with a post-quantum preshared key of the operator's file, without one and with a wrong one; new keys come with a reload.
func TestPPK(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	first, second := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 40)
	for _, mandatory := range []bool{false, true} {
		file := filepath.Join(t.TempDir(), "ppk")
		keep := func(id string, secret []byte) {
			require.NoError(t, os.WriteFile(file, []byte(id+" "+hex.EncodeToString(secret)+"\n"), 0o600))
		}
		keep("first", first)
		w := newWorld(t, func(c *config.Config) { c.NWu.IKE.PPK = config.PPK{File: file, Mandatory: mandatory} })
		w.online(0, ppkOf("first", first, true))
		require.Error(t, w.within(w.ue(1, ppkOf("first", second, true)).Register), "the wrong secret")
		require.Error(t, w.within(w.ue(2, ppkOf("second", second, true)).Register), "an unknown name")
		if mandatory {
			require.Error(t, w.within(w.ue(3).Register), "none")
		} else {
			w.online(3)
			w.online(4, ppkOf("second", second, false)) // goes on without
		}
		keep("second", second)
		_, _, err := w.nf.Reload(w.cfg) // as SIGHUP does
		require.NoError(t, err)
		w.online(5, ppkOf("second", second, true))
		require.Error(t, w.within(w.ue(6, ppkOf("first", first, true)).Register), "no longer")
	}
}

// A UE gets the certificate of the authority that it asks for: here one with Ed25519 beside one with ECDSA.
func TestCertificateOfTheUEsAuthority(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	public, key, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"n3iwf.lab.example"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	chain := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	w := newWorld(t, func(c *config.Config) {
		c.NWu.Certificate.Further = []config.FurtherCertificate{{
			Chain: chain, Issuers: chain, Key: config.Secret(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		}}
	})
	text, _ := keyAndCert()
	block, _ := pem.Decode([]byte(text))
	for i, der := range [][]byte{der, block.Bytes} {
		authority, err := x509.ParseCertificate(der)
		require.NoError(t, err)
		w.online(i, func(o *ue.Options) { o.Authority, o.N3IWFIdentity = authority, "n3iwf.lab.example" })
	}
}
