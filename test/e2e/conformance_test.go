// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/conformance"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// authority is the certificate of a pair, which has signed itself.
func authority(t *testing.T, pair func() (certificate, key string)) *x509.Certificate {
	text, _ := pair()
	block, _ := pem.Decode([]byte(text))
	certificate, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return certificate
}

func conformanceOptions(w *world) conformance.Options {
	o := conformance.Options{
		UE: w.options(0), DNN: "internet", Slice: nas.SNSSAI{SST: 1}, Ping: dn, MoveTo: w.addr(30),
		FamilyLocal: netip.IPv6Loopback(), FamilyN3IWF: netip.IPv6Loopback(),
		Done: func(r conformance.Result) { w.t.Logf("%+v", r) },
	}
	o.UE.Authority, o.UE.N3IWFIdentity = authority(w.t, keyAndCert), "n3iwf.lab.example"
	return o
}

// outcomes are the names of the checks by what came of them.
func outcomes(r *conformance.Report) map[conformance.Outcome][]string {
	by := map[conformance.Outcome][]string{}
	for _, c := range r.Checks {
		by[c.Outcome] = append(by[c.Outcome], c.Name)
	}
	return by
}

// TestConformanceOurs: our N3IWF with its default limits passes every check.
func TestConformanceOurs(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.IKE.HalfOpen.Timeout = 2 * time.Second })
	r, err := conformance.Run(w.ctx, conformanceOptions(w))
	require.NoError(t, err)
	require.True(t, r.OK)
	require.Equal(t, conformance.Names(), outcomes(r)[conformance.Passed])
	for _, c := range r.Checks {
		require.NotEmpty(t, c.Clause, c.Name)
	}
	w.empty()
}

// TestConformanceFinds: what an N3IWF does not do is found, and only that.
func TestConformanceFinds(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for name, c := range map[string]struct {
		change  func(*config.Config)
		options func(*conformance.Options)
		failed  []string
	}{
		"no MOBIKE": {
			change: func(c *config.Config) { c.NWu.MOBIKE.Enabled = false },
			failed: []string{"mobike-supported", "move-port", "move-address", "move-family"},
		},
		"foreign certificate": {
			options: func(o *conformance.Options) { o.UE.Authority = authority(t, newCertificate) },
			failed:  []string{"certificate"},
		},
		"no such data network": {
			options: func(o *conformance.Options) { o.DNN = "elsewhere" },
			failed:  []string{"pdu-session"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, c.change)
			o := conformanceOptions(w)
			o.Timeout, o.Cookies = 5*time.Second, 1
			if c.options != nil {
				c.options(&o)
			}
			r, err := conformance.Run(w.ctx, o)
			require.NoError(t, err)
			require.False(t, r.OK)
			require.Equal(t, c.failed, outcomes(r)[conformance.Failed])
		})
	}
}

// TestConformanceNobody: where no N3IWF is, nothing passes.
func TestConformanceNobody(t *testing.T) {
	w := prepareWorld(t, nil)
	r, err := conformance.Run(w.ctx, conformanceOptions(w))
	require.NoError(t, err)
	require.False(t, r.OK)
	require.Equal(t, map[conformance.Outcome][]string{conformance.Failed: {"ike-sa-init"}, conformance.Skipped: conformance.Names()[1:]}, outcomes(r))

	o := conformanceOptions(w)
	o.Only = []string{"speed"}
	_, err = conformance.Run(w.ctx, o)
	require.ErrorContains(t, err, "cookie")
}
