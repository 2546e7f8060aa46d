// SPDX-License-Identifier: Apache-2.0

package api

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre/ebpf"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// Sessions that the programs in the kernel leave to the relay are counted; where there are no programs, none is an exception.
func TestRelayedSessions(t *testing.T) {
	n3 := relay.Stats{Sessions: 5, Offloaded: 3}
	u := userPlane(n3iwf.UserPlaneStatus{Kind: "ebpf", EBPF: &ebpf.Status{Links: []string{"n3"}}}, n3)
	require.Equal(t, UserPlane{Kind: "ebpf", N3: []string{"n3"}, Relayed: 2}, u)
	require.Equal(t, UserPlane{Kind: "relay", Reason: "configured"}, userPlane(n3iwf.UserPlaneStatus{Kind: "relay", Reason: "configured"}, n3))
}
