// SPDX-License-Identifier: Apache-2.0

package config

import (
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"
)

// Warnings are choices of a file that work and that an operator should know to be weak, in the order of their lines. The file has
// been loaded as c; now is compared with the certificate's end.
func Warnings(file string, c *Config, now time.Time) Problems {
	d := linesOf(file)
	n := c.NWu
	d.warn(n.IKE.Profile == legacyLab, "nwu.ike.profile", "legacy-lab accepts SHA-1", "take default when no old UE simulator needs it")
	d.warn(n.MOBIKE.Enabled && n.MOBIKE.ReturnRoutability == "off", "nwu.mobike.returnRoutability", "a UE can turn its downlink on somebody else's address", "take before or after")
	d.warn(!n.MOBIKE.Enabled, "nwu.mobike.enabled", "UEs lose everything when their address changes", "take true")
	d.warn(n.UDPEncapsulation == "auto", "nwu.udpEncapsulation", "UEs that use plain ESP from port 4500, such as strongSwan without a NAT, get no packets", "take always")
	d.warn(n.IKE.Liveness.Period == 0, "nwu.ike.liveness.period", "UEs that vanish are never found", "take 2m, say")
	d.warn(n.ESP.ReplayWindow < 256, "nwu.esp.replayWindow", fmt.Sprintf("%d packets are few: reordered packets are dropped", n.ESP.ReplayWindow), "take 1024")
	d.warn(len(n.MOBIKE.VerifiedNetworks) > 0, "nwu.mobike.verifiedNetworks", "source addresses in these networks are believed", "list only networks where nobody can forge them")
	d.warn(c.Debug.Identities, "debug.identities", "the log tells who the subscribers are", "remove the key outside of a laboratory")
	d.warn(c.Debug.KeyLog != "", "debug.keylog", "whoever reads that directory can decrypt all traffic", "remove the key outside of a laboratory")
	d.warn(c.Management.PProf, "management.pprof", "profiles show the memory of this process to those who may use the API", "take false when you are done")
	d.warn(c.Management.Listen != "" && c.Management.TLS.Chain == "", "management.listen", "the token travels in clear on this machine", "set management.tls")
	d.warn(c.Management.Traces.Token != "" && strings.HasPrefix(c.Management.Traces.Endpoint, "http:"), "management.traces.endpoint", "the token travels in clear", "use https")
	for i, ta := range c.N3IWF.SupportedTAs {
		for j, p := range ta.PLMNs {
			for k, s := range p.Slices {
				d.warn(strings.EqualFold(string(s.SD), "ffffff"), fmt.Sprintf("n3iwf.supportedTAs[%d].plmns[%d].slices[%d].sd", i, j, k),
					"ffffff means that there is no slice differentiator (TS 23.003 28.4.2), and AMFs may take it for another slice than one without", "remove the key, unless the AMF has it so")
			}
			d.warn(p.PLMN.MCC == "001", fmt.Sprintf("n3iwf.supportedTAs[%d].plmns[%d].plmn", i, j), p.PLMN.String()+" is a test network", "write your own network's codes outside of a laboratory")
		}
	}
	d.certificateWarnings(&n, now)
	d.exposed(c)
	return d.problems.sorted()
}

// linesOf is a decoder that knows the lines of a file that was loaded before.
func linesOf(file string) *decoder {
	d := &decoder{file: file, lines: map[string]int{}, bad: map[string]bool{}}
	if text, err := os.ReadFile(file); err == nil {
		if root, ok := d.parse(text); ok {
			d.value(root, reflect.ValueOf(Default()).Elem(), "", "")
		}
	}
	d.problems = nil
	return d
}

// soon is when an operator should renew a certificate.
const soon = 30 * 24 * time.Hour

func (d *decoder) certificateWarnings(n *NWu, now time.Time) {
	for _, p := range n.Certificate.pairs() {
		own, err := p.load()
		if err != nil {
			continue
		}
		key := p.at + ".chain"
		for _, c := range own.Chain {
			left := c.NotAfter.Sub(now)
			d.warn(left < soon, key, fmt.Sprintf("the certificate of %s expires in %d days", c.Subject, int(left.Hours()/24)), "renew it; SIGHUP takes the new one over without dropping UEs")
			if k, ok := c.PublicKey.(*rsa.PublicKey); ok {
				d.warn(k.N.BitLen() < 3072, key, fmt.Sprintf("RSA with %d bits is below today's recommendation", k.N.BitLen()), "take ECDSA P-256 or RSA 3072")
			}
		}
		if _, ed := own.Key.(ed25519.PrivateKey); ed {
			d.warn(len(n.Certificate.Further) == 0, key, "only UEs that know RFC 8420 can verify Ed25519, and there is no other certificate", "add one with ECDSA P-256 to nwu.certificate.further")
		}
	}
}

func (d *decoder) warn(weak bool, key, what, do string) {
	if weak {
		d.add(key, what, do)
	}
}
