// SPDX-License-Identifier: Apache-2.0

package config

import (
	"net/netip"
	"path/filepath"
	"slices"
)

// complete derives what the file leaves to other values. It also runs on values that validation will refuse, so it only
// reads what is there.
func (c *Config) complete() {
	if n := &c.N3IWF; len(n.SupportedTAs) == 0 && n.GlobalN3IWFID.PLMN != (PLMN{}) {
		ta := DefaultSupportedTA()
		ta.PLMNs = []ServedPLMN{{PLMN: n.GlobalN3IWFID.PLMN}}
		n.SupportedTAs = []SupportedTA{ta}
	}
	for i := range c.N3IWF.SupportedTAs {
		for j := range c.N3IWF.SupportedTAs[i].PLMNs {
			if p := &c.N3IWF.SupportedTAs[i].PLMNs[j]; len(p.Slices) == 0 {
				p.Slices = defaultSlices()
			}
		}
	}
	if id := &c.N3IWF.GlobalN3IWFID; id.PLMN == (PLMN{}) && len(c.N3IWF.SupportedTAs) > 0 && len(c.N3IWF.SupportedTAs[0].PLMNs) > 0 {
		id.PLMN = c.N3IWF.SupportedTAs[0].PLMNs[0].PLMN
	}
	n := &c.NWu
	fromPool(n.UEPools.IPv4, &n.NAS.IPv4, &n.UserPlane.IPv4)
	fromPool(n.UEPools.IPv6, &n.NAS.IPv6, &n.UserPlane.IPv6)
	if n.Identity == "" {
		if chain, _, err := n.Certificate.Load(); err == nil {
			n.Identity = firstName(chain[0])
		}
	}
	if n.MOBIKE.AdditionalAddresses == nil && !slices.ContainsFunc(n.Addresses, netip.Addr.IsUnspecified) {
		n.MOBIKE.AdditionalAddresses = slices.Clone(n.Addresses)
	}
}

// fromPool gives NAS and user plane the first two host addresses of the first pool where the file gave none.
func fromPool(pools []netip.Prefix, nas, up *netip.Addr) {
	if len(pools) == 0 || !pools[0].IsValid() {
		return
	}
	first := pools[0].Masked().Addr().Next()
	if !nas.IsValid() {
		*nas = first
	}
	if !up.IsValid() {
		*up = first.Next()
	}
}

// relativeTo makes file names in the certificate section relative to the folder of the configuration file.
func (c *Certificate) relativeTo(dir string) {
	c.Chain, c.Key, c.Issuers = inFolder(dir, c.Chain), Secret(inFolder(dir, string(c.Key))), inFolder(dir, c.Issuers)
	for i := range c.Further {
		f := &c.Further[i]
		f.Chain, f.Key, f.Issuers = inFolder(dir, f.Chain), Secret(inFolder(dir, string(f.Key))), inFolder(dir, f.Issuers)
	}
}

// Files are those that a reload reads again: of the certificates, of PPKs, of quick crash detection, of the management API and of traces.
func (c *Config) Files() []string {
	var all []string
	for _, p := range c.NWu.Certificate.pairs() {
		all = append(all, p.Chain, string(p.Key), p.Issuers)
	}
	t := c.Management.TLS
	all = append(all, c.NWu.IKE.PPK.File, c.NWu.IKE.CrashSecret, t.Chain, string(t.Key), t.ClientCA, c.Management.Traces.CA)
	return slices.DeleteFunc(all, func(s string) bool { return s == "" || isPEM(s) })
}

// relativeTo does the same for the management API.
func (m *Management) relativeTo(dir string) {
	m.Socket = inFolder(dir, m.Socket)
	m.TLS.relativeTo(dir)
	m.Traces.CA = inFolder(dir, m.Traces.CA)
}

func (m *ManagementTLS) relativeTo(dir string) {
	m.Chain, m.Key, m.ClientCA = inFolder(dir, m.Chain), Secret(inFolder(dir, string(m.Key))), inFolder(dir, m.ClientCA)
}

func inFolder(dir, name string) string {
	if name == "" || isPEM(name) || filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
