// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
)

// A process that cannot forward in the kernel takes no place of one that does, unless it is to forward by itself: the other one goes on, and is told why.
func TestSuccessionKeepsThePrograms(t *testing.T) {
	nf := &N3IWF{cfg: config.Default(), log: slog.New(slog.DiscardHandler), heir: &successionNew{will: will{UserPlane: userPlaneEBPF}}}
	nf.userPlane.reason = "no such program type"
	require.ErrorContains(t, nf.keptInKernel(), "the running process forwards user packets in the kernel, and this one cannot (no such program type)")
	nf.cfg.DataPlane.UserPlane = userPlaneRelay
	require.NoError(t, nf.keptInKernel(), "configured")
	nf.cfg.DataPlane.UserPlane = "auto"
	nf.heir.will.UserPlane = userPlaneRelay
	require.NoError(t, nf.keptInKernel(), "as before")
	nf.heir = nil
	require.NoError(t, nf.keptInKernel(), "a start")
}
