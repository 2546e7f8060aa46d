// SPDX-License-Identifier: Apache-2.0

package config

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestLegacyLifetimes: the profile for UE simulators that do not survive a rekey has none by itself, and one that the file asks for.
func TestLegacyLifetimes(t *testing.T) {
	lifetimes := func(lines string) [4]time.Duration {
		c, err := Parse(filepath.Join(folder(t), "n3iwf.yaml"), []byte(strings.Replace(minimal, "nwu:\n", "nwu:\n"+lines, 1)))
		require.NoError(t, err)
		return [4]time.Duration{c.NWu.IKE.Lifetime.Soft, c.NWu.IKE.Lifetime.Hard, c.NWu.ESP.Lifetime.Soft, c.NWu.ESP.Lifetime.Hard}
	}
	d := Default().NWu
	usual := [4]time.Duration{d.IKE.Lifetime.Soft, d.IKE.Lifetime.Hard, d.ESP.Lifetime.Soft, d.ESP.Lifetime.Hard}
	require.NotContains(t, usual, time.Duration(0))
	require.Equal(t, usual, lifetimes("  ike: {profile: default}\n"))
	require.Equal(t, [4]time.Duration{}, lifetimes("  ike: {profile: legacy-lab}\n"))
	require.Equal(t, [4]time.Duration{2 * time.Hour, usual[1], 0, 0}, lifetimes("  ike: {profile: legacy-lab, lifetime: {soft: 2h}}\n"))
	require.Equal(t, [4]time.Duration{0, 0, time.Hour, usual[3]}, lifetimes("  ike: {profile: legacy-lab}\n  esp: {lifetime: {soft: 1h}}\n"))
}
