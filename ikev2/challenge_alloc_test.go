// SPDX-License-Identifier: Apache-2.0

//go:build !race

package ikev2

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The race detector makes pools forget at random, so it has to be without it.
func TestChallengeDoesNotAllocate(t *testing.T) {
	r, _, p := floodedResponder(t, 1)
	buf := make([]byte, 0, 128)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		from, data := p.next()
		if _, done := r.Challenge(epoch, from, data, buf[:0]); !done {
			t.Fatal("no challenge")
		}
	}))
}
