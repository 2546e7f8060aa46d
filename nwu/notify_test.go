// SPDX-License-Identifier: Apache-2.0

package nwu

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// TestNotifyNumbers holds the private notify types against TS 24.502 9.3.1. Wireshark knows them but for the last one.
func TestNotifyNumbers(t *testing.T) {
	require.Equal(t, [10]message.NotifyType{15500, 15501, 55501, 55502, 55503, 55504, 55505, 55506, 55507, 55508}, [10]message.NotifyType{
		NotifyCongestion, NotifyNoResources, Notify5GQoSInfo, NotifyNASIP4Address, NotifyNASIP6Address, NotifyUPIP4Address, NotifyUPIP6Address,
		NotifyNASTCPPort, NotifyBackoffTimer, NotifyUPSAInfo,
	})
	for n, isError := range map[message.NotifyType]bool{NotifyCongestion: true, NotifyNoResources: true, Notify5GQoSInfo: false, NotifyBackoffTimer: false, NotifyUPSAInfo: false} {
		require.Equal(t, isError, n.IsError(), "%d", n)
	}
}
