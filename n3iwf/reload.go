// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
)

// reloadable are the keys that Reload can change while UEs are connected, by their beginnings. New values hold for what begins
// after it: timers that run and UEs that are in keep theirs.
var reloadable = []string{"timers.", "limits.", "nwu.userPlane.childSAs", "nwu.certificate."}

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
	nf.reloaded.Store(&next)
	return changed, later, nf.ReloadCertificates()
}

// ReloadCertificates reads nwu.certificate again and proves the N3IWF with it from the next IKE_AUTH exchange on. UEs
// that are connected notice nothing. What cannot be used (unreadable, expired, not ours, not for nwu.identity) changes
// nothing. It is safe at any time.
func (nf *N3IWF) ReloadCertificates() error {
	prover, err := nf.loadProver()
	if err != nil {
		nf.log.Error("the certificate was not reloaded, the former one stays in use", slog.Any("error", err))
		return err
	}
	nf.prover.Store(prover)
	nf.log.Info("certificate reloaded")
	return nil
}

// loadProver makes the N3IWF's proof from the files that the configuration names.
func (nf *N3IWF) loadProver() (*ikev2.CertificateProver, error) {
	chain, key, err := nf.live().NWu.LoadCertificate(time.Now())
	if err != nil {
		return nil, err
	}
	prover := &ikev2.CertificateProver{Key: key}
	for _, cert := range chain {
		prover.Chain = append(prover.Chain, cert.Raw)
	}
	return prover, nil
}
