// SPDX-License-Identifier: Apache-2.0

package free5gc

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
)

// load checks the translated text with the real reader, beside a certificate made for it.
func load(t *testing.T, r *Result) *config.Config {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"n3iwf.free5gc.org"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "cert"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cert", "n3iwf.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "cert", "n3iwf.key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	text := strings.ReplaceAll(string(r.YAML), "/etc/n3iwf/", "cert/")
	c, err := config.Parse(filepath.Join(dir, "n3iwf.yaml"), []byte(text))
	require.NoError(t, err, text)
	return c
}

func read(t *testing.T, name string) *Result {
	t.Helper()
	text, err := os.ReadFile(name)
	require.NoError(t, err)
	r, err := Import(text)
	require.NoError(t, err)
	return r
}

func notes(r *Result) string {
	var b strings.Builder
	for _, n := range r.Notes {
		b.WriteString(n.String() + "\n")
	}
	return b.String()
}

// The file that a recorded registration was made with.
func TestCaptureConfiguration(t *testing.T) {
	r := read(t, "testdata/camel.yaml")
	c := load(t, r)
	plmn := config.PLMN{MCC: "208", MNC: "93"}
	require.Equal(t, plmn, c.N3IWF.GlobalN3IWFID.PLMN)
	require.Equal(t, uint16(135), c.N3IWF.GlobalN3IWFID.ID)
	require.Equal(t, "free5GC-N3IWF", c.N3IWF.Name)
	require.Equal(t, []config.SupportedTA{{TAC: 1, PLMNs: []config.ServedPLMN{{PLMN: plmn, Slices: []config.SNSSAI{{SST: 1, SD: "010203"}, {SST: 1, SD: "112233"}}}}}}, c.N3IWF.SupportedTAs)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("192.168.127.1")}, c.NWu.Addresses)
	require.Equal(t, "n3iwf.free5gc.org", c.NWu.Identity)
	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")}, c.NWu.UEPools.IPv4)
	require.Equal(t, netip.MustParseAddr("10.0.0.1"), c.NWu.NAS.IPv4)
	require.Equal(t, uint16(20000), c.NWu.NAS.Port)
	require.Equal(t, "legacy-lab", c.NWu.IKE.Profile)
	require.Equal(t, time.Minute, c.NWu.IKE.Liveness.Period)
	require.Equal(t, 4, c.NWu.IKE.Retransmission.Tries)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("10.100.0.2")}, c.N2.AMFs[0].Addresses)
	require.Equal(t, uint16(38412), c.N2.AMFs[0].Port)
	require.Equal(t, []netip.Addr{netip.MustParseAddr("10.100.0.1")}, c.N3.Addresses)
	require.Equal(t, "debug", c.Log.Level)
	all := notes(r)
	for _, want := range []string{"xfrmInterfaceName", "xfrmInterfaceID", "certificateAuthority", "legacy-lab", "name: is \"free5GC-N3IWF\" here", "cert/n3iwf.key is relative"} {
		require.Contains(t, all, want)
	}
}

// The spelling of earlier years, with codes as bare numbers and names for addresses.
func TestOldSpelling(t *testing.T) {
	r := read(t, "testdata/pascal.yaml")
	all := notes(r)
	require.Contains(t, all, "line 15: configuration.N3IWFInformation.SupportedTAList[0].TAC: completed from 1 to 000001")
	require.Contains(t, all, "IPSecInterfaceMark: not carried over")
	require.Contains(t, all, "Bogus: unknown here")
	require.NotContains(t, all, "ReportCaller")
	c := load(t, r)
	require.Equal(t, config.PLMN{MCC: "001", MNC: "01"}, c.N3IWF.GlobalN3IWFID.PLMN, "leading zeros stay")
	require.Equal(t, config.TAC(1), c.N3IWF.SupportedTAs[0].TAC)
	require.Equal(t, []config.SNSSAI{{SST: 1, SD: "010203"}, {SST: 2}}, c.N3IWF.SupportedTAs[0].PLMNs[0].Slices)
	require.Len(t, c.N2.AMFs, 2)
	require.Equal(t, "amf.free5gc.org", c.N2.AMFs[0].Name, "a name stays a name")
	require.Len(t, c.N2.AMFs[1].Addresses, 2)
	require.Equal(t, netip.MustParseAddr("10.0.0.1"), c.NWu.NAS.IPv4, "of a key that stands twice, the last one")
	require.Equal(t, 90*time.Second, c.NWu.IKE.Liveness.Period)
	require.Equal(t, "debug", c.Log.Level)
}

// In containers the N3IWF's own addresses are names: they are left out, and what is taken instead is good.
func TestOwnAddressesByName(t *testing.T) {
	text, err := os.ReadFile("testdata/pascal.yaml")
	require.NoError(t, err)
	r, err := Import([]byte(strings.NewReplacer("IKEBindAddress: 10.100.200.15", "IKEBindAddress: n3iwf.free5gc.org", "GTPBindAddress: 10.100.200.15", "GTPBindAddress: n3iwf.free5gc.org").Replace(string(text))))
	require.NoError(t, err)
	c := load(t, r)
	require.Equal(t, config.Default().NWu.Addresses, c.NWu.Addresses)
	require.Empty(t, c.N3.Addresses)
	require.Contains(t, notes(r), `IKEBindAddress: "n3iwf.free5gc.org" is a name: left out, so that UEs are served at all addresses of the machine`)
	require.Contains(t, notes(r), `GTPBindAddress: "n3iwf.free5gc.org" is a name: left out, so that the address that reaches the AMF is taken`)
}

func TestNotAFree5GCFile(t *testing.T) {
	for name, text := range map[string]string{
		"another file": "n3iwf: {}", "empty": "", "a list": "- 1", "not YAML": "a: [", "an alias": "configuration: *x",
		"too long": strings.Repeat("#", maxFile+1), "too deep": strings.Repeat("[", 40) + strings.Repeat("]", 40),
	} {
		_, err := Import([]byte(text))
		require.Error(t, err, name)
	}
}

func FuzzImport(f *testing.F) {
	// Short seeds: the fuzzer spends its time on shortening long ones.
	f.Add([]byte("configuration:\n  n3iwfInformation:\n    name: a_b\n    supportedTAList: [{tac: 1, broadcastPlmnList: [{plmnID: {mcc: 208, mnc: 93}}]}]\n  ikeBindAddress: \"x\""))
	f.Add([]byte("configuration: {N3IWFInformation: {GlobalN3IWFID: {N3IWFID: 135}}, AMFSCTPAddresses: [{IP: [a]}], LivenessCheck: {transFreq: 60s}}\nlogger: {level: trace}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := Import(text)
		if err != nil {
			return
		}
		// Whatever was in the file, the result is YAML that our reader can read: it may only find fault with values.
		_, err = config.Parse("n3iwf.yaml", r.YAML)
		if err != nil {
			require.NotContains(t, err.Error(), "not valid YAML", string(r.YAML))
		}
	})
}
