// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"time"
)

// identity of the demo's N3IWF.
const identity = "n3iwf.lab.example"

// subscriber of the demo: the test set of TS 35.207 would do as well; these are the ones that 5G labs commonly use.
const (
	imsi = "001010000000001"
	key  = "465b5ce8b199b49faa5f0a2ee238a6bc"
	opc  = "e8ed289deba952e4283b54e88e6183ca"
)

// configure writes certificates and the three configuration files.
func configure(dir string, p plan, o Options) error {
	if err := certificates(dir); err != nil {
		return err
	}
	keylog := ""
	esn := true
	if o.Capture {
		keylog = "\ndebug:\n  keylog: " + dir + "\n"
		esn = false // Wireshark 4.0 does not know the upper half of the sequence number
	}
	pool := "10.45.100.0/24"
	if o.Relay {
		pool = p.relays.pool.String()
	}
	more := ""
	if a := p.relays.n3iwf; o.Relay && a != p.n3iwf[0] {
		more = fmt.Sprintf(", %q", a)
	}
	files := map[string]string{
		"n3iwf.yaml": fmt.Sprintf(`n3iwf:
  globalN3IWFID: {id: 135}
  name: demo-n3iwf
  supportedTAs:
    - tac: "000001"
      plmns: [{plmn: {mcc: "001", mnc: "01"}, slices: [{sst: 1, sd: "010203"}]}]
nwu:
  addresses: ["%s", "%s"%s]
  ikePort: %d
  nattPort: %d
  identity: %s
  certificate: {chain: n3iwf.pem, key: n3iwf.key}
  uePools: {ipv4: [10.60.0.0/16], ipv6: ["fd00:60::/64"]}
  esp: {esn: %t}
  mobike: {returnRoutability: %s, provenFor: 1s} # each move of the demo is to be proven anew
n2:
  amfs: [{addresses: ["%s"]}]
  localAddresses: ["%s"]
  transport: %s
  backOff: {initial: 200ms, max: 2s}
n3:
  addresses: ["%s"]
dataPlane: {kind: %s}
management: {socket: ""}
log: {level: info}
%s`, p.n3iwf[0], p.n3iwf[1], more, p.ike, p.natt, identity, esn, o.Routability, p.core, p.n3iwfCore, p.n2, p.n3iwfCore, p.dataPlane, keylog),
		"core.yaml": fmt.Sprintf(`name: demo-amf
mcc: "001"
mnc: "01"
amfId: cafe00
tac: "000001"
listen: "%s:38412"
transport: %s
upf: %s
pool: %s
%sciphering: true
slices: [{sst: 1, sd: "010203"}]
dnns:
  - name: internet
    flows: [{qfi: 1, 5qi: 9}, {qfi: 2, 5qi: 7}]
subscribers:
  - {imsi: "%s", k: %s, opc: %s}
%s`, p.core, p.n2, p.upf, pool, p.relays.core(o.Relay, p.n3iwf), imsi, key, opc, p.relays.subscribers(o.Relay)),
		"ue.yaml": p.ueConfig(p.first, p.n3iwf[0], imsi),
	}
	if o.Relay {
		p.relays.configure(files, p)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ueConfig is the file of a UE at that address.
func (p *plan) ueConfig(local, n3iwf netip.Addr, imsi string) string {
	return fmt.Sprintf(`local: %s
n3iwf: %s
ports: {ike: %d, natt: %d, localike: %d, localnatt: %d}
authority: ca.pem
identity: %s
dataPlane: %s
subscriber: {imsi: "%s", mcc: "001", mnc: "01", k: %s, opc: %s, ciphering: true}
session: {dnn: internet, sst: 1, sd: "010203", ping: 192.0.2.1}
`, local, n3iwf, p.ike, p.natt, p.ueIKE, p.ueNAT, identity, p.dataPlane, imsi, key, opc)
}

// certificates makes a CA and a certificate for the N3IWF.
func certificates(dir string) error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "demo CA"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	leafKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: identity}, DNSNames: []string{identity},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, leafKey.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(leafKey)
	if err != nil {
		return err
	}
	for _, f := range []struct {
		name, kind string
		der        []byte
	}{{"ca.pem", "CERTIFICATE", caDER}, {"n3iwf.pem", "CERTIFICATE", leafDER}, {"n3iwf.key", "PRIVATE KEY", keyDER}} {
		if err := os.WriteFile(filepath.Join(dir, f.name), pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der}), 0o600); err != nil {
			return err
		}
	}
	return nil
}
