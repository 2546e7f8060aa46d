// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// What an address has used up stays used up until a proof, over any number of others, and the table is bounded.
func TestUnprovenRooms(t *testing.T) {
	var rooms unprovenRooms
	at := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}) }
	require.True(t, rooms.at(at(1)).Take(60_000))
	for i := 2; i < 40; i++ {
		require.EqualValues(t, unprovenLimit, rooms.at(at(i)).Left())
		require.LessOrEqual(t, len(rooms), unprovenAddresses)
	}
	require.EqualValues(t, unprovenLimit-60_000, rooms.at(at(1)).Left())
	require.False(t, rooms.at(at(1)).Take(6_000))
	for i := 100; i < 100+unprovenAddresses; i++ {
		rooms.at(at(i)).Take(1000)
	}
	require.Len(t, rooms, unprovenAddresses)
	require.Zero(t, rooms.at(at(200)).Left(), "no room for more of them")
	require.EqualValues(t, unprovenLimit-60_000, rooms.at(at(1)).Left())
	rooms.proven(at(1))
	require.EqualValues(t, unprovenLimit, rooms.at(at(1)).Left())
}
