// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
)

func TestAMFByName(t *testing.T) {
	listed := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	got, err := remoteAddresses(context.Background(), config.AMF{Addresses: listed})
	require.NoError(t, err)
	require.Equal(t, listed, got)

	got, err = remoteAddresses(context.Background(), config.AMF{Name: "localhost"})
	require.NoError(t, err)
	require.Contains(t, got, netip.MustParseAddr("127.0.0.1"), "from /etc/hosts")

	_, err = remoteAddresses(context.Background(), config.AMF{Name: "no-such-host.invalid"})
	require.ErrorContains(t, err, "n2.amfs")
}
