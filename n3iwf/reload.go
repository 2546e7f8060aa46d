// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

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
	chain, key, err := nf.cfg.NWu.LoadCertificate(time.Now())
	if err != nil {
		return nil, err
	}
	prover := &ikev2.CertificateProver{Key: key}
	for _, cert := range chain {
		prover.Chain = append(prover.Chain, cert.Raw)
	}
	return prover, nil
}
