// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
)

// Which keys can be reloaded is said by the struct tags of package config, and nowhere else: whoever reads nf.live() gets the new value, and what is
// made of the configuration at the start is made again here.

// live is the configuration in force.
func (nf *N3IWF) live() *config.Config {
	if c := nf.reloaded.Load(); c != nil {
		return c
	}
	return nf.cfg
}

// Config is the configuration in force; it must not be changed. A reload makes another one.
func (nf *N3IWF) Config() *config.Config { return nf.live() }

// Reload takes over what can change while UEs are connected: the keys with config.ReloadNow and config.ReloadNew. It gives those that have changed, and
// those that keep their former value until the next start. Files with secrets (nwu.certificate, nwu.ike.ppk.file) are read again; what cannot be used of
// them (unreadable, expired, not ours, not for nwu.identity) is the error, and changes nothing of certificate or PPKs. It is safe at any time.
func (nf *N3IWF) Reload(c *config.Config) (changed, later []string, err error) {
	nf.reloading.Lock()
	defer nf.reloading.Unlock()
	old := nf.live()
	next := config.Reloaded(old, c)
	later = config.Diff(next, c)
	if err = nf.reloadSecrets(next.NWu); err != nil {
		next.NWu.Certificate, next.NWu.IKE.PPK = old.NWu.Certificate, old.NWu.IKE.PPK
	}
	if dir := next.Debug.KeyLog; dir != old.Debug.KeyLog {
		if err2 := nf.openKeyLog(dir); err2 != nil {
			err, next.Debug.KeyLog = errors.Join(err, err2), old.Debug.KeyLog
		}
	}
	changed = config.Diff(old, next)
	nf.reloaded.Store(next)
	nf.logRate.SetLimit(next.Log.LinesPerSecond)
	nf.setAMFs(next.N2.AMFs)
	if !slices.Equal(old.NWu.MOBIKE.AdditionalAddresses, next.NWu.MOBIKE.AdditionalAddresses) {
		nf.announce(next.NWu.MOBIKE.AdditionalAddresses)
	}
	if old.N3IWF.Name != next.N3IWF.Name || !reflect.DeepEqual(old.N3IWF.SupportedTAs, next.N3IWF.SupportedTAs) {
		err = errors.Join(err, nf.reloadServed(next.N3IWF))
	}
	if old.N3.Echo != next.N3.Echo || old.N3.TEIDQuarantine != next.N3.TEIDQuarantine {
		nf.relay.SetTimers(nf.n3Timers())
	}
	if err2 := nf.resetResponders(); err2 != nil {
		return changed, later, errors.Join(err, err2)
	}
	nf.eachUE(func(u *ue) { u.reloaded(old, next) })
	return changed, later, err
}

// reloadServed tells AMFs of another name or other tracking areas.
func (nf *N3IWF) reloadServed(c config.N3IWF) error {
	s, err := newServed(c)
	if err != nil {
		return fmt.Errorf("n3iwf.supportedTAs: %w", err) // the check of the configuration has found none
	}
	nf.served.Store(s)
	for _, a := range nf.amfs.get() {
		if ng := a.ng.Load(); ng != nil {
			ng.tellServed()
		}
	}
	return nil
}

// reloaded makes a UE that is there follow what has changed.
func (u *ue) reloaded(old, next *config.Config) {
	u.apply(u.session.Follow(time.Now(), u.owner.responder))
	if o, n := &old.NWu.UserPlane, &next.NWu.UserPlane; o.PathMTU != n.PathMTU || o.EnforceRates != n.EnforceRates || !slices.Equal(old.N3.DSCP, next.N3.DSCP) {
		u.updateRelay()
	}
	if old.Timers.Inactivity != next.Timers.Inactivity && u.state == stateUp {
		u.watchInactivity()
	}
}

// resetResponders gives the IKEv2 responders the configuration in force, for the UEs that come from now on; their limits hold at once.
func (nf *N3IWF) resetResponders() error {
	options, err := nf.ikeOptions()
	if err != nil {
		return err
	}
	for _, o := range nf.owners {
		o.responder.SetOptions(nf.ownerOptions(options, o))
	}
	return nil
}

// ReloadCertificates is Reload without a change of the configuration.
func (nf *N3IWF) ReloadCertificates() error {
	nf.reloading.Lock()
	defer nf.reloading.Unlock()
	return nf.reloadSecrets(nf.live().NWu)
}

// reloadSecrets reads the certificates and PPKs that c names, and proves the N3IWF with them from the next IKE_AUTH exchange on. UEs that are connected
// notice nothing.
func (nf *N3IWF) reloadSecrets(c config.NWu) error {
	proof, err := c.LoadCertificates(time.Now())
	if err != nil {
		nf.log.Error("the certificate was not reloaded, the former one stays in use", slog.Any("error", err))
		return err
	}
	if err := nf.loadPPKs(c.IKE.PPK); err != nil {
		nf.log.Error("the post-quantum preshared keys were not reloaded, the former ones stay in use", slog.Any("error", err))
		return err
	}
	if slices.EqualFunc(*nf.proof.Load(), proof, config.OwnCertificate.Equal) {
		return nil
	}
	nf.proof.Store(&proof)
	nf.prover.Store(prover(proof))
	nf.log.Info("certificate reloaded", slog.String("subject", proof[0].Chain[0].Subject.String()), slog.Time("expires", nf.CertificateExpires()))
	return nil
}

// CertificateExpires is when the first of the certificates in use ends: of all chains, those of nwu.certificate.further included.
func (nf *N3IWF) CertificateExpires() (first time.Time) {
	for _, own := range *nf.proof.Load() {
		for _, c := range own.Chain {
			if first.IsZero() || c.NotAfter.Before(first) {
				first = c.NotAfter
			}
		}
	}
	return first
}

// prover makes the N3IWF's proof.
func prover(proof []config.OwnCertificate) ikev2.Prover {
	var all ikev2.CertificateChoice
	for _, own := range proof {
		p := &ikev2.CertificateProver{Key: own.Key, Issuers: own.Issuers}
		for _, cert := range own.Chain {
			p.Chain = append(p.Chain, cert.Raw)
		}
		all = append(all, p)
	}
	return all
}

// loadPPKs reads the post-quantum preshared keys.
func (nf *N3IWF) loadPPKs(ppk config.PPK) error {
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
	ppk := nf.live().NWu.IKE.PPK
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
