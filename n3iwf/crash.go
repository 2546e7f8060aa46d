// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"

	"github.com/open-n3iwf/n3iwf/ikev2"
)

// crashSecretLen is the length in octets of a new secret of quick crash detection, and the least of one that is there.
const crashSecretLen = 32

// crashSecret reads the secret of quick crash detection (RFC 6290), or makes the file when it is not there.
func crashSecret(file string) ([]byte, error) {
	secret, err := os.ReadFile(file)
	if err == nil {
		if len(secret) < crashSecretLen {
			return nil, fmt.Errorf("%s has %d octets; want %d or more at random, or no file, so that it is made", file, len(secret), crashSecretLen)
		}
		return secret, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	secret = make([]byte, crashSecretLen)
	_, _ = rand.Read(secret) // never fails
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if _, err = f.Write(secret); err == nil {
		err = f.Sync()
	}
	return secret, errors.Join(err, f.Close())
}

// redirectTo is the N3IWF that UEs are sent to while this one stops; zero: none.
func (nf *N3IWF) redirectTo() ikev2.Gateway {
	to := nf.live().NWu.IKE.RedirectTo
	if addr, err := netip.ParseAddr(to); err == nil {
		return ikev2.Gateway{Addr: addr}
	}
	return ikev2.Gateway{Name: to}
}
