// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"slices"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
)

// secrets are what the N3IWF proves itself with, as their files say.
type secrets struct {
	proof []config.OwnCertificate
	ppks  map[string]config.Secret // nil: none
	crash []byte                   // of nwu.ike.crashSecret; nil: none
}

func readSecrets(c *config.NWu) (s secrets, err error) {
	if s.proof, err = c.LoadCertificates(time.Now()); err != nil {
		return s, err
	}
	if c.IKE.PPK.File != "" {
		if s.ppks, err = c.IKE.PPK.Load(); err != nil {
			return s, keyError("nwu.ike.ppk.file", err)
		}
	}
	if c.IKE.CrashSecret != "" {
		if s.crash, err = crashSecret(c.IKE.CrashSecret); err != nil {
			return s, keyError("nwu.ike.crashSecret", err)
		}
	}
	return s, nil
}

// use takes them into use. With another identity comes another prover: IKE SAs that are being made say the former one still, and prove that.
func (nf *N3IWF) use(s secrets, identity string) {
	if nf.prover == nil || identity != nf.proven {
		nf.prover, nf.proven = ikev2.NewReloadableProver(prover(s.proof)), identity
	} else {
		nf.prover.Store(prover(s.proof))
	}
	nf.proof.Store(&s.proof)
	nf.ppks.Store(&s.ppks)
	nf.crash = s.crash
}

// reloadSecrets reads the certificates, PPKs and the secret of quick crash detection that next names, and proves the N3IWF with them from the next
// IKE_AUTH exchange on. UEs that are connected notice nothing.
func (nf *N3IWF) reloadSecrets(_, next *config.Config) (Change, error) {
	s, err := readSecrets(&next.NWu)
	if err != nil {
		return Change{}, err
	}
	return Change{Commit: func() {
		news := !slices.EqualFunc(*nf.proof.Load(), s.proof, config.OwnCertificate.Equal)
		nf.use(s, next.NWu.Identity)
		if news {
			nf.log.Info("certificate reloaded", slog.String("subject", s.proof[0].Chain[0].Subject.String()), slog.Time("expires", nf.CertificateExpires()))
		}
	}}, nil
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

// ppkPolicy is the use of PPKs that the configuration wants, or nil.
func (nf *N3IWF) ppkPolicy(ppk config.PPK) *ikev2.PPKPolicy {
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
