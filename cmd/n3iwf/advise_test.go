// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// A port that is taken, or an address of another machine, is a matter for the operator: the error says what to do.
func TestErrorsOfAddressesSayWhatToDo(t *testing.T) {
	taken, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	_, err = net.ListenPacket("udp4", taken.LocalAddr().String())
	require.ErrorContains(t, advise(err), "another program has this address and port")
	require.ErrorIs(t, advise(err), err)

	_, err = net.ListenPacket("udp4", "192.0.2.77:0")
	require.ErrorContains(t, advise(err), "this machine has no such address")

	other := errors.New("something else")
	require.Equal(t, other, advise(other))
}

// A script must see by the exit status that a UE stayed where it was; that its IKE SA ended as asked is no failure.
func TestMoveThatFailedIsAnError(t *testing.T) {
	require.EqualError(t, api.MoveResult{UE: 3, Error: "the UE has not come"}.Err(), "UE 3 has not moved: the UE has not come")
	require.NoError(t, api.MoveResult{UE: 3, Moved: true, How: "switch"}.Err())
	require.NoError(t, api.MoveResult{UE: 3, How: "delete"}.Err())
}
