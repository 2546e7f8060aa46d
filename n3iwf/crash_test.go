// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
)

func TestCrashSecret(t *testing.T) {
	file := filepath.Join(t.TempDir(), "crash.secret")
	secret, err := crashSecret(file)
	require.NoError(t, err)
	require.Len(t, secret, crashSecretLen)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	again, err := crashSecret(file)
	require.NoError(t, err)
	require.Equal(t, secret, again, "it outlives a restart")
	other, err := crashSecret(file + "2")
	require.NoError(t, err)
	require.NotEqual(t, secret, other)

	require.NoError(t, os.WriteFile(file, []byte("short"), 0o600))
	_, err = crashSecret(file)
	require.ErrorContains(t, err, "has 5 octets")
	_, err = crashSecret(filepath.Join(file, "x"))
	require.Error(t, err)
	_, err = crashSecret(filepath.Join(t.TempDir(), "no folder", "x"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// While the N3IWF stops, and only then, UEs are sent to the one that the configuration names.
func TestRedirectWhileStopping(t *testing.T) {
	nf := &N3IWF{cfg: config.Default(), owners: make([]*owner, 1)}
	nf.cfg.NWu.IKE.RedirectTo = "b.example"
	redirect := nf.ownerOptions(ikev2.Options{}, &owner{nf: nf}).Redirect
	require.True(t, redirect(ikev2.Path{}, ikev2.Gateway{}).IsZero())
	nf.stopping.Store(true)
	require.Equal(t, ikev2.Gateway{Name: "b.example"}, redirect(ikev2.Path{}, ikev2.Gateway{}))
	nf.cfg.NWu.IKE.RedirectTo = "2001:db8::1"
	require.Equal(t, "2001:db8::1", redirect(ikev2.Path{}, ikev2.Gateway{}).Addr.String())
	nf.cfg.NWu.IKE.RedirectTo = ""
	require.True(t, redirect(ikev2.Path{}, ikev2.Gateway{}).IsZero())
}
