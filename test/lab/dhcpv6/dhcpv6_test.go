// SPDX-License-Identifier: Apache-2.0

package dhcpv6

import (
	"net/netip"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
)

var (
	request = Request{Transaction: [3]byte{1, 2, 3}, Client: []byte{0, 3, 0, 1, 2, 0, 0, 0, 0, 1}, IAID: [4]byte{0, 0, 0, 5}}
	prefix  = netip.MustParsePrefix("fd45:100:0:1::/64")
)

// TestDelegation lets gopacket judge both messages.
func TestDelegation(t *testing.T) {
	decode := func(b []byte, kind layers.DHCPv6MsgType) (codes []layers.DHCPv6Opt) {
		var d layers.DHCPv6
		require.NoError(t, d.DecodeFromBytes(b, gopacket.NilDecodeFeedback))
		require.Equal(t, kind, d.MsgType)
		require.Equal(t, request.Transaction[:], d.TransactionID)
		for _, o := range d.Options {
			codes = append(codes, o.Code)
		}
		return codes
	}
	solicit := request.AppendSolicit(nil)
	require.Equal(t, []layers.DHCPv6Opt{layers.DHCPv6OptClientID, layers.DHCPv6OptRapidCommit, layers.DHCPv6OptIAPD}, decode(solicit, layers.DHCPv6MsgTypeSolicit))
	got, ok := ParseSolicit(solicit)
	require.True(t, ok)
	require.Equal(t, request, got)
	reply := got.AppendReply(nil, []byte{0, 3, 0, 1, 9}, prefix)
	require.Equal(t, []layers.DHCPv6Opt{layers.DHCPv6OptClientID, layers.DHCPv6OptServerID, layers.DHCPv6OptRapidCommit, layers.DHCPv6OptIAPD}, decode(reply, layers.DHCPv6MsgTypeReply))
	delegated, ok := request.ParseReply(reply)
	require.True(t, ok)
	require.Equal(t, prefix, delegated)
	other := request
	other.Transaction[0]++
	_, ok = other.ParseReply(reply)
	require.False(t, ok, "the answer to another request")
	for n := range reply {
		_, ok := request.ParseReply(reply[:n])
		require.False(t, ok, "cut to %d octets", n)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(request.AppendSolicit(nil))
	f.Add(request.AppendReply(nil, []byte{1}, prefix))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, ok := ParseSolicit(b); ok {
			again, ok := ParseSolicit(r.AppendSolicit(nil))
			require.True(t, ok)
			require.Equal(t, r, again)
		}
		if p, ok := request.ParseReply(b); ok {
			require.True(t, p.IsValid())
		}
	})
}
