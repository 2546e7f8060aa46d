// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
)

// A process that cannot forward in the kernel, or may not, takes no place of one that does: that goes on, and is told why.
func TestSuccessionKeepsThePrograms(t *testing.T) {
	nf := &N3IWF{cfg: config.Default(), log: slog.New(slog.DiscardHandler), heir: &successionNew{will: will{UserPlane: userPlaneEBPF}}}
	nf.cfg.DataPlane.Kind, nf.cfg.DataPlane.UserPlane = "kernel", userPlaneRelay
	require.ErrorContains(t, nf.openDataPlane(1), "the running process forwards user packets in the kernel, and this one would not (configured)")
	require.Nil(t, nf.dataPlane)
	nf.heir.will.UserPlane = userPlaneRelay
	require.NoError(t, nf.keptInKernel())
	nf.heir = nil
	require.NoError(t, nf.keptInKernel())
}
