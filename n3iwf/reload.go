// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
)

// reloadable are the keys that Reload can change while UEs are connected, by their beginnings. New values hold for what begins
// after it: timers that run and UEs that are in keep theirs.
var reloadable = []string{"timers.", "limits.", "nwu.userPlane.childSAs", "nwu.certificate.", "nwu.forbiddenNetworks", "n2.amfs"}

// live is the configuration in force, for the keys that Reload can change.
func (nf *N3IWF) live() *config.Config {
	if c := nf.reloaded.Load(); c != nil {
		return c
	}
	return nf.cfg
}

// Reload takes over what can change while UEs are connected. It gives the keys that have changed, and those that keep their
// former value until the next start. A certificate that cannot be used changes nothing of the certificate, see
// ReloadCertificates.
func (nf *N3IWF) Reload(c *config.Config) (changed, later []string, err error) {
	old := nf.live()
	for _, key := range config.Diff(old, c) {
		if slices.ContainsFunc(reloadable, func(prefix string) bool { return strings.HasPrefix(key, prefix) }) {
			changed = append(changed, key)
		} else {
			later = append(later, key)
		}
	}
	next := *old
	next.Timers, next.Limits, next.NWu.UserPlane.ChildSAs, next.NWu.Certificate = c.Timers, c.Limits, c.NWu.UserPlane.ChildSAs, c.NWu.Certificate
	next.NWu.ForbiddenNetworks, next.N2.AMFs = c.NWu.ForbiddenNetworks, c.N2.AMFs
	nf.reloaded.Store(&next)
	nf.setAMFs(c.N2.AMFs)
	return changed, later, nf.ReloadCertificates()
}

// ReloadCertificates reads nwu.certificate and nwu.ike.ppk.file again and proves the N3IWF with them from the next IKE_AUTH
// exchange on. UEs that are connected notice nothing. What cannot be used (unreadable, expired, not ours, not for
// nwu.identity) changes nothing. It is safe at any time.
func (nf *N3IWF) ReloadCertificates() error {
	prover, err := nf.loadProver()
	if err != nil {
		nf.log.Error("the certificate was not reloaded, the former one stays in use", slog.Any("error", err))
		return err
	}
	if err := nf.loadPPKs(); err != nil {
		nf.log.Error("the post-quantum preshared keys were not reloaded, the former ones stay in use", slog.Any("error", err))
		return err
	}
	nf.prover.Store(prover)
	nf.log.Info("certificate reloaded")
	return nil
}

// loadProver makes the N3IWF's proof from the files that the configuration names.
func (nf *N3IWF) loadProver() (ikev2.Prover, error) {
	certificates, err := nf.live().NWu.LoadCertificates(time.Now())
	if err != nil {
		return nil, err
	}
	var all ikev2.CertificateChoice
	for _, c := range certificates {
		prover := &ikev2.CertificateProver{Key: c.Key, Issuers: c.Issuers}
		for _, cert := range c.Chain {
			prover.Chain = append(prover.Chain, cert.Raw)
		}
		all = append(all, prover)
	}
	return all, nil
}

// loadPPKs reads the post-quantum preshared keys.
func (nf *N3IWF) loadPPKs() error {
	ppk := nf.cfg.NWu.IKE.PPK
	if ppk.File == "" {
		return nil
	}
	keys, err := ppk.Load()
	if err != nil {
		return fmt.Errorf("nwu.ike.ppk.file: %w", err)
	}
	nf.ppks.Store(&keys)
	return nil
}

// ppkPolicy is the use of PPKs that the configuration wants, or nil.
func (nf *N3IWF) ppkPolicy() *ikev2.PPKPolicy {
	ppk := nf.cfg.NWu.IKE.PPK
	if ppk.File == "" {
		return nil
	}
	return &ikev2.PPKPolicy{
		Mandatory: ppk.Mandatory,
		Secret: func(id ikev2.PPKID, _ ikev2.Identity) ([]byte, bool) {
			secret, ok := (*nf.ppks.Load())[string(id.Data)]
			return []byte(secret), ok && id.Type == ikev2.PPKFixed
		},
	}
}
