// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ngap/transport"
)

type streams struct {
	transport.Association
	n int
}

func (s streams) Streams() int { return s.n }

// TestStreamOfUE: stream 0 is for what is about no UE, a UE stays on one of the others, and all of them are used (TS 38.412 7). Where the association has
// one stream alone, everything takes it.
func TestStreamOfUE(t *testing.T) {
	l := &tnlaLink{association: streams{n: 4}}
	require.Zero(t, l.stream(outgoing{}))
	used := map[uint16]bool{}
	for id := range uint32(100) {
		s := l.stream(outgoing{ranID: id, ofUE: true})
		require.Equal(t, s, l.stream(outgoing{ranID: id, ofUE: true}))
		used[s] = true
	}
	require.Equal(t, map[uint16]bool{1: true, 2: true, 3: true}, used)
	l.association = streams{n: 1}
	require.Zero(t, l.stream(outgoing{ranID: 7, ofUE: true}))
}
